"""The records of the exchange: the ticket a client sends, versions of the booked order, and rows of its trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, OrderKind, Side, Validity
from tradebot.domain.products import INTRADAY


class BookStatus(StrEnum):
    """The state of an order in the book."""

    RECEIVED = "received"
    VALIDATING = "checking"
    OPENING = "opening"
    OPEN = "open"
    AWAITING_TRIGGER = "awaiting trigger"
    MODIFY_VALIDATING = "checking change"
    MODIFYING = "changing"
    MODIFIED = "changed"
    CANCELLING = "cancelling"
    COMPLETE = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """Return whether an order in this state has ended."""
        return self in ENDED_STATUSES


# The words of the log on disk. They come from one broker's protocol and stay, so that older logs can be resumed.
STATUS_ON_DISK = {
    BookStatus.RECEIVED: "PUT ORDER REQ RECEIVED",
    BookStatus.VALIDATING: "VALIDATION PENDING",
    BookStatus.OPENING: "OPEN PENDING",
    BookStatus.OPEN: "OPEN",
    BookStatus.AWAITING_TRIGGER: "TRIGGER PENDING",
    BookStatus.MODIFY_VALIDATING: "MODIFY VALIDATION PENDING",
    BookStatus.MODIFYING: "MODIFY PENDING",
    BookStatus.MODIFIED: "MODIFIED",
    BookStatus.CANCELLING: "CANCEL PENDING",
    BookStatus.COMPLETE: "COMPLETE",
    BookStatus.REJECTED: "REJECTED",
    BookStatus.CANCELLED: "CANCELLED",
}
ENDED_STATUSES = frozenset({BookStatus.COMPLETE, BookStatus.REJECTED, BookStatus.CANCELLED})


class PlacedBy(StrEnum):
    """Who placed an order of the account: its API, its owner in the broker's app, or the broker itself."""

    API = "api"
    OWNER = "owner"
    BROKER = "broker"


class Ticket(Message, frozen=True):
    """An order as a client requests it.

    `price` and `trigger_price` are None where the kind has none. `protection_pct` is the market protection of a MARKET
    or SL-M order as a percent of the reference price. It is already resolved: a venue's code for "you choose" is not
    kept.
    """

    exchange: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    product: str = INTRADAY
    tag: str = ""
    protection_pct: Decimal | None = None
    variety: str = "regular"
    disclosed_quantity: Decimal = ZERO
    hand: PlacedBy = PlacedBy.API


class BookOrder(Message, frozen=True):
    """One version of an order in the exchange's book; every change makes a new one.

    `exchange_order_id` is "" until the order is at the exchange. `average_price` is exact and 0 without fills.
    `placed_at` and `changed_at` are market ns. `limit` is the price that the matching may not pass, None where there is
    none (yet). A protected market order gets its limit when it reaches the book.
    """

    order_id: str
    exchange_order_id: str
    ticket: Ticket
    status: BookStatus
    filled: Decimal
    pending: Decimal
    cancelled: Decimal
    average_price: Decimal
    reason: str
    placed_at: int
    changed_at: int
    modifications: int
    triggered: bool
    limit: Decimal | None = None

    @property
    def is_ended(self) -> bool:
        """Return whether the order has ended."""
        return self.status in ENDED_STATUSES


def order_to_line(order: BookOrder) -> dict[str, Any]:
    """Return an order as a line of the log."""
    return msgspec.structs.asdict(order) | {"status": STATUS_ON_DISK[order.status]}


def order_from_line(line: Mapping[str, Any]) -> BookOrder:
    """Return the order in a line of the log. Raises msgspec.ValidationError, and KeyError for an unknown state."""
    return msgspec.convert({**line, "status": _STATUS_FROM_DISK[line["status"]]}, BookOrder)


_STATUS_FROM_DISK = {word: status for status, word in STATUS_ON_DISK.items()}


def received_order(order_id: str, ticket: Ticket, at: int) -> BookOrder:
    """Return the first version of an order, as it was received; `at` is market ns."""
    return BookOrder(
        order_id=order_id,
        exchange_order_id="",
        ticket=ticket,
        status=BookStatus.RECEIVED,
        filled=ZERO,
        pending=ticket.quantity,
        cancelled=ZERO,
        average_price=ZERO,
        reason="",
        placed_at=at,
        changed_at=at,
        modifications=0,
        triggered=False,
        limit=None,
    )


class TradeRow(Message, frozen=True):
    """One fill of one of our orders; `trade_id` is unique per exchange, `traded_at` market ns."""

    trade_id: str
    order_id: str
    exchange_order_id: str
    symbol: str
    exchange: str
    product: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_at: int


class Conversion(Message, frozen=True):
    """A request of the owner: another product for `quantity` of a position, at its cost. Nothing is traded.

    `side` is BUY for a long position. `is_carried` takes the quantity from what was held overnight, else from today's.
    """

    exchange: str
    symbol: str
    side: Side
    quantity: Decimal
    was: str
    becomes: str
    is_carried: bool = False


def kind_has_price(kind: OrderKind) -> bool:
    """Return whether the kind carries a limit price."""
    return kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT)


def kind_has_trigger(kind: OrderKind) -> bool:
    """Return whether the kind waits for a trigger price."""
    return kind in (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)


def kind_needs_protection(kind: OrderKind) -> bool:
    """Return whether the kind has no price of its own and must be protected."""
    return kind in (OrderKind.MARKET, OrderKind.STOP_MARKET)
