"""What a venue reports: its orders and fills, the positions of the day and what is held beyond it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.domain.order_request import OrderKind, Side
from tradebot.domain.position_key import NettingKey
from tradebot.domain.products import DELIVERY, INTRADAY


class VenueOrderStatus(StrEnum):
    """What a venue says of an order, in one vocabulary for all venues."""

    ACKED = "acked"  # the broker has it, the exchange not yet
    OPEN = "open"
    PENDING_TRIGGER = "pending_trigger"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Refusal(StrEnum):
    """What a refusal of the venue speaks of: the order, or the money that it would need."""

    ORDER = "order"
    FUNDS = "funds"


class VenueOrder(Message, frozen=True):
    """One order as the venue reports it, on the stream or in a list.

    `tag` is our order id where the venue echoes it, else ""; `filled` is the venue's cumulative quantity; `changed_at`
    is the venue's time of the last change, ns UTC, 0 if not given.
    """

    venue_order_id: str
    tag: str
    symbol: str
    exchange: str
    side: Side
    kind: OrderKind
    status: VenueOrderStatus
    quantity: Decimal
    filled: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    average_price: Decimal | None = None
    product: str = INTRADAY
    reason: str = ""
    changed_at: int = 0
    refusal: Refusal | None = None


class Fill(Message, frozen=True, kw_only=False):
    """One fill as the venue reports it; booked once per (exchange, `execution_id`).

    `is_inferred` marks one that we made from the venue's cumulative quantity because no trade came for it.
    """

    execution_id: str
    venue_order_id: str
    symbol: str
    exchange: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_at: int
    product: str = INTRADAY
    is_inferred: bool = False

    @property
    def fill_key(self) -> tuple[str, str]:
        """What the venue promises to be unique."""
        return self.exchange, self.execution_id

    @property
    def netting_key(self) -> NettingKey:
        """Where the venue nets it."""
        return self.exchange, self.symbol, self.product

    def is_same_trade(self, other: Fill) -> bool:
        """True when both report the same trade in every figure that is booked."""
        return (self.side, self.quantity, self.price, self.symbol) == (
            other.side,
            other.quantity,
            other.price,
            other.symbol,
        )


class VenuePosition(Message, frozen=True):
    """A net position as the venue reports it; `quantity` is signed."""

    symbol: str
    exchange: str
    product: str
    quantity: Decimal
    average_price: Decimal

    @property
    def netting_key(self) -> NettingKey:
        """What is netted."""
        return self.exchange, self.symbol, self.product


class VenueHolding(Message, frozen=True):
    """Shares held beyond the day as the venue reports them, those bought and not yet delivered included."""

    symbol: str
    exchange: str
    quantity: Decimal
    average_price: Decimal
    product: str = DELIVERY

    @property
    def netting_key(self) -> NettingKey:
        """What is netted with a position of the day."""
        return self.exchange, self.symbol, self.product
