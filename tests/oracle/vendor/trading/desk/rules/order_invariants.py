"""Order invariants: events that must not happen to an order become incidents, and most of them halt a scope."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.commands import Scope
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderState, RequestState
from tradebot.domain.order_states import NOT_AT_VENUE
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decisions
from tests.oracle.vendor.trading.desk.rules.violation import Violation, report_violations

LATE_AFTER_NS = 5 * SECOND  # a fill this long after the end of its order is not explained by network delay
REPORT_EVENTS = (
    OrderEventType.SEEN_ACKED,
    OrderEventType.SEEN_OPEN,
    OrderEventType.SEEN_FILLED,
    OrderEventType.SEEN_CANCELED,
    OrderEventType.SEEN_EXPIRED,
)
NEVER_SENT = (OrderState.DENIED, OrderState.INTENT)
ENDED_RIGHTLY = (OrderState.CANCELED, OrderState.EXPIRED, OrderState.FILLED)
EXECUTED, CHANGED = OrderEventType.EXECUTED, OrderEventType.CHANGED
ROUTINE_EVENTS = frozenset((OrderEventType.SENDING, OrderEventType.ACCEPTED, OrderEventType.EXECUTED))


class OrderInvariants:
    """Checks every event of our orders."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_change(self, change: OrderChange) -> Decisions:
        """Report the violations by an event, and halt their scopes."""
        found = order_violations(change.before, change.event, change.after)
        return report_violations(self._book, found, change.after) if found else NOTHING


def order_violations(before: Order | None, event: OrderEvent, after: Order) -> list[Violation]:
    """Return the violations by one event of an order; `before` and `after` are the order around it.

    There are none for an external order and none for the first event of an order.
    """
    if before is None or after.is_external:
        return []
    # The fast path of most events: of all violations these can only overfill an order.
    if event.type in ROUTINE_EVENTS and not before.state.is_terminal and not after.irregular.quarantined:
        return _overfilled(before, after) if event.type is EXECUTED else []
    return [
        *_after_end(before, event, after),
        *_overfilled(before, after),
        *_wrong_terms(before, event, after),
        *_changed_fills(before, event, after),
        *_unknown_end(before, event, after),
    ]


def _after_end(before: Order, event: OrderEvent, after: Order) -> list[Violation]:
    # An order that was gone is open again, or was filled after its end.
    name, strategy = after.order_id, after.request.strategy
    scope = Scope.for_strategy(strategy) if strategy else Scope.for_symbol(after.symbol)
    if before.state in NOT_AT_VENUE and after.is_live:
        return [Violation(f"{name} was {before.state} and lives at the venue", scope)]
    if event.type is not EXECUTED or not before.state.is_terminal or after.filled == before.filled:
        return []
    text = f"{name} was {before.state} and filled {after.filled - before.filled:f} more"
    if before.state not in ENDED_RIGHTLY:
        return [Violation(text, scope)]
    if event.mono - before.times.ended_mono > LATE_AFTER_NS and event.fill and not event.fill.is_inferred:
        return [Violation(f"{text}, {(event.mono - before.times.ended_mono) / SECOND:.1f} s after its end")]
    return []


def _overfilled(before: Order, after: Order) -> list[Violation]:
    if after.filled <= after.quantity or after.overfilled_quantity <= before.overfilled_quantity:
        return []
    text = f"{after.order_id} was filled {after.overfilled_quantity:f} beyond its quantity {after.quantity:f}"
    return [Violation(text, Scope.for_symbol(after.symbol))]


def _wrong_terms(before: Order, event: OrderEvent, after: Order) -> list[Violation]:
    # The venue knows an order that was never sent, or has it at other terms.
    name, symbol, found = after.order_id, Scope.for_symbol(after.symbol), []
    if event.type in REPORT_EVENTS and before.state in NEVER_SENT:
        found.append(Violation(f"{name} is {before.state} here and known to the venue", symbol))
    if event.type is CHANGED and before.replace.state is RequestState.NONE:
        what, there, sent = "the price", f"{after.price}", f"{before.price}"
        if after.quantity != before.quantity:
            what, there, sent = "quantity", f"{after.quantity:f}", f"{before.quantity:f}"
        found.append(Violation(f"{name} has {what} {there} at the venue, we sent {sent}", symbol))
    return found


def _changed_fills(before: Order, event: OrderEvent, after: Order) -> list[Violation]:
    # A fill was reported with different figures, or was reversed.
    name, found = after.order_id, []
    if after.irregular.quarantined - before.irregular.quarantined:
        found.append(Violation(f"{name}: {event.reason}", Scope.for_symbol(after.symbol)))
    if event.type is OrderEventType.REVERSED and event.fill is not None and not event.fill.is_inferred:
        found.append(Violation(f"{name}: a fill was taken back: {event.reason}"))
    return found


def _unknown_end(before: Order, event: OrderEvent, after: Order) -> list[Violation]:
    # The day of the order is over, or lists no longer show it, and the venue did not report how it ended.
    name, found = after.order_id, []
    if event.type is OrderEventType.DAY_ENDED:
        text = f"{name} still stands as {before.state} after the day, the venue does not say"
        found.append(Violation(text, Scope.for_symbol(after.symbol)))
    if event.type is OrderEventType.NOT_FOUND and after.state is OrderState.ABSENT and after.is_presumed:
        found.append(Violation(f"{name} is taken for never accepted: {event.reason}"))
    return found
