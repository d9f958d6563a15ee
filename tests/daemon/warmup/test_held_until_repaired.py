"""Quotes stop for many bars: nothing leaves on averages with a hole; after the repair all is as without an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from tests.trading.analysis.analysis_by_hand import written
from tests.trading.engine_by_hand import UNIVERSE, EngineRig, on_virtual_time
from tests.trading.quotes_by_hand import MINUTE, OPEN
from tradebot.clock import LoopClock
from tradebot.daemon.warmup.outage_repair import HOLD_FACTOR, HOLD_S, OutageRepair, RepairTerms
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BAR_COLUMNS, BarBatch, BarSeries
from tradebot.domain.messages import LinkDown, LinkUp
from tradebot.errors import LinkLost
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.analysis.repaired_bars import apply_repairs

DOWN, UP, END = 6, 26, 32  # minutes of the session: the quotes stop, they come again, the day ends
# At 200 before the outage, at 196 in it, then slowly up; at the end comes a fall, on which an exit is right.
FALL = END - 2
MEAN = """
from tradebot.indicators.expressions import ta
from tradebot.strategies.strategy import Rules


class Mine(Strategy):
    def rules(self, bars):
        mean = ta.SMA(bars.close, 5)
        return Rules(enter_long=bars.close > mean * 2, exit_long=bars.close < mean)
"""


def price_at(minute: int) -> Decimal:
    if minute < DOWN:
        return Decimal(200)
    return Decimal(193) if minute >= FALL else Decimal(196) + max(minute - UP + 10, 0) * Decimal("0.1")


def mean_in(folder: Path) -> StrategySpec:
    """Return the strategy, by the name of which the engine's rig opens positions."""
    return msgspec.structs.replace(written(folder, MEAN), name="s")


class VenuesBars:
    """A loader of the venue's bars, which answers once `answers` is set: those of a day without an outage."""

    def __init__(self, closes: Sequence[BarBatch], answers: asyncio.Event) -> None:
        self.closes, self.answers, self.asked = closes, answers, asyncio.Event()
        self.missing: tuple[str, ...] = ()  # symbols of which it has none
        self.is_without_login = False

    async def fetch_span(
        self, instruments: Sequence[Instrument], since: int, until: int, *, deliver: Callable[..., None]
    ) -> None:
        self.asked.set()
        await self.answers.wait()
        for instrument in instruments:
            is_missing = instrument.symbol in self.missing
            deliver(instrument, None if is_missing else self._series(instrument.symbol, since, until))

    def _series(self, symbol: str, since: int, until: int) -> BarSeries:
        closes = [close for close in self.closes if since <= close.starts_at < until]
        row = UNIVERSE.id_of(symbol)
        columns = {
            name: np.array([int(getattr(close, name)[row]) for close in closes], dtype=np.int64)
            for name in BAR_COLUMNS
            if name not in ("ids", "ticks")
        }
        starts = np.array([close.starts_at for close in closes], dtype=np.int64)
        return BarSeries(symbol=symbol, interval=MINUTE, starts=starts, **columns)


class Day:
    """A day of the engine with the real analysis and the real repair; the venue's bars are in the hand of the test."""

    def __init__(self, clock: LoopClock, folder: Path, closes: Sequence[BarBatch] = ()) -> None:
        async def recall() -> list[BarBatch]:
            return apply_repairs(self.rig.journal.of("close"), self.rig.journal.of("repaired"))

        analysis = Analysis(
            universe=UNIVERSE, strategies=[mean_in(folder)], interval_ns=MINUTE, workers=0, deadline_s=5.0, clock=clock,
            load_closes=recall, on_fault=self.tell,
        )  # fmt: skip
        self.clock, self.rig, self.answers = clock, EngineRig(clock, analysis=analysis), asyncio.Event()
        self.loader = VenuesBars(closes, self.answers)
        self.rig.venue.polled = self.no_quotes
        is_warm, engine, loader = asyncio.Event(), self.rig.engine, self.loader
        is_warm.set()
        terms = RepairTerms(UNIVERSE, MINUTE, 1, is_wanted=True, outages=engine.outages, is_warm=is_warm)
        self.repair = OutageRepair(
            loader, engine.signal_stage, self.rig.desk.account, terms, clock=clock, tell=self.tell  # type: ignore[arg-type]
        )  # fmt: skip

    def tell(self, event: Any) -> None:
        self.rig.told(event)

    def no_quotes(self) -> Any:
        raise LinkLost("no quotes")

    @asynccontextmanager
    async def trading(self) -> AsyncIterator[None]:
        await self.rig.analysis.start_workers([])
        async with self.rig.trading(), asyncio.TaskGroup() as tasks:
            repairs = tasks.create_task(self.repair.run_repairs())
            yield
            repairs.cancel()

    async def pass_minutes(self, since: int, until: int, *, with_quotes: bool = True) -> None:
        """Let the minutes [since, until) pass, each with two quotes of each symbol, the close of the last one too."""
        for minute in range(since, until):
            for second in (5, 40):
                await self.sleep_until(minute, second)
                if with_quotes:
                    self.rig.feed.says(self.rig.quotes(AAA=str(price_at(minute)), BBB=str(price_at(minute) + 1)))
        await self.sleep_until(until, 0.5)

    async def sleep_until(self, minute: int, second: float) -> None:
        at = OPEN + minute * MINUTE + int(second * 1e9)
        await self.clock.sleep(max(at - self.clock.market_ns(), 0) / 1e9)

    async def morning(self) -> None:
        """Buy BBB in the first minutes."""
        await self.pass_minutes(0, 2)
        await self.rig.enter("BBB", "200")
        self.rig.feed.tells(self.rig.venue.fill("V1", "200"))
        await self.pass_minutes(2, DOWN)
        assert self.rig.desk.account.open_symbols == {"BBB"}

    async def outage(self) -> None:
        """Let the stream be away for twenty minutes."""
        await self.morning()
        self.rig.link(LinkDown)
        await self.pass_minutes(DOWN, UP, with_quotes=False)
        self.rig.link(LinkUp)

    def exits(self, since: int = 0) -> list[tuple[int, str]]:
        """Return (minute, symbol) of all exits at closes of the minutes from `since` on."""
        signals = [(m.at, one) for m in self.rig.journal.of("signals") for one in m.signals]
        found = [((at - OPEN) // MINUTE - 1, one.symbol) for at, one in signals if one.action.value == "exit_long"]
        return [one for one in found if one[0] >= since]


class WholeDay(NamedTuple):
    """What a day without an outage had: its closes and its exits."""

    closes: list[BarBatch]
    exits: list[tuple[int, str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholeDay:
    found: list[WholeDay] = []

    @on_virtual_time
    async def a_day(clock: LoopClock) -> None:
        day = Day(clock, tmp_path_factory.mktemp("whole"))
        async with day.trading():
            await day.morning()
            await day.pass_minutes(DOWN, END)
        found.append(WholeDay(day.rig.journal.of("close"), day.exits()))

    a_day()
    return found[0]


def on_a_day(test: Callable[[WholeDay, Day], Any]) -> Callable[[WholeDay, Path], None]:
    """Run a test on virtual time with a day in its hand, and with what a day without an outage had."""

    def run(whole: WholeDay, tmp_path: Path) -> None:
        @on_virtual_time
        async def a_day(clock: LoopClock) -> None:
            day = Day(clock, tmp_path, whole.closes)
            async with day.trading():
                await test(whole, day)

        a_day()

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


AFTER = [(FALL, "AAA"), (FALL, "BBB")]  # the first exits that are right after the outage


@on_a_day
async def test_nothing_leaves_before_the_repair_and_then_all_is_as_without_an_outage(whole: WholeDay, day: Day) -> None:
    await day.outage()
    await day.pass_minutes(UP, UP + 2)  # of the averages of before, both closes are far below
    assert day.exits() == []
    assert day.rig.did.count("submit BBB") == 1
    assert day.rig.engine.signal_stage.held_back == ("AAA", "BBB")
    day.answers.set()
    await day.pass_minutes(UP + 2, END)
    assert day.exits() == [one for one in whole.exits if one[0] >= UP]
    assert day.exits()[:2] == AFTER
    assert day.rig.did.count("submit BBB") == 2
    assert day.rig.engine.signal_stage.held_back == ()
    (held,), (resumed,) = day.rig.told.of("signals_withheld"), day.rig.told.of("signals_resumed")
    assert (held["symbols"], held["bars"]) == (2, UP - DOWN + 1)
    assert (resumed["closes"], resumed["signals"], resumed["unrepaired"]) == (2, 4, 0)


@on_a_day
async def test_what_has_a_position_is_free_first_and_the_journal_says_who_waited_since_when(
    whole: WholeDay, day: Day
) -> None:
    await day.outage()
    day.answers.set()
    await day.pass_minutes(UP, UP + 2)
    held = day.rig.journal.of("held")
    before, last = OPEN + DOWN * MINUTE, OPEN + (UP + 1) * MINUTE
    assert [(row.after, row.symbols) for row in held] == [(before, ("AAA", "BBB")), (last, ("AAA",)), (last, ())]
    assert day.exits() == []


@on_a_day
async def test_a_symbol_that_the_venue_has_no_bars_of_decides_as_before_and_that_is_said(
    whole: WholeDay, day: Day
) -> None:
    day.loader.missing = ("AAA",)
    day.answers.set()
    await day.outage()
    await day.pass_minutes(UP, UP + 2)
    assert day.exits() == [(UP + 1, "AAA")]
    assert [line["unrepaired"] for line in day.rig.told.of("signals_resumed")] == [1]


@on_a_day
async def test_a_repair_that_takes_too_long_is_given_up(whole: WholeDay, day: Day) -> None:
    await day.outage()
    await day.pass_minutes(UP, UP + 1)
    await day.loader.asked.wait()
    await day.clock.sleep(HOLD_S + HOLD_FACTOR * len(UNIVERSE) - 1)
    assert day.rig.engine.signal_stage.held_back == ("AAA", "BBB")
    await day.clock.sleep(1.5)
    assert day.rig.engine.signal_stage.held_back == ()
    assert [line["unrepaired"] for line in day.rig.told.of("signals_resumed")] == [2]


@on_a_day
async def test_without_a_login_the_repair_is_waited_for(whole: WholeDay, day: Day) -> None:
    day.loader.is_without_login = True
    await day.outage()
    await day.pass_minutes(UP, END)
    assert day.exits() == []
    assert len(day.rig.engine.signal_stage.held_back) == 2


@on_a_day
async def test_quotes_that_are_fetched_before_the_stream_is_back_find_the_hole(whole: WholeDay, day: Day) -> None:
    await day.morning()
    day.rig.link(LinkDown)
    await day.pass_minutes(DOWN, UP, with_quotes=False)
    day.rig.venue.polled = lambda: day.rig.quotes(AAA=str(price_at(UP)), BBB=str(price_at(UP)))
    await day.pass_minutes(UP, UP + 2, with_quotes=False)
    assert day.exits() == []
    assert [line["bars"] for line in day.rig.told.of("signals_withheld")] == [UP - DOWN]
    day.rig.link(LinkUp)
    day.answers.set()
    await day.pass_minutes(UP + 2, END)
    assert day.exits()[:2] == AFTER


@on_a_day
async def test_fetched_quotes_without_a_hole_let_signals_go_on(whole: WholeDay, day: Day) -> None:
    await day.morning()
    day.rig.venue.polled = lambda: day.rig.quotes(AAA="196", BBB="196")
    day.rig.link(LinkDown)
    await day.pass_minutes(DOWN, DOWN + 2, with_quotes=False)
    assert day.exits() == [(m, s) for m in (DOWN, DOWN + 1) for s in ("AAA", "BBB")]
