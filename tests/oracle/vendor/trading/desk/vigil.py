"""The vigil: what an order's facts mean beyond the order. Incidents, halts of a scope, cancels that were waiting.

The desk shows it every fact with the order before and after; it answers through the desk's own means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tradebot.clock import SECOND
from tradebot.domain.control import Scope
from tradebot.domain.order import Order, OrderEvent, OrderFact, OrderState, Wish
from tradebot.domain.order_states import AT_VENUE, GONE

LATE = 5 * SECOND  # a fill this long after the end of its order is no longer the wire's delay
SEEN = (OrderEvent.SEEN_ACKED, OrderEvent.SEEN_OPEN, OrderEvent.SEEN_FILLED, OrderEvent.SEEN_CANCELED,
        OrderEvent.SEEN_EXPIRED)  # fmt: skip
NEVER_SENT = (OrderState.DENIED, OrderState.INTENT)
CANCELLABLE = frozenset((*AT_VENUE, OrderState.UNKNOWN))
EXECUTED, WAITS, NO_WISH = OrderEvent.EXECUTED, Wish.SENDING, Wish.NONE
# What happens to every order, and says nothing more while the order has not ended.
UNREMARKABLE = frozenset((OrderEvent.SENDING, OrderEvent.ACCEPTED))
ROUTINE = frozenset((OrderEvent.SENDING, OrderEvent.ACCEPTED, OrderEvent.EXECUTED))


class Finding(NamedTuple):
    """Something that must not happen did; `scope` is what may open nothing until a person resumes, if any."""

    text: str
    scope: Scope | None = None


def findings(before: Order | None, fact: OrderFact, after: Order) -> list[Finding]:
    """Return what a person must know of one fact."""
    if before is None or after.is_external:
        return []
    if fact.event in ROUTINE and not before.state.is_terminal and not after.odd.quarantined:
        return _overfilled(before, after) if fact.event is EXECUTED else []
    name, symbol = after.order_id, Scope.symbol(after.symbol)
    strategy = Scope.strategy(after.request.strategy) if after.request.strategy else symbol
    found: list[Finding] = []
    if before.state in GONE and after.is_live:
        found.append(Finding(f"{name} was {before.state} and lives at the venue", strategy))
    elif fact.event is OrderEvent.EXECUTED and before.state.is_terminal and after.filled != before.filled:
        text = f"{name} was {before.state} and filled {after.filled - before.filled:f} more"
        if before.state not in (OrderState.CANCELED, OrderState.EXPIRED, OrderState.FILLED):
            found.append(Finding(text, strategy))
        elif fact.mono - before.times.ended_mono > LATE and fact.execution and not fact.execution.is_inferred:
            found.append(Finding(f"{text}, {(fact.mono - before.times.ended_mono) / SECOND:.1f} s after its end"))
    found += _overfilled(before, after)
    if fact.event in SEEN and before.state in NEVER_SENT:
        found.append(Finding(f"{name} is {before.state} here and known to the venue", symbol))
    if fact.event is OrderEvent.CHANGED and before.replace.wish is Wish.NONE and after.quantity != before.quantity:
        found.append(
            Finding(f"{name} has quantity {after.quantity:f} at the venue, we sent {before.quantity:f}", symbol)
        )
    elif fact.event is OrderEvent.CHANGED and before.replace.wish is Wish.NONE:
        found.append(Finding(f"{name} has the price {after.price} at the venue, we sent {before.price}", symbol))
    if after.odd.quarantined - before.odd.quarantined:
        found.append(Finding(f"{name}: {fact.reason}", symbol))
    if fact.event is OrderEvent.REVERSED and fact.execution is not None and not fact.execution.is_inferred:
        found.append(Finding(f"{name}: a fill was taken back: {fact.reason}"))
    if fact.event is OrderEvent.DAY_ENDED:
        found.append(Finding(f"{name} still stands as {before.state} after the day, the venue does not say", symbol))
    if fact.event is OrderEvent.NOT_FOUND and after.state is OrderState.ABSENT and after.is_presumed:
        found.append(Finding(f"{name} is taken for never accepted: {fact.reason}"))
    return found


def _overfilled(before: Order, after: Order) -> list[Finding]:
    if after.filled <= after.quantity or after.overfill <= before.overfill:
        return []
    text = f"{after.order_id} was filled {after.overfill:f} beyond its quantity {after.quantity:f}"
    return [Finding(text, Scope.symbol(after.symbol))]


def waiting_cancel(after: Order, *, revived: bool, cancel: Callable[[Order, str], None]) -> None:
    """Call `cancel` for an order whose cancel waited for its outcome, or that came back from the dead."""
    if not (revived or after.cancel.wish is WAITS) or not after.venue_order_id or after.state not in CANCELLABLE:
        return
    if after.cancel.wish is WAITS:
        cancel(after, "asked before it had an outcome")
    elif after.cancel.wish is NO_WISH and not after.is_external:
        cancel(after, "it was taken for gone")
