"""Reconciliation: reads account snapshots from the venue and hands them to the desk, on a schedule and in doubt.

A stream may lose reports, a snapshot is complete. One is read every 5 s while an order or a position is open, and every
30 s otherwise. After an ambiguous answer and after each reconnect one is read soon (0.1 s), then after further 0.5, 1,
2, 4, 8, 15, 30 s. One is also read at the moment from which it may settle a doubt. Fills are fetched as soon as the
stream hints at one. A poll that fails proves nothing: it is repeated, and the failure is reported now and then while it
lasts. A row that cannot be read does not affect the others.
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

FILLS_REMEMBERED = 50_000  # posted fills remembered; a venue allows 5,000 orders a day


class Reconciliation:
    """Polls the venue with its `account_reader`; a poll reads one account snapshot.

    `post` takes account snapshots and fills. `is_exposed` says whether an order or a position is open. `next_poll_mono`
    returns the monotonic ns from which a poll may settle a doubt, None without one. `tell` takes events for the
    operator. `on_login_suspect` is called when a route says that our login is dead.
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
        self._broker, self._clock, self._post, self._tell, self._on_login_suspect = (
            broker,
            clock,
            post,
            tell,
            on_login_suspect,
        )
        self._schedule = PollSchedule(clock, pace, is_exposed=is_exposed, next_poll_mono=next_poll_mono)
        self.account_reader = AccountReader(broker, clock, tell)
        self._fills = asyncio.Event()
        self._told: dict[tuple[str, str], Fill] = {}  # (exchange, execution_id) -> fill as posted last
        self._failing_since: int | None = None  # monotonic ns of the first failed poll in a row, else None
        self._reminder = Reminder()
        self.completed_polls = self.poll_count = 0  # polls that succeeded, and all polls

    def poll_soon(self) -> None:
        """Poll soon, and again at growing intervals."""
        self._schedule.poll_soon()

    def hint_fill(self) -> None:
        """Fetch the fills now. Hints during a fetch lead to one more fetch."""
        self._fills.set()

    async def run_polls(self) -> None:
        """Poll the venue for ever, at the pace set by doubts, open orders and positions."""
        while True:
            await self._schedule.wait_for_poll(is_failing=self._failing_since is not None)
            self.poll_count += 1
            try:
                snapshot = await self.account_reader.read_snapshot()
            except (LinkLost, AccessDenied) as error:
                self._on_failure(error)
                continue
            self._on_success()
            self._post(snapshot)

    async def run_fill_fetches(self) -> None:
        """Fetch fills for ever, whenever the stream hints at one."""
        while True:
            await self._fills.wait()
            self._fills.clear()
            try:
                fills = await self._broker.fetch_fills()
            except (LinkLost, AccessDenied) as error:
                self._on_failure(error)
                self.poll_soon()
                continue
            mono = self._clock.monotonic_ns()
            for fill in fills:
                # Each answer lists the whole day, so only new and changed fills are posted.
                if self._told.get(key := fill.fill_key) != fill:
                    self._told[key] = fill
                    self._post(FillReport(fill=fill, mono=mono))
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
            self._on_login_suspect()
        now = self._clock.monotonic_ns()
        if self._failing_since is None:
            self._failing_since = now
        for_s = round((now - self._failing_since) / SECOND, 1)
        if times := self._reminder.due_count("books", now):
            self._tell(ReconciliationFailed(reason=str(error), for_s=for_s, times=times))
