"""The fast path of an order's common course, several events in one step; the reducer is the reference.

Most orders are only sent, accepted and filled whole. What `order_reducer` makes of those events is computed here in one
step. Every other order goes through the reducer, event by event.
"""

from __future__ import annotations

from tradebot.domain.order import Fill, Order, OrderRequest, OrderTimes
from tradebot.domain.order_states import OrderState

ACKED, OPEN = OrderState.ACKED, OrderState.OPEN


def accepted_order(request: OrderRequest, *, at: int, mono: int) -> Order:
    """Return an order of ours after INTENT, SENDING and ACCEPTED at one moment, at a venue that takes our id."""
    return Order(request, ACKED, request.quantity, request.price, request.order_id, OrderTimes(at, at, mono, mono))


def is_single_full_fill(order: Order, fill: Fill) -> bool:
    """Return whether a fill is an order's first and fills it whole.

    False if the order's state or its reports show anything else, such as an earlier fill or a pending replace.
    """
    state, quantity = order.state, fill.quantity
    if (state is not ACKED and state is not OPEN) or quantity != order.quantity:
        return False
    irregular = order.irregular
    if order.fills or irregular.busted or irregular.quarantined or order.replace.terms is not None or order.filled:
        return False
    return order.venue_order_id == fill.venue_order_id and order.reported.filled <= quantity
