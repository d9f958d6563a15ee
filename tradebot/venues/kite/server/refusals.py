"""Kite's error for each refusal of the exchange: the error type of each code, and its sentence."""

from __future__ import annotations

from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.venues.kite.responses import classify_response, reply_of_write
from tradebot.venues.kite.server.wire import KiteError, render_error
from tradebot.venues.venue import Reply

INPUT, MARGIN, ORDER, HOLDING = "InputException", "MarginException", "OrderException", "HoldingException"
_STOP = "Trigger price for stoploss {side} orders"
_SLOW = "Order cannot be {verb} as it is being processed. Try later."
SENTENCES: dict[RefusalCode, tuple[str, str]] = {
    RefusalCode.UNKNOWN_INSTRUMENT: (
        INPUT,
        "The instrument you are placing an order for has either expired or does not exist. "
        "Please check the instrument again.",
    ),
    RefusalCode.NOT_TRADABLE: (INPUT, "Trading in {symbol} is not allowed: it is an index."),
    RefusalCode.CLOSED: (ORDER, "Markets are closed right now. Use an after market order (AMO) to place this order."),
    RefusalCode.FORBIDDEN: (ORDER, "{reason}"),
    RefusalCode.UNKNOWN_VARIETY: (INPUT, "Invalid `variety`: this exchange takes regular orders."),
    RefusalCode.BAD_PRODUCT: (INPUT, "Invalid `product` for {symbol}: use {allowed}."),
    RefusalCode.BAD_QUANTITY: (INPUT, "Invalid `quantity`: it should be above zero."),
    RefusalCode.OFF_LOT: (INPUT, "Invalid `quantity`: it should be in multiples of {lot}."),
    RefusalCode.BAD_TAG: (INPUT, "Invalid `tag`: it should be alphanumeric, at most {length} characters."),
    RefusalCode.UNPROTECTED: (
        INPUT,
        "Market orders without market protection are not allowed via API. "
        "Please set market protection or use a Limit order.",
    ),
    RefusalCode.BAD_PRICE: (INPUT, "Invalid `{field}`: it should be above zero."),
    RefusalCode.OFF_TICK: (
        INPUT,
        "Tick size for this script is {tick}. Kindly enter {name} in the multiple of tick size for this script.",
    ),
    RefusalCode.ABOVE_BAND: (
        ORDER,
        "Your order {name} is higher than the current upper circuit limit of {limit}. Place it within the daily range.",
    ),
    RefusalCode.BELOW_BAND: (
        ORDER,
        "Your order {name} is lower than the current lower circuit limit of {limit}. Place it within the daily range.",
    ),
    RefusalCode.TRIGGER_ABOVE_LIMIT: (INPUT, _STOP + " cannot be above the limit price."),
    RefusalCode.TRIGGER_BELOW_LIMIT: (INPUT, _STOP + " cannot be below the limit price."),
    RefusalCode.TRIGGER_TOO_LOW: (INPUT, _STOP + " should be higher than the last traded price ({last})."),
    RefusalCode.TRIGGER_TOO_HIGH: (INPUT, _STOP + " should be lower than the last traded price ({last})."),
    RefusalCode.NOT_HELD: (HOLDING, "Insufficient stock holding. {quantity} quantity exceeds {held}."),
    RefusalCode.NOT_AUTHORISED: (HOLDING, "{quantity} quantity needs authorisation at depository."),
    RefusalCode.UNKNOWN_ORDER: (ORDER, "Couldn't find that `order_id`."),
    RefusalCode.ENDED: (ORDER, "Order cannot be {verb} as it is already {status}."),
    RefusalCode.BUSY: (ORDER, _SLOW),
    RefusalCode.TOO_MANY_CHANGES: (ORDER, "Maximum allowed order modifications exceeded."),
    RefusalCode.BELOW_FILLED: (INPUT, "Quantity should be above the {filled} already filled."),
    RefusalCode.NO_SUCH_PRODUCT: (INPUT, "Invalid product {product!r}: use {allowed}."),
    RefusalCode.SAME_PRODUCT: (INPUT, "The new product is the old one."),
    RefusalCode.SHORT_DELIVERY: (INPUT, "A short position cannot be converted to CNC."),
    RefusalCode.TOO_MUCH_CONVERTED: (INPUT, "{quantity} exceeds the {most} of the position that can be converted."),
    # The words of the triggers that are too close and of the first of two are Kite's own, the others are ours.
    RefusalCode.NO_STOP_MARKET: (INPUT, "{kind} orders are blocked for {what} instruments on {exchange}."),
    RefusalCode.TOO_MANY_GTT: (INPUT, "Maximum number of active GTT triggers ({most}) exceeded."),
    RefusalCode.UNKNOWN_GTT: (INPUT, "Couldn't find that `trigger_id`."),
    RefusalCode.GTT_ENDED: (INPUT, "Trigger cannot be {verb} as it is already {status}."),
    RefusalCode.GTT_OTHER_KIND: (INPUT, "The instrument and the type of a trigger cannot be modified."),
    RefusalCode.GTT_MET: (INPUT, "Trigger already met. The last price is {last}."),
    RefusalCode.GTT_TOO_CLOSE: (
        INPUT,
        "Trigger price was too close to the last price. (difference should be more than {distance})",
    ),
    RefusalCode.GTT_FIRST_ABOVE: (
        INPUT,
        "Trigger cannot be created with the first trigger price more than the last price.",
    ),
    RefusalCode.GTT_SECOND_BELOW: (
        INPUT,
        "Trigger cannot be created with the second trigger price less than the last price.",
    ),
    RefusalCode.NO_FUNDS: (
        MARGIN,
        "Insufficient funds. Required margin is {required:.2f} but available margin is {available:.2f}.",
    ),
}
STATUSES = {RefusalCode.NOT_AUTHORISED: 428}  # where the HTTP status is not 400
ENDED = {"filled": "complete"}  # the exchange's word for an end state -> Kite's, where they differ
VERBS = {"changed": "modified"}


def refusal_reply(refusal: ExchangeRefusal) -> Reply:
    """Return what our client makes of a refusal, as if it had come over the wire; for paper in one process.

    Raises OutcomeUnknown for a refusal that the client would not take as one.
    """
    error = refusal_error(refusal)
    return reply_of_write(classify_response(error.status, render_error(error)))


def refusal_error(refusal: ExchangeRefusal) -> KiteError:
    """Return the error on the wire for a refusal by the exchange."""
    error_type, sentence = SENTENCES[refusal.code]
    facts = dict(refusal.facts)
    if "name" in facts:
        facts["field"] = facts["name"].replace(" ", "_")
    for name, words in (("status", ENDED), ("verb", VERBS)):
        if name in facts:
            facts[name] = words.get(facts[name], facts[name])
    return KiteError(STATUSES.get(refusal.code, 400), error_type, sentence.format(**facts))
