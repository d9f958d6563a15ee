"""A warm-up by hand: a venue that counts what it is asked for, a history on disk, and the loader between them."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.history.bars_by_hand import walk
from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.config import Config
from tradebot.daemon.warmup.warmup_loader import WarmupLoader
from tradebot.daemon.warmup.warmup_plan import WarmupPlan
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries, Quotes
from tradebot.errors import LinkLost
from tradebot.history.history import open_history
from tradebot.journal.recovery import RecoveredState
from tradebot.markets.calendar import ist_to_ns
from tradebot.markets.market import HOME_MARKET

MINUTE = 60 * SECOND
THURSDAY = date(2025, 6, 5)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
BARS = 200


def clock_at(hour: int, minute: int = 0, second: int = 0) -> int:
    return ist_to_ns(THURSDAY, time(hour, minute, second))


def truth(symbol: str) -> BarSeries:
    """All bars of the four days up to Thursday's close, as the venue has them."""
    return walk(symbol, days=4, seed=1 + SYMBOLS.index(symbol))


class Venue:
    """Has the truth, and takes a second for a request; `faults` are raised instead of the first answers."""

    def __init__(self, clock: ManualClock, universe: Universe) -> None:
        self.clock, self.universe = clock, universe
        self.asked: list[tuple[str, int, int]] = []
        self.quoted = 0
        self.faults: list[Exception] = []
        self.quote_faults: list[Exception] = []
        self.prices: dict[str, int] = {}

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        self.asked.append((instrument.symbol, start, end))
        await self.clock.sleep(1.0)
        if self.faults:
            raise self.faults.pop(0)
        whole = truth(instrument.symbol)
        now = self.clock.market_ns()
        return whole.select_bars((whole.starts >= start) & (whole.starts < end) & (whole.starts + interval <= now))

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        self.quoted += 1
        if self.quote_faults:
            raise self.quote_faults.pop(0)
        last = [self.prices.get(i.symbol, int(truth(i.symbol).close[-1])) for i in universe]
        zeros = np.zeros(len(last), dtype=np.int64)
        names = ("sent_at", "volume", "bid", "ask", "bid_size", "ask_size")
        return Quotes(
            source="rest", seen_at=0, ids=np.arange(len(last)), last=np.array(last), **dict.fromkeys(names, zeros)
        )


class Rig:
    """A loader over `venue` at a time of Thursday; `held` says how many days of each symbol the history has."""

    def __init__(
        self, folder: Path, at: int, held: dict[str, int], *, halved: str = "", venue: str = "kite", bars: int = BARS
    ) -> None:
        self.clock, self.folder, self.told = ManualClock(at), folder, Told()
        self.universe = Universe(
            [Instrument(symbol=s, token=i + 1, has_derivatives=False) for i, s in enumerate(SYMBOLS)]
        )
        self.venue = Venue(self.clock, self.universe)
        with open_history(folder, writes=True) as history, history.transaction():
            for symbol, days in held.items():
                series = truth(symbol).select_bars(slice(0, 375 * days))
                if symbol == halved:
                    series = twice(series)
                history.write_bars(self.universe.instrument_of(symbol), series, source="by hand")
        session: Any = SimpleNamespace(
            clock=self.clock, universe=self.universe, venue_name=venue, history_venue=venue,
            traded_market=HOME_MARKET,
            venue=SimpleNamespace(broker=self.venue),
        )  # fmt: skip
        config = Config.model_validate({"app": {"state_dir": folder}, "analysis": {"warmup_bars": bars}})
        self.suspected = 0
        self.until = at
        self.loader = WarmupLoader(
            config, session, folder / "journal.sqlite3", RecoveredState(), opens_at=clock_at(9, 15),
            suspect=self.suspect, tell=self.told,
        )  # fmt: skip

    def suspect(self) -> None:
        self.suspected += 1

    async def plan(self, first: tuple[str, ...] = ()) -> WarmupPlan:
        return await self.loader.make_plan(until=self.until, first=first)

    async def fetch(self, plan: WarmupPlan) -> dict[str, BarSeries | None]:
        found: dict[str, BarSeries | None] = {}
        await self.loader.fetch_planned(
            plan, until=self.until, deliver=lambda instrument, series: found.update({instrument.symbol: series})
        )
        return found


def twice(bars: BarSeries) -> BarSeries:
    """The same bars as before a split of one share into two."""
    columns = {name: getattr(bars, name) * 2 for name in ("open", "high", "low", "close")}
    return BarSeries(symbol=bars.symbol, interval=bars.interval, starts=bars.starts, volume=bars.volume, **columns)


def lost(times: int) -> list[Exception]:
    return [LinkLost("cut") for _ in range(times)]
