"""Requests to a venue: an order, complete and final before it is sent, and the terms of a change to one."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.domain.products import INTRADAY


class Side(StrEnum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int  # of the change to a position: 1 or -1

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "BUY" else -1

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderKind(StrEnum):
    """The type of an order, with the values that venues in India use."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "SL"
    STOP_MARKET = "SL-M"


class Validity(StrEnum):
    """How long an order works: for the day, or immediate-or-cancel."""

    DAY = "DAY"
    IOC = "IOC"


class OrderPurpose(StrEnum):
    """Why an order exists: an entry, an exit with its cause, a stop that rests, or an order of another hand."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TRAIL = "trail"
    TARGET = "target"
    FLATTEN = "flatten"
    EXTERNAL = "external"
    RESTING_STOP = "resting_stop"

    is_exit: bool  # it reduces a position
    rests: bool  # a stop that waits at the venue: it protects a position, and does not ask to close it now

    def __init__(self, value: str) -> None:
        self.is_exit, self.rests = value not in ("entry", "external"), value == "resting_stop"


class GttTerms(Message, frozen=True):
    """What a GTT order (good till triggered) has beyond its stop: a stop that the broker keeps over days.

    The broker compares its triggers with the last price; when one is reached it places a limit order. `last_price` is
    the last price when it was decided. An OCO (one cancels the other) also has a target, with a trigger of its own and
    the limit price of the order that it places; a single GTT has None for both.
    """

    last_price: Decimal
    target_trigger: Decimal | None = None
    target_price: Decimal | None = None


class OrderRequest(Message, frozen=True, kw_only=False):
    """An order that the desk decided to send, complete and final before it is journaled.

    `order_id` is our id, which the venue echoes as its `tag`. `price` and `trigger_price` are None where the kind has
    none. `protection_pct` is the market protection of a MARKET or SL-M order, in percent. `quoted_at`, `signaled_at`
    and `decided_at` are the monotonic ns of the quote, the signal and the decision behind the order. With `gtt` it is a
    GTT order: its stop is `trigger_price`, with the limit `price`.
    """

    order_id: str
    symbol: str
    exchange: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    product: str = INTRADAY
    protection_pct: Decimal | None = None
    purpose: OrderPurpose = OrderPurpose.ENTRY
    strategy: str = ""
    signal_id: str = ""
    reason: str = ""
    stop_loss: Decimal | None = None
    trail_by: Decimal | None = None
    target: Decimal | None = None
    decided_at: int = 0
    signaled_at: int = 0
    quoted_at: int = 0
    gtt: GttTerms | None = None

    @property
    def is_external(self) -> bool:
        """Return True for an order that we did not place, and so must not change or cancel."""
        return self.purpose is OrderPurpose.EXTERNAL


class OrderTerms(Message, frozen=True):
    """The new terms that a replace requests; `quantity` is the new total, fills included."""

    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
