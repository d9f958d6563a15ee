"""Why the exchange refuses a request at once: a code and the values in its sentence. Each protocol server words it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class RefusalCode(StrEnum):
    """The reason of a refusal. The value is a sentence; a name in braces is a field of `ExchangeRefusal.facts`."""

    UNKNOWN_INSTRUMENT = "{symbol} is not traded on {exchange}"
    NOT_TRADABLE = "{symbol} is an index, which nobody can trade"
    CLOSED = "the market is closed"
    FORBIDDEN = "{reason}"
    UNKNOWN_VARIETY = "this exchange takes regular orders, no order of variety {variety}"
    BAD_PRODUCT = "{symbol} is not traded in this product: use {allowed}"
    BAD_QUANTITY = "the quantity should be above zero"
    OFF_LOT = "the quantity should be a multiple of {lot}"
    BAD_TAG = "a tag has letters and digits, at most {length}"
    UNPROTECTED = "an order without a price of its own needs protection"
    BAD_PRICE = "the {name} should be above zero"
    OFF_TICK = "the {name} should be a multiple of {tick}"
    ABOVE_BAND = "the {name} is above {limit}, the highest of the day"
    BELOW_BAND = "the {name} is below {limit}, the lowest of the day"
    TRIGGER_ABOVE_LIMIT = "the trigger of a {side} cannot be above its limit"
    TRIGGER_BELOW_LIMIT = "the trigger of a {side} cannot be below its limit"
    TRIGGER_TOO_LOW = "the trigger of a {side} should be above the last price ({last})"
    TRIGGER_TOO_HIGH = "the trigger of a {side} should be below the last price ({last})"
    NOT_HELD = "{quantity} is more than the {held} that can be sold"
    NOT_AUTHORISED = "{quantity} shares may be sold only after their owner has authorised it at the depository"
    UNKNOWN_ORDER = "there is no order {order_id}"
    ENDED = "the order cannot be {verb}: it is {status}"
    BUSY = "the order cannot be {verb}: an earlier request is on its way"
    TOO_MANY_CHANGES = "the order was changed {most} times, which is all"
    BELOW_FILLED = "the quantity should be above the {filled} already filled"
    NO_SUCH_PRODUCT = "{product!r} is no product here: use {allowed}"
    SAME_PRODUCT = "the new product is the old one"
    SHORT_DELIVERY = "a short position cannot be delivered"
    TOO_MUCH_CONVERTED = "{quantity} is more than the {most} of the position that can be converted"
    NO_STOP_MARKET = (
        "a stop in {symbol} needs a limit price: {exchange} takes no {kind} order for an instrument of kind {what}"
    )
    TOO_MANY_GTT = "{most} active GTT orders are all that an account may have"
    UNKNOWN_GTT = "there is no GTT order {gtt_id}"
    GTT_ENDED = "the GTT order cannot be {verb}: it is {status}"
    GTT_OTHER_KIND = "a GTT order keeps its instrument and its number of legs"
    GTT_MET = "the last price ({last}) has reached the trigger already"
    GTT_TOO_CLOSE = "a trigger should be more than {distance} away from the last price"
    GTT_FIRST_ABOVE = "the first trigger ({trigger}) should be below the last price ({last})"
    GTT_SECOND_BELOW = "the second trigger ({trigger}) should be above the last price ({last})"
    NO_FUNDS = "{required:.2f} are required and {available:.2f} available"


class ExchangeRefusal(Exception):
    """An immediate refusal: nothing is booked."""

    def __init__(self, code: RefusalCode, **facts: Any) -> None:
        super().__init__(code.value.format(**facts))
        self.code, self.facts = code, facts
