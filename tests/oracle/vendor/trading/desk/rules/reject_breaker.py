"""The reject breaker: counts the orders that the venue rejects, and halts the scope in which too many were rejected.

A rejection counts for its symbol, whether of an entry or an exit: a venue that does not accept orders in one symbol may
well accept others, and a position that cannot be closed must not be opened. A rejection counts for the strategy if
funds are missing, or if its entries in several symbols are rejected within a minute. Every rejection also counts for
the account. `exits.py` pauses between two tries of one exit, so a single failing exit stays below the account's limit;
two may reach it. A stop that cannot rest at the venue counts for the account alone: `resting_stops.py` bars entries in
its symbol until one rests, without a halt that a person has to end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tradebot.clock import MINUTE
from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope, ScopeKind
from tradebot.domain.order import Order, OrderEvent, OrderEventType, OrderRequest, OrderState, Refusal
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, ApplyCommand, Decision, Decisions
from tests.oracle.vendor.trading.desk.rules.violation import halt_unless_halted
from tests.oracle.vendor.trading.desk.settings import DeskSettings

WINDOW_NS = MINUTE  # monotonic ns
EXECUTED, REJECTED = OrderEventType.EXECUTED, OrderState.REJECTED


class BreakerTrip(NamedTuple):
    """A limit of the breaker was reached: the reason, and the scope to halt."""

    reason: str
    scope: Scope


class RejectBreaker:
    """Halts a scope that reaches a limit.

    Rejections because of a dead login do not count: the orders are not at fault, and no resume is needed.
    """

    def __init__(self, book: Book) -> None:
        self._book, self.rejections = book, Rejections(book.settings)

    def on_change(self, change: OrderChange) -> Decisions:
        """Count a rejection, or a fill that ends a streak of rejections."""
        if change.before is None or self._book.conditions.links.orders_refused:
            return NOTHING
        trips = self.rejections.count_event(change.before, change.event, change.after)
        return self._halts(trips) if trips else NOTHING

    def on_apply_command(self, decision: ApplyCommand) -> Decisions:
        """Forget the rejections of a scope that a person resumes."""
        if decision.command.verb is CommandVerb.RESUME:
            self.rejections.on_resume(decision.command.scope)
        return NOTHING

    def forget_rejections(self) -> None:
        """Forget the rejections of earlier days."""
        self.rejections.clear_counts()

    def _halts(self, trips: Sequence[BreakerTrip]) -> Iterator[Decision]:
        for reason, scope in trips:
            yield from halt_unless_halted(self._book, reason, scope, control=Rejections.name)


class Rejections:
    """Counts rejections per scope: in a row, and within a minute.

    Within a minute it also counts the rejected symbols of each strategy and all rejected orders of the account.
    A streak is a number of rejections in a row; a fill ends the streaks of its symbol and its strategy. The counts of a
    scope start again at zero when it reaches a limit. They also do when a person resumes it, because orders on their
    way at the halt may have been rejected after it. Orders placed elsewhere do not count. Limits are at least 1. If the
    limit of rejected symbols is 0, every entry counts for its strategy, as in runs recorded before that limit existed.
    """

    name = "rejections"

    def __init__(self, limits: DeskSettings) -> None:
        self._in_a_row, self._in_a_minute = limits.max_rejects_in_a_row, limits.max_rejects_per_minute
        self._of_account, self._of_symbols = limits.max_account_rejects_per_minute, limits.max_rejected_symbols
        self.streaks: dict[Scope, int] = {}  # scope -> rejections since its last fill, never 0
        self._times: dict[Scope, deque[int]] = {}  # scope -> monotonic ns of the last rejections, as many as its limit
        self._symbols: dict[str, dict[str, int]] = {}  # strategy -> symbol -> monotonic ns of its last rejected entry

    def count_event(self, before: Order | None, event: OrderEvent, after: Order) -> Sequence[BreakerTrip]:
        """Count an event of an order, and return the limits that it reaches.

        `before` and `after` are the order before and after the event.
        """
        if after.is_external:
            return ()
        if event.type is EXECUTED:
            self.end_streaks(after.request)
        elif after.state is REJECTED and before is not None and before.state is not REJECTED:
            return self.count_rejection(after, event.mono, refusal_kind(event))
        return ()

    def count_rejection(self, order: Order, mono: int, refusal: Refusal = Refusal.ORDER) -> list[BreakerTrip]:
        """Count a rejection of our order at `mono` (monotonic ns); return the limits reached, widest scope first."""
        request, trips = order.request, []
        because = f"the last because: {order.reason}"
        if self._is_crowded(EVERYTHING, self._of_account, mono):
            self._reset_scope(EVERYTHING)
            trips.append(BreakerTrip(f"{self._of_account} orders within a minute were rejected, {because}", EVERYTHING))
        if request.purpose.rests:
            return trips
        scope = self._scope_of(request, refusal)
        if scope.kind is ScopeKind.SYMBOL and not request.purpose.is_exit and request.strategy:
            trips += self._strategy_trips(request, mono, because)
        what = "exits of" if request.purpose.is_exit else "entries of"
        streak = self.streaks[scope] = self.streaks.get(scope, 0) + 1
        is_crowded = self._is_crowded(scope, self._in_a_minute, mono)
        if streak >= self._in_a_row:
            trips.append(BreakerTrip(f"{streak} {what} {scope} in a row were rejected, {because}", scope))
        elif is_crowded:
            trips.append(
                BreakerTrip(f"{self._in_a_minute} {what} {scope} within a minute were rejected, {because}", scope)
            )
        if streak >= self._in_a_row or is_crowded:
            self._reset_scope(scope)
        return trips

    def end_streaks(self, request: OrderRequest) -> None:
        """End the streaks that an order counts in, because it was filled in part or whole."""
        if not self.streaks:
            return
        for refusal in Refusal:
            self.streaks.pop(self._scope_of(request, refusal), None)

    def on_resume(self, scope: Scope) -> None:
        """Forget the rejections of a scope that a person resumes."""
        if scope.is_account_wide:
            self.clear_counts()
        self._reset_scope(scope)
        if scope.kind is ScopeKind.SYMBOL:
            for symbols in self._symbols.values():
                symbols.pop(scope.name, None)

    def clear_counts(self) -> None:
        """Forget all rejections, as at the start of a day."""
        self.streaks.clear()
        self._times.clear()
        self._symbols.clear()

    def _scope_of(self, request: OrderRequest, refusal: Refusal) -> Scope:
        is_entry = bool(request.strategy) and not request.purpose.is_exit
        if is_entry and (refusal is Refusal.FUNDS or not self._of_symbols):
            return Scope.for_strategy(request.strategy)
        return Scope.for_symbol(request.symbol)

    def _strategy_trips(self, request: OrderRequest, mono: int, because: str) -> Sequence[BreakerTrip]:
        # Count the symbols in which a strategy's entries were rejected within the minute; the newest comes last.
        recent = {s: at for s, at in self._symbols.get(request.strategy, {}).items() if abs(mono - at) < WINDOW_NS}
        self._symbols[request.strategy] = recent | {request.symbol: mono}
        count, scope = len(self._symbols[request.strategy]), Scope.for_strategy(request.strategy)
        if count < self._of_symbols:
            return ()
        self._reset_scope(scope)
        return (BreakerTrip(f"entries of {scope} in {count} symbols within a minute were rejected, {because}", scope),)

    def _is_crowded(self, scope: Scope, most: int, mono: int) -> bool:
        # Note a rejection; return whether there were `most` within a minute. After a reboot, times of earlier runs may
        # be later than now. `abs` keeps them out of this minute.
        times = self._times.get(scope)
        if times is None:
            times = self._times[scope] = deque(maxlen=most)
        times.append(mono)
        return len(times) == most and abs(mono - times[0]) < WINDOW_NS

    def _reset_scope(self, scope: Scope) -> None:
        self.streaks.pop(scope, None)
        self._times.pop(scope, None)
        if scope.kind is ScopeKind.STRATEGY:
            self._symbols.pop(scope.name, None)


def refusal_kind(event: OrderEvent) -> Refusal:
    """Return what a rejection is about as far as the venue says so, else `ORDER`."""
    refusal = event.refusal or (None if event.venue_order is None else event.venue_order.refusal)
    return Refusal.ORDER if refusal is None else refusal
