"""What is asked of a venue: an order, whole and final before it is sent, and the terms of a change to one."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.domain.products import INTRADAY


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    sign: int  # of what it adds to a position

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "BUY" else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderKind(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "SL"
    STOP_MARKET = "SL-M"


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"


class OrderPurpose(StrEnum):
    """Why an order exists; exits keep a share of every limit that entries may not use."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TRAIL = "trail"
    TARGET = "target"
    FLATTEN = "flatten"
    EXTERNAL = "external"

    is_exit: bool

    def __init__(self, value: str) -> None:
        self.is_exit = value not in ("entry", "external")


class OrderRequest(Message, frozen=True, kw_only=False):
    """What the desk decided to send, whole and final before it is journaled.

    `order_id` is ours and is what the venue echoes (its `tag`); `price` and `trigger_price` are None where the kind
    has none; `protection_pct` is the market protection of a MARKET or SL-M order. `quoted_at`, `signaled_at` and
    `decided_at` are monotonic ns of the quote, the signal and the decision behind it.
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

    @property
    def is_external(self) -> bool:
        """True for an order that was placed elsewhere: not ours to change, to cancel or to answer for."""
        return self.purpose is OrderPurpose.EXTERNAL


class OrderTerms(Message, frozen=True):
    """What a replace asks for; `quantity` is the new total, fills included."""

    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
