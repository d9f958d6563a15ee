"""The rows of the paper exchange as a venue reports them, and the requests to a venue as its tickets. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradebot.domain.order import (
    Fill,
    OrderRequest,
    Refusal,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.exchange.account import DematHolding
from tradebot.exchange.exchange import NO_FUNDS_WORDS
from tradebot.exchange.position import PositionRow
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Ticket,
    TradeRow,
    kind_has_price,
    kind_has_trigger,
    kind_needs_protection,
)

VENUE_STATUSES = {
    BookStatus.RECEIVED: VenueOrderStatus.ACKED,
    BookStatus.VALIDATING: VenueOrderStatus.ACKED,
    BookStatus.OPENING: VenueOrderStatus.ACKED,
    BookStatus.OPEN: VenueOrderStatus.OPEN,
    BookStatus.MODIFY_VALIDATING: VenueOrderStatus.OPEN,
    BookStatus.MODIFYING: VenueOrderStatus.OPEN,
    BookStatus.MODIFIED: VenueOrderStatus.OPEN,
    BookStatus.CANCELLING: VenueOrderStatus.OPEN,
    BookStatus.AWAITING_TRIGGER: VenueOrderStatus.PENDING_TRIGGER,
    BookStatus.COMPLETE: VenueOrderStatus.FILLED,
    BookStatus.CANCELLED: VenueOrderStatus.CANCELED,
    BookStatus.REJECTED: VenueOrderStatus.REJECTED,
}
# A change or a cancel is on its way. A stop has these before its trigger as well as after it.
BETWEEN_STATUSES = (
    BookStatus.MODIFY_VALIDATING,
    BookStatus.MODIFYING,
    BookStatus.MODIFIED,
    BookStatus.CANCELLING,
)


def ticket_of(request: OrderRequest, automatic_pct: Decimal) -> Ticket:
    """Return the ticket of a new order.

    `automatic_pct` protects an order that needs protection and leaves it to the broker.
    """
    protection = automatic_pct if request.protection_pct is None else request.protection_pct
    return Ticket(
        exchange=request.exchange,
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        quantity=request.quantity,
        price=request.price if kind_has_price(request.kind) else None,
        trigger_price=request.trigger_price if kind_has_trigger(request.kind) else None,
        validity=request.validity,
        product=request.product,
        tag=request.order_id,
        protection_pct=protection if kind_needs_protection(request.kind) else None,
    )


def changes_of(request: OrderRequest, automatic_pct: Decimal) -> dict[str, Any]:
    """Return the arguments of `Exchange.modify_order` that give a working order the terms of `request`."""
    ticket = ticket_of(request, automatic_pct)
    names = ("kind", "quantity", "validity", "price", "trigger_price", "protection_pct")
    return {name: getattr(ticket, name) for name in names}


def venue_order_of(order: BookOrder) -> VenueOrder:
    """Return a version of an order as the venue would report it; OPEN, for a stop, means that it has triggered."""
    ticket, status = order.ticket, VENUE_STATUSES[order.status]
    if kind_has_trigger(ticket.kind) and order.status in BETWEEN_STATUSES and not order.filled:
        status = VenueOrderStatus.PENDING_TRIGGER
    refusal = None
    if order.status is BookStatus.REJECTED:
        refusal = Refusal.FUNDS if order.reason.startswith(NO_FUNDS_WORDS) else Refusal.ORDER
    return VenueOrder(
        venue_order_id=order.order_id,
        tag=ticket.tag,
        symbol=ticket.symbol,
        exchange=ticket.exchange,
        side=ticket.side,
        kind=ticket.kind,
        status=status,
        quantity=ticket.quantity,
        filled=order.filled,
        price=ticket.price,
        trigger_price=ticket.trigger_price,
        average_price=order.average_price if order.filled else None,
        product=ticket.product,
        reason=order.reason,
        changed_at=order.changed_at,
        refusal=refusal,
    )


def fill_of(trade: TradeRow) -> Fill:
    """Return a trade as the venue would report it."""
    return Fill(
        execution_id=trade.trade_id,
        venue_order_id=trade.order_id,
        symbol=trade.symbol,
        exchange=trade.exchange,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        traded_at=trade.traded_at,
        product=trade.product,
    )


def venue_position_of(row: PositionRow) -> VenuePosition:
    """Return a net position as the venue would report it."""
    return VenuePosition(
        symbol=row.symbol,
        exchange=row.exchange,
        product=row.product,
        quantity=row.quantity,
        average_price=row.average_price,
    )


def venue_holding_of(row: DematHolding) -> VenueHolding:
    """Return shares of earlier days as the venue would report them, those not yet delivered included."""
    return VenueHolding(
        symbol=row.symbol, exchange=row.exchange, quantity=row.owned_quantity, average_price=row.average_price
    )
