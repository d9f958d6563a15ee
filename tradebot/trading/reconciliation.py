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
from tradebot.domain.messages import AccountSnapshot, FillReport
from tradebot.domain.order import Fill
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import ReconciliationFailed, ReconciliationRestored
from tradebot.ops.reminder import Reminder
from tradebot.trading.account_reader import AccountReader
from tradebot.trading.poll_schedule import PollPace, PollSchedule
from tradebot.venues.venue import Broker

FILLS_REMEMBERED = 50_000  # fills remembered; a venue's day allows 5,000 orders


class Reconciliation:
    """Reads the venue's `account_reader`. `post` takes what was read, `is_exposed` tells whether an order or a position is open,
    `next_poll_mono` from which monotonic time on a look may end a doubt. `tell` takes what the operator should read;
    `on_login_suspect` is called when a route says that our login is dead.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        clock: Clock,
        post: Callable[[AccountSnapshot | FillReport], None],
        is_exposed: Callable[[], bool],
        tell: EventListener,
        pace: PollPace = PollPace(),
        next_poll_mono: Callable[[], int | None] = lambda: None,
        on_login_suspect: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker, self._clock, self._post, self._tell, self._suspect = broker, clock, post, tell, on_login_suspect
        self._schedule = PollSchedule(clock, pace, is_exposed=is_exposed, next_poll_mono=next_poll_mono)
        self.account_reader = AccountReader(broker, clock, tell)
        self._fills = asyncio.Event()
        self._told: dict[tuple[str, str], Fill] = {}  # (exchange, execution_id) -> fill as it was posted
        self._failing_since: int | None = None  # monotonic time of the first look that failed, None while they do not
        self._reminder = Reminder()
        self.completed_polls = self.poll_count = 0  # looks that were whole, and all of them

    def poll_soon(self) -> None:
        """Look soon, and again at growing intervals."""
        self._schedule.poll_soon()

    def hint_fill(self) -> None:
        """Fetch the executions now; hints that come during a fetch lead to one more."""
        self._fills.set()

    async def run_polls(self) -> None:
        """Read the books for ever, at the pace that the doubt and the live orders ask for."""
        while True:
            await self._schedule.wait_for_poll(is_failing=self._failing_since is not None)
            self.poll_count += 1
            try:
                books = await self.account_reader.read_snapshot()
            except (LinkLost, AccessDenied) as error:
                self._on_failure(error)
                continue
            self._on_success()
            self._post(books)

    async def run_fill_fetches(self) -> None:
        """Fetch executions whenever the stream hints at a fill."""
        while True:
            await self._fills.wait()
            self._fills.clear()
            try:
                executions = await self._broker.fetch_fills()
            except (LinkLost, AccessDenied) as error:
                self._on_failure(error)
                self.poll_soon()
                continue
            mono = self._clock.monotonic_ns()
            for execution in executions:
                # The venue lists the whole day every time; what was posted is not posted again unless it changed.
                if self._told.get(key := execution.fill_key) != execution:
                    self._told[key] = execution
                    self._post(FillReport(fill=execution, mono=mono))
            while len(self._told) > FILLS_REMEMBERED:
                del self._told[next(iter(self._told))]

    def _on_success(self) -> None:
        self.completed_polls += 1
        if self._failing_since is not None:
            for_s = round((self._clock.monotonic_ns() - self._failing_since) / SECOND, 1)
            self._tell(ReconciliationRestored(for_s=for_s))
            self._failing_since = None
            self._reminder.forget_topic("books")

    def _on_failure(self, error: LinkLost | AccessDenied) -> None:
        if isinstance(error, LoginLost):
            self._suspect()
        now = self._clock.monotonic_ns()
        if self._failing_since is None:
            self._failing_since = now
        for_s = round((now - self._failing_since) / SECOND, 1)
        if times := self._reminder.due_count("books", now):
            self._tell(ReconciliationFailed(reason=str(error), for_s=for_s, times=times))
