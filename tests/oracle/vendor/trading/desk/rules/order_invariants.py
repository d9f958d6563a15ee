"""Order invariants: what an order's facts mean beyond the order, told to a person and halting its scope."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.commands import Scope
from tradebot.domain.order import Order, OrderEventType, OrderEvent, OrderState, RequestState
from tradebot.domain.order_states import NOT_AT_VENUE
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decisions
from tests.oracle.vendor.trading.desk.rules.finding import Finding, raise_findings

LATE = 5 * SECOND  # a fill this long after the end of its order is no longer the wire's delay
SEEN = (
    OrderEventType.SEEN_ACKED,
    OrderEventType.SEEN_OPEN,
    OrderEventType.SEEN_FILLED,
    OrderEventType.SEEN_CANCELED,
    OrderEventType.SEEN_EXPIRED,
)
NEVER_SENT = (OrderState.DENIED, OrderState.INTENT)
ENDED_RIGHTLY = (OrderState.CANCELED, OrderState.EXPIRED, OrderState.FILLED)
EXECUTED, CHANGED = OrderEventType.EXECUTED, OrderEventType.CHANGED
ROUTINE = frozenset((OrderEventType.SENDING, OrderEventType.ACCEPTED, OrderEventType.EXECUTED))


class OrderInvariants:
    """Looks at every fact of an order of ours."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_change(self, change: OrderChange) -> Decisions:
        """Raise what must not happen and did."""
        found = findings(change.before, change.fact, change.after)
        return raise_findings(self._book, found, change.after) if found else NOTHING


def findings(before: Order | None, fact: OrderEvent, after: Order) -> list[Finding]:
    """Return what a person must know of one fact."""
    if before is None or after.is_external:
        return []
    if fact.type in ROUTINE and not before.state.is_terminal and not after.irregular.quarantined:
        return _overfilled(before, after) if fact.type is EXECUTED else []
    return [
        *_of_the_dead(before, fact, after),
        *_overfilled(before, after),
        *_of_terms(before, fact, after),
        *_of_fills(before, fact, after),
        *_of_absence(before, fact, after),
    ]


def _of_the_dead(before: Order, fact: OrderEvent, after: Order) -> list[Finding]:
    # An order that was gone lives, or was filled after its end.
    name, strategy = after.order_id, after.request.strategy
    scope = Scope.for_strategy(strategy) if strategy else Scope.for_symbol(after.symbol)
    if before.state in NOT_AT_VENUE and after.is_live:
        return [Finding(f"{name} was {before.state} and lives at the venue", scope)]
    if fact.type is not EXECUTED or not before.state.is_terminal or after.filled == before.filled:
        return []
    text = f"{name} was {before.state} and filled {after.filled - before.filled:f} more"
    if before.state not in ENDED_RIGHTLY:
        return [Finding(text, scope)]
    if fact.mono - before.times.ended_mono > LATE and fact.fill and not fact.fill.is_inferred:
        return [Finding(f"{text}, {(fact.mono - before.times.ended_mono) / SECOND:.1f} s after its end")]
    return []


def _overfilled(before: Order, after: Order) -> list[Finding]:
    if after.filled <= after.quantity or after.overfilled_quantity <= before.overfilled_quantity:
        return []
    text = f"{after.order_id} was filled {after.overfilled_quantity:f} beyond its quantity {after.quantity:f}"
    return [Finding(text, Scope.for_symbol(after.symbol))]


def _of_terms(before: Order, fact: OrderEvent, after: Order) -> list[Finding]:
    # The venue knows what was never sent, or holds it at other terms.
    name, symbol, found = after.order_id, Scope.for_symbol(after.symbol), []
    if fact.type in SEEN and before.state in NEVER_SENT:
        found.append(Finding(f"{name} is {before.state} here and known to the venue", symbol))
    if fact.type is CHANGED and before.replace.state is RequestState.NONE:
        what, there, sent = "the price", f"{after.price}", f"{before.price}"
        if after.quantity != before.quantity:
            what, there, sent = "quantity", f"{after.quantity:f}", f"{before.quantity:f}"
        found.append(Finding(f"{name} has {what} {there} at the venue, we sent {sent}", symbol))
    return found


def _of_fills(before: Order, fact: OrderEvent, after: Order) -> list[Finding]:
    # A fill that was told with other figures, or taken back.
    name, found = after.order_id, []
    if after.irregular.quarantined - before.irregular.quarantined:
        found.append(Finding(f"{name}: {fact.reason}", Scope.for_symbol(after.symbol)))
    if fact.type is OrderEventType.REVERSED and fact.fill is not None and not fact.fill.is_inferred:
        found.append(Finding(f"{name}: a fill was taken back: {fact.reason}"))
    return found


def _of_absence(before: Order, fact: OrderEvent, after: Order) -> list[Finding]:
    # An order of which the venue does not say what it came to.
    name, found = after.order_id, []
    if fact.type is OrderEventType.DAY_ENDED:
        text = f"{name} still stands as {before.state} after the day, the venue does not say"
        found.append(Finding(text, Scope.for_symbol(after.symbol)))
    if fact.type is OrderEventType.NOT_FOUND and after.state is OrderState.ABSENT and after.is_presumed:
        found.append(Finding(f"{name} is taken for never accepted: {fact.reason}"))
    return found
