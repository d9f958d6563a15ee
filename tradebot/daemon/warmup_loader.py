"""Loads the bars that strategies are warmed up with: from the journal where it has all of them, else from the venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tradebot.config import Config
from tradebot.daemon.venue_session import VenueSession
from tradebot.domain.market import BarSeries
from tradebot.errors import LoginLost
from tradebot.journal.recovery import RecoveredState
from tradebot.journal.warmup_history import read_warmup_bars
from tradebot.ops.events.analysis import WarmupPostponed, WarmupRetried
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.warmup import fetch_warmup_bars

LOGIN_PAUSE_S = 30.0  # between tries while the login is lost
MAX_RUNS_READ = 3  # the newest runs; one that ended during its warm-up left no bars


class WarmupLoader:
    """Loads the warm-up bars of one run. Its session opens at `opens_at` (market ns); `suspect` notes a lost login."""

    def __init__(
        self,
        config: Config,
        venue_session: VenueSession,
        journal: Path,
        recovery: RecoveredState,
        *,
        opens_at: int,
        suspect: Callable[[], None],
        tell: EventListener,
    ) -> None:
        self._venue_session, self._journal, self._recovery = venue_session, journal, recovery
        self._opens_at, self._suspect, self._tell = opens_at, suspect, tell
        self._count, self._interval = config.analysis.warmup_bars, config.bars.interval_ns

    async def load_bars(self) -> list[BarSeries]:
        """Return the past bars of all symbols that have some; wait while the login is lost."""
        venue_session, known, tries = self._venue_session, await self._recalled(), 0
        while True:
            try:
                return await fetch_warmup_bars(
                    venue_session.venue.broker,
                    venue_session.universe,
                    bar_count=self._count,
                    interval_ns=self._interval,
                    clock=venue_session.clock,
                    tell=self._tell,
                    known_bars=known,
                )
            # A lost login comes back, and must not end a run that watches the stops of open positions.
            except LoginLost as error:
                self._suspect()
                tries += 1
                self._tell((WarmupPostponed if tries == 1 else WarmupRetried)(reason=str(error)))
            await venue_session.clock.sleep(LOGIN_PAUSE_S)

    async def _recalled(self) -> list[BarSeries]:
        # The bars in the journal, from runs of today only: those of an earlier day may have been adjusted since, for a
        # split or a dividend.
        venue_session, now, opens, interval = (
            self._venue_session,
            self._venue_session.clock.market_ns(),
            self._opens_at,
            self._interval,
        )
        is_today = venue_session.traded_market.day_number(
            self._recovery.last_at
        ) == venue_session.traded_market.day_number(now)
        if not (self._count and is_today and now >= opens):
            return []
        for run in reversed(self._recovery.runs[-MAX_RUNS_READ:]):
            found = await asyncio.to_thread(
                read_warmup_bars,
                self._journal,
                run.run_id,
                venue_session.universe,
                venue=venue_session.venue_name,
                interval_ns=interval,
                count=self._count,
                last_end=lambda at: opens + (at - opens) // interval * interval,
                now=now,
            )
            if found:
                return found
        return []
