"""The reject breaker: counts what the venue refuses, and names what may open nothing any more; the desk halts it.

An entry counts for its strategy: the same mistake would be made again. An exit counts for its symbol: it is sent again
until it fills, under no strategy's name, and what cannot be left must not be entered, by anybody. Both count for the
account, where the pauses between the tries of one exit (`exits.py`) leave room for it alone and not for two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tradebot.clock import SECOND
from tradebot.domain.control import EVERYTHING, Scope
from tradebot.domain.order import Order, OrderEvent, OrderFact, OrderRequest, OrderState
from tradebot.stages.desk.ordering import DeskSettings

WINDOW = 60 * SECOND  # of our monotonic time
EXECUTED, REJECTED = OrderEvent.EXECUTED, OrderState.REJECTED


class Trip(NamedTuple):
    """Too much was refused: why, and the scope of the halt."""

    reason: str
    scope: Scope


class Breaker:
    """Rejections in a row, and within a minute, of each scope; within a minute of the account. Limits are from 1 up.

    A fill ends the row of its scope. A scope that trips begins anew, and so does one that a person resumes: what was on
    its way when it was halted may have been refused after that. Orders placed elsewhere do not count.
    """

    name = "rejections"

    def __init__(self, limits: DeskSettings) -> None:
        self._in_a_row, self._in_a_minute = limits.max_rejects_in_a_row, limits.max_rejects_per_minute
        self._of_account = limits.max_account_rejects_per_minute
        self.rows: dict[Scope, int] = {}  # scope -> rejections since its last fill, none zero
        self._times: dict[Scope, deque[int]] = {}  # scope -> when the last ones were, as many as trip

    def heard(self, before: Order | None, fact: OrderFact, after: Order) -> Sequence[Trip]:
        """Take a fact and what it made of its order; returns what it trips."""
        if after.is_external:
            return ()
        if fact.event is EXECUTED:
            self.filled(after.request)
        elif after.state is REJECTED and before is not None and before.state is not REJECTED:
            return self.rejected(after, fact.mono)
        return ()

    def rejected(self, order: Order, mono: int) -> list[Trip]:
        """Count a rejection of ours at monotonic `mono`; returns what it trips, the widest scope first."""
        request, trips = order.request, []
        scope = scope_of(request)
        row = self.rows[scope] = self.rows.get(scope, 0) + 1
        because = f"the last because: {order.reason}"
        if self._crowds(EVERYTHING, self._of_account, mono):
            self._begin_anew(EVERYTHING)
            trips.append(Trip(f"{self._of_account} orders within a minute were rejected, {because}", EVERYTHING))
        what = "exits of" if request.purpose.is_exit else "entries of"
        crowded = self._crowds(scope, self._in_a_minute, mono)
        if row >= self._in_a_row:
            trips.append(Trip(f"{row} {what} {scope} in a row were rejected, {because}", scope))
        elif crowded:
            trips.append(Trip(f"{self._in_a_minute} {what} {scope} within a minute were rejected, {because}", scope))
        if row >= self._in_a_row or crowded:
            self._begin_anew(scope)
        return trips

    def filled(self, request: OrderRequest) -> None:
        """End the row that an order belongs to: it was filled, in part or whole."""
        self.rows.pop(scope_of(request), None)

    def resumed(self, scope: Scope) -> None:
        """Forget what was refused in a scope that a person lets trade again."""
        if scope.is_wide:
            self.begin_day()
        self._begin_anew(scope)

    def begin_day(self) -> None:
        """Forget what was refused on another day."""
        self.rows.clear()
        self._times.clear()

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


def scope_of(request: OrderRequest) -> Scope:
    """Return what an order's rejection counts for, as the scope of a halt."""
    if request.purpose.is_exit or not request.strategy:
        return Scope.symbol(request.symbol)
    return Scope.strategy(request.strategy)
