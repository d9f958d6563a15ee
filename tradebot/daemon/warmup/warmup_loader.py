"""Loads the bars that strategies are warmed up with: from the journal and the local history, else from the venue.

What is at hand needs no request. The venue is asked symbol by symbol, at the rate that it allows, and each symbol is
handed on as its bars arrive.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from tradebot.config import Config
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.daemon.warmup.local_bars import FetchedGap, LocalBars
from tradebot.daemon.warmup.warmup_plan import WarmupPlan, WarmupPlanner, WarmupRequest
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.history.held_bars import BarsWanted, doubt_of_gap, join_gap, last_bar_end
from tradebot.journal.recovery import RecoveredState
from tradebot.journal.warmup_history import read_warmup_bars
from tradebot.markets.hours import hours_class_of
from tradebot.ops.events.analysis import (
    BarsNotRepaired,
    CandlesNotRead,
    HeldBarsDoubted,
    RepairDenied,
    WarmupBarsNotRead,
    WarmupDenied,
    WarmupPostponed,
    WarmupRetried,
)
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.warmup import fetch_warmup_bars, warmup_span_ns

LOGIN_PAUSE_S = 30.0  # between tries while the login is lost
MAX_RUNS_READ = 3  # the newest runs; one that ended during its warm-up left no bars
IN_FLIGHT = 2  # requests under way: one alone would lose the time of its answer, and a third would only wait here
GAPS_PER_WRITE = 25  # symbols in one transaction of the history; a week of minutes takes 100 kB a symbol
MAX_TRIES, RETRY_PAUSE_S = 3, 2.0  # of one symbol whose request fails

Deliver = Callable[[Instrument, BarSeries | None], None]  # None: the venue does not give them
Ask = Callable[[WarmupRequest], Awaitable[BarSeries]]


class FailureEvents(NamedTuple):
    """The events of past bars that the venue does not give: of a symbol that fails, of an account without the right."""

    failed: type[WarmupBarsNotRead | BarsNotRepaired]
    denied: type[WarmupDenied | RepairDenied]


WARM_UP, REPAIR = FailureEvents(WarmupBarsNotRead, WarmupDenied), FailureEvents(BarsNotRepaired, RepairDenied)


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
        self._local_bars = LocalBars(config, venue_session.history_venue, tell)
        self._login_tries, self._is_denied, self._gaps = 0, False, list[FetchedGap]()
        self.request_count = 0
        self.is_without_login = False  # whether requests wait for the login at this moment
        self.repaired: set[str] = set()  # symbols whose held bars were not trusted and came from the venue instead

    async def load_bars(self) -> list[BarSeries]:
        """Return the past bars of all symbols that have some; wait while the login is lost.

        For a venue whose market waits for it: all come from this run's journal or from the venue, in a limited time.
        """
        venue_session, known = self._venue_session, await self._recalled()
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
                await self._wait_for_login(error)

    async def make_plan(self, *, until: int, first: Collection[str]) -> WarmupPlan:
        """Return which bars that start before `until` (market ns) are at hand, and what is asked for.

        The symbols `first` are asked for before the others.
        """
        venue_session = self._venue_session
        if not self._count:
            return WarmupPlan({}, {}, ())
        planner = WarmupPlanner(
            venue_session.venue.broker, self._local_bars, venue_session.clock, suspect=self._suspect, tell=self._tell
        )
        known = await self._recalled()
        plan = await planner.make_plan(venue_session.universe, self._wanted(until), known, first)
        self.repaired.update(plan.doubted)
        return plan

    async def fetch_planned(self, plan: WarmupPlan, *, until: int, deliver: Deliver) -> None:
        """Ask the venue for what the plan lacks and hand each symbol on; then write what it gave to the history.

        A request that fails is tried again after the others. Waits while the login is lost.
        """
        await self._fetch_all(plan.requests, lambda request: self._fetch(request, until), deliver, WARM_UP)
        await self._write_gaps()

    async def fetch_span(self, instruments: Sequence[Instrument], since: int, until: int, *, deliver: Deliver) -> None:
        """Ask the venue for the bars that start in [since, until) (market ns) and hand each symbol on.

        Tries and waits as `fetch_planned` does.
        """

        async def ask(request: WarmupRequest) -> BarSeries:
            return await self._ask(request.instrument, since, until)

        await self._fetch_all([WarmupRequest(i) for i in instruments], ask, deliver, REPAIR)

    async def _fetch_all(
        self, requests: Sequence[WarmupRequest], ask: Ask, deliver: Deliver, events: FailureEvents
    ) -> None:
        todo, self._is_denied = deque(requests), False
        async with asyncio.TaskGroup() as tasks:
            for number in range(min(IN_FLIGHT, len(todo))):
                tasks.create_task(self._fetch_some(todo, ask, deliver, events), name=f"past-bars-{number}")

    async def _fetch_some(self, todo: deque[WarmupRequest], ask: Ask, deliver: Deliver, events: FailureEvents) -> None:
        while todo:
            request = todo.popleft()
            symbol = request.instrument.symbol
            try:
                series = await ask(request)
            except LoginLost as error:
                todo.appendleft(request)
                await self._wait_for_login(error)
                continue
            except LinkLost as error:
                if request.tries + 1 < MAX_TRIES:
                    todo.append(request._replace(tries=request.tries + 1))
                    await self._venue_session.clock.sleep(RETRY_PAUSE_S)
                else:
                    self._tell(events.failed(symbol=symbol, reason=str(error)))
                    deliver(request.instrument, None)
                continue
            except AccessDenied as error:
                if not self._is_denied:  # the other request under way is refused, too
                    self._tell(events.denied(reason=str(error)))
                self._is_denied = True
                todo.appendleft(request)
                while todo:
                    deliver(todo.popleft().instrument, None)
                return
            if len(series.unread_starts):
                self._tell(CandlesNotRead(symbol=symbol, candles=len(series.unread_starts)))
            deliver(request.instrument, series)
            if len(self._gaps) >= GAPS_PER_WRITE:
                await self._write_gaps()

    async def _write_gaps(self) -> None:
        gaps, self._gaps = self._gaps, []
        await asyncio.to_thread(self._local_bars.write_gaps, gaps)

    async def _fetch(self, request: WarmupRequest, until: int) -> BarSeries:
        # The bars after the held ones, beginning with the last held bar to compare the two; else all.
        instrument, held = request.instrument, request.held
        if held is not None:
            since = int(held.starts[-1])
            gap = await self._ask(instrument, since, until)
            if not (doubt := doubt_of_gap(held, gap)):
                self._keep(instrument, gap, since, until)
                return join_gap(held, gap, self._count)
            self._tell(HeldBarsDoubted(symbol=instrument.symbol, reason=doubt))
            self.repaired.add(instrument.symbol)
        since = self._wanted(until).start_at
        series = await self._ask(instrument, since, until)
        if instrument.symbol not in self.repaired:  # beside bars that are not trusted they would only mix two scales
            self._keep(instrument, series, since, until)
        return series.select_bars(slice(-self._count, None))

    async def _ask(self, instrument: Instrument, since: int, until: int) -> BarSeries:
        self.request_count += 1
        broker = self._venue_session.venue.broker
        return await broker.fetch_history(instrument, interval=self._interval, start=since, end=until)

    def _keep(self, instrument: Instrument, series: BarSeries, since: int, until: int) -> None:
        if self._local_bars.is_usable and not len(series.unread_starts):
            market = self._venue_session.traded_market
            until = last_bar_end(market, hours_class_of(instrument), until, self._interval)
            if since < until:
                self._gaps.append(FetchedGap(instrument, series, since, until))

    async def _wait_for_login(self, error: LoginLost) -> None:
        self._suspect()
        self._login_tries += 1
        self._tell((WarmupPostponed if self._login_tries == 1 else WarmupRetried)(reason=str(error)))
        self.is_without_login = True
        await self._venue_session.clock.sleep(LOGIN_PAUSE_S)
        self.is_without_login = False

    def _wanted(self, until: int) -> BarsWanted:
        start = until - warmup_span_ns(self._count, self._interval)
        return BarsWanted(self._interval, self._count, start, until, self._venue_session.traded_market)

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
