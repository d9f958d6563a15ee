"""What a venue reports: orders, fills, positions of the day, and holdings from earlier days."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.message import Message
from tradebot.domain.order_request import OrderKind, Side
from tradebot.domain.position_key import NettingKey
from tradebot.domain.products import DELIVERY, INTRADAY


class VenueOrderStatus(StrEnum):
    """The status of an order at a venue, in one vocabulary for all venues."""

    ACKED = "acked"  # the broker has accepted it, the exchange has not yet
    OPEN = "open"
    PENDING_TRIGGER = "pending_trigger"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Refusal(StrEnum):
    """The cause of a refusal by the venue: the order itself, or missing funds."""

    ORDER = "order"
    FUNDS = "funds"


class GttReport(Message, frozen=True):
    """What a venue reports of a GTT order beyond the fields of every order.

    `placed_order_id` is the venue's id of the order that it placed when it triggered, "" before that and where that
    order was refused. `created_at` is the venue's time of its creation, ns UTC. A GTT has no tag. `target_trigger` is
    None for a single one.
    """

    created_at: int = 0
    placed_order_id: str = ""
    target_trigger: Decimal | None = None
    target_price: Decimal | None = None


class VenueOrder(Message, frozen=True):
    """One order as the venue reports it, on the stream or in a list.

    `tag` is our order id where the venue echoes it, else "". `filled` is the venue's cumulative quantity. `changed_at`
    is the venue's time of the last change, ns UTC, 0 if not given. A GTT order is one with `gtt`. PENDING_TRIGGER
    is the status of a stop that rests; OPEN, for a stop, means that it has triggered.
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
    gtt: GttReport | None = None


class Fill(Message, frozen=True, kw_only=False):
    """One fill as the venue reports it; booked once per (exchange, `execution_id`).

    `traded_at` is the venue's time, ns UTC. `is_inferred` marks a fill that we derived from the venue's cumulative
    quantity because the venue reported no trade for it.
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
        """Return (exchange, execution id), which the venue guarantees to be unique."""
        return self.exchange, self.execution_id

    @property
    def netting_key(self) -> NettingKey:
        """Return the key by which the venue nets the fill."""
        return self.exchange, self.symbol, self.product

    def is_same_trade(self, other: Fill) -> bool:
        """Return True when `other` has the same value in every field that is booked."""
        return (self.side, self.quantity, self.price, self.symbol) == (
            other.side,
            other.quantity,
            other.price,
            other.symbol,
        )


class VenuePosition(Message, frozen=True):
    """A net position of the day as the venue reports it; `quantity` is signed."""

    symbol: str
    exchange: str
    product: str
    quantity: Decimal
    average_price: Decimal

    @property
    def netting_key(self) -> NettingKey:
        """Return the key by which the venue nets the position."""
        return self.exchange, self.symbol, self.product


DEMAT_CONSENT = "consent"  # `AccountProfile.consent` of an account whose broker may sell shares without asking


class AccountProfile(Message, frozen=True):
    """The account as the venue describes it.

    `exchanges` and `products` are those that it may trade, empty where the venue does not say. `consent` is its word on
    whether shares may leave the demat account without a further authorisation, "" where it does not say.
    """

    account_id: str
    exchanges: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    consent: str = ""


class VenueHolding(Message, frozen=True):
    """Shares from earlier days as the venue reports them, including those bought and not yet delivered."""

    symbol: str
    exchange: str
    quantity: Decimal
    average_price: Decimal
    product: str = DELIVERY

    @property
    def netting_key(self) -> NettingKey:
        """Return the key by which the holding is netted with a position of the day."""
        return self.exchange, self.symbol, self.product
