"""The fold: facts in, the view of an order out. Pure, so a replay of the journal gives the same orders."""

from __future__ import annotations

import msgspec

from tradebot.domain.order import (
    TRANSITIONS,
    Order,
    OrderEvent,
    OrderFact,
    OrderState,
)


def begin(fact: OrderFact) -> Order:
    """Return the order that an INTENT or DENIED fact starts."""
    assert fact.request is not None, f"{fact.event} of {fact.order_id} carries no request"
    assert fact.event in (OrderEvent.INTENT, OrderEvent.DENIED), f"an order cannot begin with {fact.event}"
    state = OrderState.INTENT if fact.event is OrderEvent.INTENT else OrderState.DENIED
    return Order(
        request=fact.request, state=state, reason=fact.reason, changed_at=fact.at, venue_order_id=fact.venue_order_id
    )


def apply(order: Order, fact: OrderFact) -> Order:
    """Return `order` after `fact`.

    A pair outside the table leaves the state and counts in `ignored`; a fill is always booked, whatever the state.
    """
    assert fact.order_id == order.order_id, f"fact of {fact.order_id} applied to {order.order_id}"
    if fact.event is OrderEvent.EXECUTED:
        return _book(order, fact)
    changes: dict[str, object] = {"changed_at": fact.at}
    if fact.venue_order_id:
        changes["venue_order_id"] = fact.venue_order_id
    if fact.venue is not None:
        changes["claimed"] = max(order.claimed, fact.venue.filled)
    if fact.event is OrderEvent.SENDING:
        changes["sent_mono"] = fact.mono
    if fact.event is OrderEvent.ACCEPTED:
        changes["acked_mono"] = fact.mono
    if fact.event in (OrderEvent.CANCEL_SENT, OrderEvent.CANCEL_REFUSED):
        changes["cancel_sent"] = fact.event is OrderEvent.CANCEL_SENT
        return msgspec.structs.replace(order, **changes)
    state = TRANSITIONS.get((order.state, fact.event))
    if state is None:
        return msgspec.structs.replace(
            order, **(changes | {"ignored": order.ignored + 1, "changed_at": order.changed_at})
        )
    if state in (OrderState.OPEN, OrderState.ACKED) and order.filled:
        state = _after_fill(order.filled, order)
    changes["state"] = state
    if fact.reason:
        changes["reason"] = fact.reason
    return msgspec.structs.replace(order, **changes)


def _book(order: Order, fact: OrderFact) -> Order:
    execution = fact.execution
    assert execution is not None, f"EXECUTED fact of {fact.order_id} carries no execution"
    key = (execution.exchange, execution.execution_id)
    if key in order.executions:
        return msgspec.structs.replace(order, ignored=order.ignored + 1)
    filled = order.filled + execution.quantity
    ended = order.state.is_terminal and order.state is not OrderState.FILLED
    state = order.state if ended and filled < order.request.quantity else _after_fill(filled, order)
    return msgspec.structs.replace(
        order,
        state=state,
        filled=filled,
        value=order.value + execution.quantity * execution.price,
        executions=order.executions | {key},
        late_fills=order.late_fills + (1 if order.state.is_terminal else 0),
        venue_order_id=order.venue_order_id or execution.venue_order_id,
        changed_at=fact.at,
    )


def _after_fill(filled: object, order: Order) -> OrderState:
    return OrderState.FILLED if filled >= order.request.quantity else OrderState.PARTIAL  # type: ignore[operator]
