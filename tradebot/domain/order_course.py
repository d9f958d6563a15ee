"""The common course of an order, a stretch of it in one step; the fold stands beside it and is the truth.

Hardly an order does anything but being sent, accepted and filled whole. What the fold makes of the facts of such a
stretch is written down here; an order that takes another course gets None, and is folded fact by fact.
"""

from __future__ import annotations

from msgspec.structs import replace

from tradebot.domain.order import Execution, Order
from tradebot.domain.order_states import OrderState, Wish

INTENT, ACKED, OPEN, FILLED, NO_WISH = (
    OrderState.INTENT, OrderState.ACKED, OrderState.OPEN, OrderState.FILLED, Wish.NONE
)  # fmt: skip


def accepted(order: Order, venue_order_id: str, *, at: int, mono: int) -> Order | None:
    """Return an order after SENDING and ACCEPTED of one moment, None where it was more than an intent before."""
    if order.state is not INTENT or order.filled or order.venue_order_id:
        return None
    return replace(
        order, state=ACKED, venue_order_id=venue_order_id, changed_at=at, sent_mono=mono, acked_mono=mono
    )  # fmt: skip


def filled(order: Order, execution: Execution, *, at: int, mono: int) -> Order | None:
    """Return an order after EXECUTED with a first fill that is all of it; None for any other fill, state or claim."""
    state = order.state
    if (state is not ACKED and state is not OPEN) or execution.quantity != order.quantity:
        return None
    if order.booked or order.busted or order.quarantined or order.pending is not None or order.filled:
        return None
    quantity = execution.quantity
    if order.venue_order_id != execution.venue_order_id or order.claimed > quantity:
        return None
    return replace(
        order,
        state=FILLED,
        filled=order.filled + quantity,
        value=order.value + quantity * execution.price,
        booked=(execution,),
        acked_mono=order.acked_mono or mono,
        changed_at=at,
        cancel=NO_WISH,
        replace=NO_WISH,
        is_stale=False,
        is_presumed=False,
        ended_mono=mono,
    )
