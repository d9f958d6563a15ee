"""The repair after an outage: bars that lack quotes are fetched once the venue is back, and replace the built ones.

The strategies' state is then computed again over repaired bars: soon for guarded symbols, once more when all are here.
Until then the symbols give no signals. A repair that takes too long is given up, and its symbols give signals again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from tradebot.clock import SECOND, Clock
from tradebot.config import Config
from tradebot.config.sections import EMBEDDED
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.daemon.warmup.warm_start import guarded_symbols
from tradebot.daemon.warmup.warmup_loader import WarmupLoader
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries
from tradebot.ops.events.analysis import BarsRepaired, RepairStarted
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.repaired_bars import RepairedBars
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.outages import Outage, OutageLog
from tradebot.trading.signal_stage import SignalStage

# Market seconds after the end of the last spoiled bar: the venue needs some to finish it. Its own close is given to the
# strategies meanwhile; where it has none, because no quote came, it is not waited for longer.
SETTLE_S, CLOSE_WITHIN_S, POLL_S = 3.0, 30.0, 0.05
# Wall seconds for which symbols are held back while bars are asked for: so long, and this multiple of the time that the
# requests take at the venue's rate. Time without a login does not count: no order could be sent either.
HOLD_S, HOLD_FACTOR, HOLD_POLL_S = 60.0, 3.0, 0.5


class RepairTerms(NamedTuple):
    """What a run repairs: bars of `interval` ns, with `per_second` requests (0: unknown), after the warm-up."""

    universe: Universe
    interval: int
    per_second: int
    is_wanted: bool
    outages: OutageLog
    is_warm: asyncio.Event

    @classmethod
    def from_config(
        cls, config: Config, venue_session: VenueSession, outages: OutageLog, is_warm: asyncio.Event
    ) -> RepairTerms:
        """Return the terms of a run. Without past bars nothing is repaired, and nothing on the embedded exchange.

        There an outage is part of a day that is to be repeated.
        """
        return cls(
            universe=venue_session.universe,
            interval=config.bars.interval_ns,
            per_second=venue_session.venue.venue_rules.candles_per_second,
            is_wanted=config.analysis.warmup_bars > 0 and venue_session.venue_name != EMBEDDED,
            outages=outages,
            is_warm=is_warm,
        )


class OutageRepair:
    """Repairs the bars of one run, one outage after the other. Call `run_repairs`."""

    def __init__(
        self,
        loader: WarmupLoader,
        signal_stage: SignalStage,
        account: AccountView,
        terms: RepairTerms,
        *,
        clock: Clock,
        tell: EventListener,
    ) -> None:
        self._loader, self._signal_stage, self._account, self._terms = loader, signal_stage, account, terms
        self._clock, self._tell = clock, tell
        self.is_wanted = terms.is_wanted
        if terms.is_wanted:
            terms.outages.expect_repairs()

    async def run_repairs(self) -> None:
        """Repair what outages spoil, for ever; the warm-up comes first, because both are asked for at one rate."""
        await self._terms.is_warm.wait()
        while True:
            await self._repair(await self._terms.outages.wait_outage())

    async def _repair(self, outage: Outage) -> None:
        terms = self._terms
        until = outage.last_at + terms.interval
        await self._wait_until(until + int(SETTLE_S * SECOND))
        while self._signal_stage.last_bar_at < until and self._clock.market_ns() < until + int(CLOSE_WITHIN_S * SECOND):
            await self._clock.sleep(POLL_S)
        count = len(terms.universe)
        expected_s = round(count / terms.per_second, 1) if terms.per_second else None
        bars = (until - outage.first_at) // terms.interval
        self._tell(RepairStarted(symbols=count, bars=bars, expected_s=expected_s))
        first = guarded_symbols(self._account)
        parts = [[i for i in terms.universe if (i.symbol in first) is is_first] for is_first in (True, False)]
        async with asyncio.TaskGroup() as tasks:
            limit = tasks.create_task(self._limit_hold(until, expected_s or 0.0), name="repair-hold-limit")
            repaired = [await self._repair_some(part, outage.first_at, until) for part in parts if part]
            limit.cancel()
        found = [series for part in repaired for series in part]
        self._tell(BarsRepaired(symbols=len(found), of=count, bars=sum(map(len, found))))

    async def _wait_until(self, market_at: int) -> None:
        while (left := market_at - self._clock.market_ns()) > 0:
            await self._clock.sleep(max(left / self._clock.speed / SECOND, POLL_S))

    async def _repair_some(self, instruments: Sequence[Instrument], since: int, until: int) -> list[BarSeries]:
        found: list[BarSeries] = []

        def take(_: Instrument, series: BarSeries | None) -> None:
            if series is not None and len(series):
                found.append(series)

        await self._loader.fetch_span(instruments, since, until, deliver=take)
        symbols = tuple(instrument.symbol for instrument in instruments)
        await self._signal_stage.repair_bars(RepairedBars(tuple(found), symbols, until))
        return found

    async def _limit_hold(self, until: int, expected_s: float) -> None:
        left = HOLD_S + HOLD_FACTOR * expected_s
        while left > 0:
            await self._clock.sleep(HOLD_POLL_S)
            if not self._loader.is_without_login:
                left -= HOLD_POLL_S
        await self._signal_stage.repair_bars(RepairedBars((), tuple(self._terms.universe.symbols), until))
