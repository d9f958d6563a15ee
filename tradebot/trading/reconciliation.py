"""Reconciliation: asks the venue for its books and hands them to the desk, on a schedule and whenever there is doubt.

Streams are hints, the books are the audit: every 5 s while an order or a position is open, every 30 s otherwise, at
once after an ambiguous answer (then at 0.5, 1, 2, 4, 8, 15, 30 s) and after each reconnect, and at the very moment from
which a look may end a doubt. Fills are fetched as soon as the stream hints at one. A query that fails is no evidence of
anything, is tried again, and is said again while it lasts. A row that cannot be read spoils no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tradebot.clock import SECOND, Clock
from tradebot.domain.messages import Books, Executed
from tradebot.domain.order import Execution
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.ops.events.event import Tell
from tradebot.ops.events.venue import ReconciliationFailed, ReconciliationRestored
from tradebot.ops.reminder import Reminder
from tradebot.trading.book_reader import BookReader
from tradebot.trading.look_schedule import LookSchedule, Pace
from tradebot.venues.venue import Broker

TOLD = 50_000  # fills remembered; a venue's day allows 5,000 orders


class Reconciliation:
    """Reads the venue's `books`. `post` takes what was read, `has_live` tells whether an order or a position is open,
    `wanted_at` from which monotonic time on a look may end a doubt. `tell` takes what the operator should read;
    `suspect` is called when a route says that our login is dead.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        clock: Clock,
        post: Callable[[Books | Executed], None],
        has_live: Callable[[], bool],
        tell: Tell,
        pace: Pace = Pace(),
        wanted_at: Callable[[], int | None] = lambda: None,
        suspect: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker, self._clock, self._post, self._tell, self._suspect = broker, clock, post, tell, suspect
        self._schedule = LookSchedule(clock, pace, has_live=has_live, wanted_at=wanted_at)
        self.books = BookReader(broker, clock, tell)
        self._fills = asyncio.Event()
        self._told: dict[tuple[str, str], Execution] = {}  # (exchange, execution_id) -> fill as it was posted
        self._failing_since: int | None = None  # monotonic time of the first look that failed, None while they do not
        self._reminder = Reminder()
        self.rounds = self.turns = 0  # looks that were whole, and all of them

    def doubt(self) -> None:
        """Look soon, and again at growing intervals."""
        self._schedule.doubt()

    def hint_fill(self) -> None:
        """Fetch the executions now; hints that come during a fetch lead to one more."""
        self._fills.set()

    async def run(self) -> None:
        """Read the books for ever, at the pace that the doubt and the live orders ask for."""
        while True:
            await self._schedule.wait(is_failing=self._failing_since is not None)
            self.turns += 1
            try:
                books = await self.books.read()
            except (LinkLost, AccessDenied) as error:
                self._fail(error)
                continue
            self._succeeded()
            self._post(books)

    async def run_fills(self) -> None:
        """Fetch executions whenever the stream hints at a fill."""
        while True:
            await self._fills.wait()
            self._fills.clear()
            try:
                executions = await self._broker.fetch_fills()
            except (LinkLost, AccessDenied) as error:
                self._fail(error)
                self.doubt()
                continue
            mono = self._clock.monotonic_ns()
            for execution in executions:
                # The venue lists the whole day every time; what was posted is not posted again unless it changed.
                if self._told.get(key := execution.key) != execution:
                    self._told[key] = execution
                    self._post(Executed(execution=execution, mono=mono))
            while len(self._told) > TOLD:
                del self._told[next(iter(self._told))]

    def _succeeded(self) -> None:
        self.rounds += 1
        if self._failing_since is not None:
            for_s = round((self._clock.monotonic_ns() - self._failing_since) / SECOND, 1)
            self._tell(ReconciliationRestored(for_s=for_s))
            self._failing_since = None
            self._reminder.over("books")

    def _fail(self, error: LinkLost | AccessDenied) -> None:
        if isinstance(error, LoginLost):
            self._suspect()
        now = self._clock.monotonic_ns()
        if self._failing_since is None:
            self._failing_since = now
        for_s = round((now - self._failing_since) / SECOND, 1)
        if times := self._reminder.times("books", now):
            self._tell(ReconciliationFailed(reason=str(error), for_s=for_s, times=times))
