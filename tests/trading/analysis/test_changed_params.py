"""Strategies that get other parameters decide as if they had had these from the beginning, whatever computes them."""

from __future__ import annotations

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.trading.analysis.analysis_by_hand import (
    FAST,
    LIVE,
    MINUTE,
    Bench,
    comparing,
    running,
    told,
    undisturbed,
    written,
)
from tradebot.errors import ConfigError
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.trading.analysis.changed_params import check_only_params, with_params

CHANGED_AT = 14
COUNTING = """
class Mine(Strategy):
    every = Param(4, low=1)
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        return Intent(Action.ENTER_LONG, inputs={"seen": self.seen}) if self.seen % self.every == 0 else None
"""
RAISING = """
class Mine(Strategy):
    limit = Param(3)
    seen = 0
    def decide(self, bar, now, position):
        self.seen += 1
        if self.seen == self.limit:
            raise RuntimeError("no more")
        return Intent(Action.ENTER_LONG, inputs={"seen": self.seen, "held": float(position.quantity)})
"""
RANKING = """
from tradebot.indicators.expressions import rank, ta
from tradebot.strategies.strategy import Rules
class Mine(Strategy):
    bars = Param(5, low=2)
    ranks = Param(True)
    def rules(self, bars):
        speed = ta.ROC(bars.close, self.bars)
        return Rules(enter_long=rank(speed) >= 1.0 if self.ranks else speed > 1.0, exit_long=speed < -1.0)
"""


def rules(_: Path, *, other: bool) -> StrategySpec:
    return load_strategy("ema_cross", FAST | {"slow": 9} if other else FAST)


def counting(folder: Path, *, other: bool) -> StrategySpec:
    return written(folder, COUNTING, every=3 if other else 4)


def ranking(folder: Path, *, other: bool) -> StrategySpec:
    return written(folder, RANKING, bars=7 if other else 5)


def raising(folder: Path, *, other: bool) -> StrategySpec:
    return written(folder, RAISING, limit=999 if other else 30)


async def changed_midway(bench: Bench, specs: list[StrategySpec]) -> list[Any]:
    for t in range(CHANGED_AT):
        await bench.step(t)
    await bench.analysis.change_params(specs)
    return [await bench.step(t) for t in range(CHANGED_AT, LIVE)]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("make", [rules, counting, ranking, raising])
async def test_from_the_change_on_the_signals_are_those_of_the_new_parameters(
    tmp_path: Path, workers: int, make: Any
) -> None:
    expected = await undisturbed(5, [make(tmp_path, other=True)])
    before = await undisturbed(5, [make(tmp_path, other=False)])
    async with running(Bench(size=5, specs=[make(tmp_path, other=False)], workers=workers)) as bench:
        got = await changed_midway(bench, [make(tmp_path, other=True)])
        assert bench.analysis.strategies == (make(tmp_path, other=True),)
    assert [told(one) for one in got] == expected[CHANGED_AT:]
    assert [one.failed for one in got] == [()] * len(got)
    assert expected[CHANGED_AT:] != before[CHANGED_AT:]  # the parameter matters


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_strategy_that_does_not_change_goes_on_as_before_and_sees_the_same_positions(
    tmp_path: Path, workers: int
) -> None:
    held = {"S01": (Decimal(3), Decimal("1000"))}
    same, other = written(tmp_path, RAISING, limit=999), rules(tmp_path, other=True)
    async with running(Bench(size=3, specs=[same, other], workers=0)) as bench:
        expected = [told(await bench.step(t, held)) for t in range(LIVE)]
    async with running(Bench(size=3, specs=[same, rules(tmp_path, other=False)], workers=workers)) as bench:
        for t in range(CHANGED_AT):
            await bench.step(t, held)
        await bench.analysis.change_params([same, other])
        assert [told(await bench.step(t, held)) for t in range(CHANGED_AT, LIVE)] == expected[CHANGED_AT:]


async def test_a_change_before_the_first_close_is_a_start_with_the_new_parameters(tmp_path: Path) -> None:
    expected = await undisturbed(3, [rules(tmp_path, other=True)])
    for workers in (0, 1):
        async with running(Bench(size=3, specs=[rules(tmp_path, other=False)], workers=workers)) as bench:
            await bench.analysis.change_params([rules(tmp_path, other=True)])
            assert [told(await bench.step(t)) for t in range(LIVE)] == expected


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("make", [rules, counting, ranking])
async def test_a_symbol_that_joins_after_the_change_has_the_new_parameters_as_well(
    tmp_path: Path, workers: int, make: Any
) -> None:
    expected = await undisturbed(3, [make(tmp_path, other=True)])
    bench = Bench(size=3, specs=[make(tmp_path, other=False)], workers=workers)
    bench.start = lambda: bench.analysis.start_workers(bench.history[:2], {"S02"})  # type: ignore[method-assign]
    async with running(bench):
        for t in range(CHANGED_AT):
            await bench.step(t)
        await bench.analysis.change_params([make(tmp_path, other=True)])
        for t in range(CHANGED_AT, CHANGED_AT + 3):
            await bench.step(t)
        await bench.analysis.join_symbols(["S02"], [bench.history[2]])
        got = [told(await bench.step(t)) for t in range(CHANGED_AT + 3, LIVE)]
    assert got == expected[CHANGED_AT + 3 :]


async def test_a_worker_that_is_lost_later_is_replaced_with_the_new_parameters(tmp_path: Path) -> None:
    expected = await undisturbed(4, [rules(tmp_path, other=True), counting(tmp_path, other=True)])
    specs = [rules(tmp_path, other=False), counting(tmp_path, other=False)]
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(CHANGED_AT):
            await bench.step(t)
        await bench.analysis.change_params([rules(tmp_path, other=True), counting(tmp_path, other=True)])
        os.kill(bench.analysis.worker_pids[0], signal.SIGKILL)
        await bench.hear("worker_rebuilt")
        got = [told(await bench.step(t)) for t in range(CHANGED_AT, LIVE)]
    assert got == expected[CHANGED_AT:]


async def test_a_worker_that_is_being_rebuilt_at_the_change_begins_again_and_its_old_failures_count_no_more(
    tmp_path: Path,
) -> None:
    expected = await undisturbed(4, [raising(tmp_path, other=True)])
    specs = [written(tmp_path, RAISING, limit=24)]  # raises at the fourth close
    async with running(Bench(size=4, specs=specs, workers=2)) as bench:
        for t in range(3):
            await bench.step(t)

        async def change(group: asyncio.TaskGroup) -> None:
            await bench.step(3)  # the worker that is being built will find that it raises here
            group.create_task(bench.analysis.change_params([raising(tmp_path, other=True)]))

        await bench.rebuild_amid(change)
        got = [told(await bench.step(t)) for t in range(4, LIVE)]
    assert got == expected[4:]
    assert len(bench.faults.of("strategy_disabled")) == 2  # of the other worker, before the change


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_strategy_that_was_switched_off_decides_again_with_other_parameters_and_another_stays_off(
    tmp_path: Path, workers: int
) -> None:
    both = [
        msgspec.structs.replace(written(tmp_path, RAISING, limit=limit), name=name)
        for name, limit in (("one", 25), ("two", 26))
    ]
    async with running(Bench(size=2, specs=both, workers=workers)) as bench:
        for t in range(CHANGED_AT):
            await bench.step(t)
        assert len(bench.faults.of("strategy_disabled")) == 4
        await bench.analysis.change_params(with_params(both, {"one": {"limit": 999}, "two": {"limit": 26}}))
        signals = (await bench.step(CHANGED_AT)).signals
    assert {signal.strategy for signal in signals} == {"one"}
    assert len(bench.faults.of("strategy_disabled")) == 4


def test_only_parameters_may_differ(tmp_path: Path) -> None:
    def refused(before: StrategySpec, now: StrategySpec) -> str:
        with pytest.raises(ConfigError) as error:
            check_only_params([before], [now], MINUTE)
        return str(error.value)

    before = counting(tmp_path, other=False)
    check_only_params([before], [counting(tmp_path, other=True)], MINUTE)
    assert refused(before, written(tmp_path, COUNTING + "\n# other\n", every=3)) == (
        "a restart is needed for Mine: its file has changed since the start; nothing was taken up"
    )
    only_one = msgspec.structs.replace(before, symbols=("S01",))
    assert "more than its parameters changed" in refused(before, only_one)
    assert "a restart is needed for the strategies: they are others" in refused(before, comparing_named(tmp_path))
    assert "begins or ends to compare symbols" in refused(
        written(tmp_path, RANKING), written(tmp_path, RANKING, ranks=False)
    )


def comparing_named(folder: Path) -> StrategySpec:
    return msgspec.structs.replace(comparing(folder), name="another")
