"""A symbol that joins late has the same signals, to the last bit, as one that was there from the beginning."""

from __future__ import annotations

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trading.analysis.analysis_by_hand import (
    COUNTING,
    FAST,
    LIVE,
    Bench,
    comparing,
    running,
    told,
    universe,
    written,
)
from tradebot.strategies.loading import StrategySpec, load_strategy

FRAMED = """
from tradebot.strategies.frame_strategy import FrameStrategy


class Framed(FrameStrategy):
    window = 12
    evaluated = 0

    def signals(self, df):
        self.evaluated += 1
        df["mean"] = df["close"].rolling(5).mean()
        df["evaluated"] = float(self.evaluated)
        df["enter_long"] = df["close"] > df["mean"]
        df["exit_long"] = df["close"] < df["mean"]
        return df
"""
HELD = """
class Mine(Strategy):
    worth = 0.0
    def decide(self, bar, now, position):
        self.worth = 0.5 * self.worth + float(position.quantity) * float(bar.close)
        return Intent(Action.EXIT_LONG, inputs={"worth": self.worth})
"""
Signals = list[list[tuple[Any, ...]]]
LATE = ("S01", "S02", "S04")


def holdings(t: int) -> dict[str, tuple[Decimal, Decimal]]:
    return {"S01": (Decimal(t + 1), Decimal(100)), "S03": (Decimal(-2), Decimal(100))}


async def early(size: int, specs: list[StrategySpec]) -> Signals:
    async with running(Bench(size=size, specs=specs, workers=0)) as bench:
        return [told(await bench.step(t, holdings(t))) for t in range(LIVE)]


def of(signals: list[tuple[Any, ...]], symbols: set[str]) -> list[tuple[Any, ...]]:
    return [s for s in signals if s[0].split("/")[1] in symbols]


class LateBench(Bench):
    """A bench of which some symbols join before closes of their own: close -> symbols."""

    def __init__(self, joins: dict[int, tuple[str, ...]], **settings: Any) -> None:
        super().__init__(**settings)
        self.joins = joins
        self.joined = {i.symbol for i in self.analysis.universe} - {s for some in joins.values() for s in some}

    async def start(self) -> None:
        waiting = {s for some in self.joins.values() for s in some}
        await self.analysis.start_workers([s for s in self.history if s.symbol not in waiting], waiting)

    async def join_and_step(self, t: int) -> tuple[list[tuple[Any, ...]], set[str]]:
        if symbols := self.joins.get(t):
            await self.analysis.join_symbols(symbols, [s for s in self.history if s.symbol in symbols])
            self.joined.update(symbols)
        return told(await self.step(t, holdings(t))), set(self.joined)


async def assert_equal_from_the_join_on(bench: LateBench, expected: Signals, *, since: int = 0) -> None:
    async with running(bench):
        for t in range(LIVE):
            got, joined = await bench.join_and_step(t)
            assert got == (of(expected[t], joined) if t >= since else [])


def rules(_: Path) -> StrategySpec:
    return load_strategy("ema_cross", FAST)


def reverting(_: Path) -> StrategySpec:
    return load_strategy("rsi_reversion", {"period": 3, "average": 10})


def counting(folder: Path) -> StrategySpec:
    return written(folder, COUNTING)


def holding(folder: Path) -> StrategySpec:
    return written(folder, HELD)


def framed(folder: Path) -> StrategySpec:
    (folder / "framed.py").write_text(FRAMED)
    return load_strategy(f"{folder / 'framed.py'}:Framed")


@pytest.mark.parametrize(("workers", "size"), [(0, 5), (2, 5), (1, 30)])  # by handle, and over arrays
@pytest.mark.parametrize("make", [rules, reverting, counting, holding])
async def test_a_late_join_gives_the_signals_of_an_early_one(
    tmp_path: Path, workers: int, size: int, make: Any
) -> None:
    specs = [make(tmp_path)]
    expected = await early(size, specs)
    assert any(of(expected[t], set(LATE)) for t in range(20, LIVE))
    bench = LateBench({0: ("S02",), 7: ("S01",), 20: ("S04",)}, size=size, specs=specs, workers=workers)
    await assert_equal_from_the_join_on(bench, expected)


async def test_a_late_join_gives_frame_strategies_the_same_frames(tmp_path: Path) -> None:
    specs = [framed(tmp_path)]
    expected = await early(3, specs)
    assert any(of(expected[t], {"S01"}) for t in range(15, LIVE))
    bench = LateBench({15: ("S01",), 16: ("S00",)}, size=3, specs=specs, workers=1)
    await assert_equal_from_the_join_on(bench, expected)


@pytest.mark.parametrize("workers", [0, 2])
async def test_strategies_that_compare_symbols_wait_for_the_last_of_theirs(tmp_path: Path, workers: int) -> None:
    specs = [comparing(tmp_path)]
    expected = await early(5, specs)
    assert any(expected[20:])
    bench = LateBench({7: ("S01", "S02"), 20: ("S04",)}, size=5, specs=specs, workers=workers)
    await assert_equal_from_the_join_on(bench, expected, since=20)


async def test_a_comparing_strategy_holds_up_no_other_one(tmp_path: Path) -> None:
    specs = [comparing(tmp_path, ("S00", "S04")), load_strategy("ema_cross", FAST)]
    expected = await early(5, specs)
    bench = LateBench({3: ("S04",), 30: ("S01",)}, size=5, specs=specs, workers=1)
    async with running(bench):
        for t in range(LIVE):
            got, joined = await bench.join_and_step(t)
            wanted = [s for s in of(expected[t], joined) if t >= 3 or not s[0].startswith("Mine/")]
            assert got == wanted


async def test_a_symbol_without_a_past_joins_cold_and_has_the_closes_since(tmp_path: Path) -> None:
    specs = [counting(tmp_path)]
    bench = LateBench({10: ("S01",)}, size=2, specs=specs, workers=1)
    bench.history = bench.history[:1]
    async with running(bench):
        seen = [dict(s[5])["seen"] for t in range(LIVE) for s in of((await bench.join_and_step(t))[0], {"S01"})]
    assert seen == list(range(12, LIVE + 1, 4))


@pytest.mark.parametrize("killed_at", [5, 12])
async def test_a_worker_that_is_rebuilt_before_or_after_a_join_has_the_same_state(
    tmp_path: Path, killed_at: int
) -> None:
    specs = [load_strategy("ema_cross", FAST), counting(tmp_path)]
    expected = await early(4, specs)
    bench = LateBench({10: ("S01", "S03")}, size=4, specs=specs, workers=2)
    async with running(bench):
        for t in range(LIVE):
            if t == killed_at:
                os.kill(bench.analysis.worker_pids[1], signal.SIGKILL)
                await bench.hear("worker_rebuilt")
            got, joined = await bench.join_and_step(t)
            assert got == of(expected[t], joined)


async def test_a_symbol_that_joins_while_its_worker_is_rebuilt_joins_with_it(tmp_path: Path) -> None:
    specs = [load_strategy("ema_cross", FAST), counting(tmp_path)]
    expected = await early(4, specs)
    bench = LateBench({10: ("S01",)}, size=4, specs=specs, workers=2)
    recalls, goes_on = asyncio.Event(), asyncio.Event()
    recall = bench.recall

    async def slowly() -> Any:
        recalls.set()
        await goes_on.wait()
        return await recall()

    bench.recall = slowly  # type: ignore[method-assign]
    async with asyncio.timeout(20), running(bench):
        for t in range(10):
            await bench.join_and_step(t)
        os.kill(bench.analysis.worker_pids[1], signal.SIGKILL)
        await recalls.wait()  # the new process has its symbols and their past
        got, joined = await bench.join_and_step(10)
        assert got == of(expected[10], joined & {"S00", "S02"})
        goes_on.set()
        await bench.hear("worker_rebuilt")
        for t in range(11, LIVE):
            got, joined = await bench.join_and_step(t)
            assert got == of(expected[t], joined)


async def test_who_does_not_wait_cannot_join() -> None:
    bench = Bench(size=2, specs=[load_strategy("ema_cross", FAST)], workers=0)
    await bench.analysis.start_workers(bench.history)
    with pytest.raises(AssertionError, match="joined before"):
        await bench.analysis.join_symbols([universe(2)[0].symbol], ())
