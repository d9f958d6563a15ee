"""The reject breaker: counts what the venue refuses, and halts what may open nothing any more.

A refusal counts for its symbol, entry or exit: what this venue will not take of one share says nothing of others, and
what cannot be left must not be entered. Where several symbols of one strategy are refused within a minute the mistake
is the strategy's, and so it is where the money is missing. All count for the account, where the pauses between the
tries of one exit (`exits.py`) leave room for it alone and not for two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tradebot.clock import MINUTE
from tradebot.domain.commands import EVERYTHING, Scope, ScopeKind, CommandVerb
from tradebot.domain.order import Order, OrderEventType, OrderEvent, OrderRequest, OrderState, Refusal
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decision, Decisions, Stand
from tests.oracle.vendor.trading.desk.rules.finding import halt_once
from tests.oracle.vendor.trading.desk.settings import DeskSettings

WINDOW = MINUTE  # of our monotonic time
EXECUTED, REJECTED = OrderEventType.EXECUTED, OrderState.REJECTED


class Trip(NamedTuple):
    """Too much was refused: why, and the scope of the halt."""

    reason: str
    scope: Scope


class RejectBreaker:
    """Halts what trips. A dead login is no fault of an order and needs no resume: what it refuses does not count."""

    def __init__(self, book: Book) -> None:
        self._book, self.counts = book, Rejections(book.settings)

    def on_change(self, change: OrderChange) -> Decisions:
        """Count a rejection, or a fill that ends a row of them."""
        if change.before is None or self._book.conditions.links.orders_refused:
            return NOTHING
        trips = self.counts.heard(change.before, change.fact, change.after)
        return self._halts(trips) if trips else NOTHING

    def on_stand(self, decision: Stand) -> Decisions:
        """Begin a scope again that a person lets trade."""
        if decision.command.verb is CommandVerb.RESUME:
            self.counts.resumed(decision.command.scope)
        return NOTHING

    def begin_day(self) -> None:
        """Forget what was refused on another day."""
        self.counts.begin_day()

    def _halts(self, trips: Sequence[Trip]) -> Iterator[Decision]:
        for reason, scope in trips:
            yield from halt_once(self._book, reason, scope, control=Rejections.name)


class Rejections:
    """Rejections in a row, and within a minute, of each scope; symbols of a strategy, and orders of the account, within
    a minute.

    A fill ends the rows of its symbol and its strategy. A scope that trips begins anew, and so does one that a person
    resumes: what was on its way when it was halted may have been refused after that. Orders placed elsewhere do not
    count. Limits are from 1 up; without one of symbols every entry counts for its strategy, as it once was.
    """

    name = "rejections"

    def __init__(self, limits: DeskSettings) -> None:
        self._in_a_row, self._in_a_minute = limits.max_rejects_in_a_row, limits.max_rejects_per_minute
        self._of_account, self._of_symbols = limits.max_account_rejects_per_minute, limits.max_rejected_symbols
        self.rows: dict[Scope, int] = {}  # scope -> rejections since its last fill, none zero
        self._times: dict[Scope, deque[int]] = {}  # scope -> when the last ones were, as many as trip
        self._symbols: dict[str, dict[str, int]] = {}  # strategy -> symbol -> when its last entry was rejected

    def heard(self, before: Order | None, fact: OrderEvent, after: Order) -> Sequence[Trip]:
        """Take a fact and what it made of its order; returns what it trips."""
        if after.is_external:
            return ()
        if fact.type is EXECUTED:
            self.filled(after.request)
        elif after.state is REJECTED and before is not None and before.state is not REJECTED:
            return self.rejected(after, fact.mono, refusal_of(fact))
        return ()

    def rejected(self, order: Order, mono: int, refusal: Refusal = Refusal.ORDER) -> list[Trip]:
        """Count a rejection of ours at monotonic `mono`; returns what it trips, the widest scope first."""
        request, trips = order.request, []
        because = f"the last because: {order.reason}"
        if self._crowds(EVERYTHING, self._of_account, mono):
            self._begin_anew(EVERYTHING)
            trips.append(Trip(f"{self._of_account} orders within a minute were rejected, {because}", EVERYTHING))
        scope = self._scope_of(request, refusal)
        if scope.kind is ScopeKind.SYMBOL and not request.purpose.is_exit and request.strategy:
            trips += self._spread(request, mono, because)
        what = "exits of" if request.purpose.is_exit else "entries of"
        row = self.rows[scope] = self.rows.get(scope, 0) + 1
        crowded = self._crowds(scope, self._in_a_minute, mono)
        if row >= self._in_a_row:
            trips.append(Trip(f"{row} {what} {scope} in a row were rejected, {because}", scope))
        elif crowded:
            trips.append(Trip(f"{self._in_a_minute} {what} {scope} within a minute were rejected, {because}", scope))
        if row >= self._in_a_row or crowded:
            self._begin_anew(scope)
        return trips

    def filled(self, request: OrderRequest) -> None:
        """End the rows that an order belongs to: it was filled, in part or whole."""
        if not self.rows:
            return
        for refusal in Refusal:
            self.rows.pop(self._scope_of(request, refusal), None)

    def resumed(self, scope: Scope) -> None:
        """Forget what was refused in a scope that a person lets trade again."""
        if scope.is_account_wide:
            self.begin_day()
        self._begin_anew(scope)
        if scope.kind is ScopeKind.SYMBOL:
            for symbols in self._symbols.values():
                symbols.pop(scope.name, None)

    def begin_day(self) -> None:
        """Forget what was refused on another day."""
        self.rows.clear()
        self._times.clear()
        self._symbols.clear()

    def _scope_of(self, request: OrderRequest, refusal: Refusal) -> Scope:
        is_entry = bool(request.strategy) and not request.purpose.is_exit
        if is_entry and (refusal is Refusal.FUNDS or not self._of_symbols):
            return Scope.for_strategy(request.strategy)
        return Scope.for_symbol(request.symbol)

    def _spread(self, request: OrderRequest, mono: int, because: str) -> Sequence[Trip]:
        # The symbols in which a strategy was refused within the minute, this one the last.
        recent = {s: at for s, at in self._symbols.get(request.strategy, {}).items() if abs(mono - at) < WINDOW}
        self._symbols[request.strategy] = recent | {request.symbol: mono}
        count, scope = len(self._symbols[request.strategy]), Scope.for_strategy(request.strategy)
        if count < self._of_symbols:
            return ()
        self._begin_anew(scope)
        return (Trip(f"entries of {scope} in {count} symbols within a minute were rejected, {because}", scope),)

    def _crowds(self, scope: Scope, most: int, mono: int) -> bool:
        # After a boot of the machine the times of earlier runs may be later than now, and are none of this minute.
        times = self._times.get(scope)
        if times is None:
            times = self._times[scope] = deque(maxlen=most)
        times.append(mono)
        return len(times) == most and abs(mono - times[0]) < WINDOW

    def _begin_anew(self, scope: Scope) -> None:
        self.rows.pop(scope, None)
        self._times.pop(scope, None)
        if scope.kind is ScopeKind.STRATEGY:
            self._symbols.pop(scope.name, None)


def refusal_of(fact: OrderEvent) -> Refusal:
    """Return what a refusal spoke of, where it was told."""
    told = fact.refusal or (None if fact.venue_order is None else fact.venue_order.refusal)
    return Refusal.ORDER if told is None else told
