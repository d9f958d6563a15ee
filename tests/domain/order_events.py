"""Requests, fills, statuses and events of an order, made by hand; and every event that can make a difference to one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    OrderTerms,
    Side,
    VenueOrder,
    VenueOrderStatus,
)

S, E, D = OrderState, OrderEventType, Decimal
STATUSES = {
    E.SEEN_ACKED: VenueOrderStatus.ACKED,
    E.SEEN_OPEN: VenueOrderStatus.OPEN,
    E.SEEN_FILLED: VenueOrderStatus.FILLED,
    E.SEEN_CANCELED: VenueOrderStatus.CANCELED,
    E.SEEN_EXPIRED: VenueOrderStatus.EXPIRED,
    E.SEEN_REJECTED: VenueOrderStatus.REJECTED,
}


def request(order_id: str = "T1", *, quantity: int = 2, side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(
        order_id=order_id,
        symbol="AAA",
        exchange="NSE",
        side=side,
        kind=OrderKind.LIMIT,
        quantity=D(quantity),
        price=D(100),
        purpose=OrderPurpose.ENTRY,
    )


def execution(order_id: str, name: str, *, quantity: int = 1, price: int = 100, inferred: bool = False) -> Fill:
    return Fill(
        execution_id=f"{order_id}-{name}",
        venue_order_id=f"V-{order_id}",
        symbol="AAA",
        exchange="NSE",
        side=Side.BUY,
        quantity=D(quantity),
        price=D(price),
        traded_at=1,
        is_inferred=inferred,
    )


def status(order_id: str, event_type: OrderEventType, *, filled: int, at: int, quantity: int = 2) -> VenueOrder:
    return VenueOrder(
        venue_order_id=f"V-{order_id}",
        tag=order_id,
        symbol="AAA",
        exchange="NSE",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        status=STATUSES.get(event_type, VenueOrderStatus.OPEN),
        quantity=D(quantity),
        filled=D(filled),
        price=D(100),
        changed_at=at,
    )


def order_event(order_id: str, event_type: OrderEventType, *, mono: int = 1, **more: Any) -> OrderEvent:
    return OrderEvent(order_id=order_id, type=event_type, at=1, mono=mono, **more)


def order_events_of(order_id: str) -> list[OrderEvent]:
    """Every event with the contents that make a difference: old and new statuses, fills told again and otherwise."""
    found: list[OrderEvent] = []
    for event_type in E:
        match event_type:
            case E.INTENT | E.DENIED:
                found.append(order_event(order_id, event_type, request=request(order_id)))
            case E.EXECUTED:
                for told in (
                    execution(order_id, "a"),
                    execution(order_id, "a", price=101),
                    execution(order_id, "b"),
                    execution(order_id, "c", quantity=2),
                    execution(order_id, "i", inferred=True),
                ):
                    found.append(order_event(order_id, event_type, fill=told))
            case E.REVERSED:
                found += [order_event(order_id, event_type, fill=execution(order_id, name)) for name in ("a", "i")]
            case E.QUARANTINED:
                found.append(order_event(order_id, event_type, fill=execution(order_id, "a", price=101)))
            case E.REPLACE_SENT:
                found.append(order_event(order_id, event_type, terms=OrderTerms(quantity=D(3), price=D(99))))
            case E.CHANGED:
                found.append(
                    order_event(
                        order_id, event_type, venue_order=status(order_id, event_type, filled=0, at=2, quantity=1)
                    )
                )
            case E.SEEN_OPEN | E.SEEN_CANCELED:
                for filled, at in ((0, 1), (1, 2)):
                    found.append(
                        order_event(
                            order_id, event_type, venue_order=status(order_id, event_type, filled=filled, at=at)
                        )
                    )
            case _ if event_type in STATUSES:
                filled = 2 if event_type is E.SEEN_FILLED else 0
                found.append(
                    order_event(order_id, event_type, venue_order=status(order_id, event_type, filled=filled, at=2))
                )
            case E.NOT_FOUND:
                found += [order_event(order_id, event_type, is_proof=proof) for proof in (False, True)]
            case _:
                found.append(order_event(order_id, event_type))
    return found
