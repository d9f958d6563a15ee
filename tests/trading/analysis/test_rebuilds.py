"""Strategies whose bars were repaired decide as if these had been there in time, whatever computes them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.trading.analysis.analysis_by_hand import (
    COUNTING,
    FAST,
    LIVE,
    Bench,
    comparing,
    market,
    running,
    told,
    undisturbed,
    written,
)
from tradebot.domain.market import BarBatch
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.trading.analysis.repaired_bars import apply_repairs

SPOILED, REPAIRED_AT = range(8, 11), 14


def rules(_: Path) -> StrategySpec:
    return load_strategy("ema_cross", FAST)


def counting(folder: Path) -> StrategySpec:
    return written(folder, COUNTING)


def ranking(folder: Path) -> StrategySpec:
    return comparing(folder)


class SpoiledBench(Bench):
    """A bench whose closes lack a bar, or have another one, for a while, until `repair`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.whole, (_, others) = list(self.batches), market(len(self.analysis.universe), seed=8)
        self.repairs: list[BarBatch] = []
        for t in SPOILED:
            self.batches[t] = others[t]

    async def recall(self) -> list[BarBatch]:
        return apply_repairs(self.passed, self.repairs)

    async def repair(self) -> None:
        self.repairs = [self.whole[t] for t in SPOILED]
        await self.analysis.rebuild_state()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", [rules, counting, ranking])
async def test_after_a_repair_the_signals_are_those_of_whole_bars(tmp_path: Path, workers: int, make: Any) -> None:
    specs = [make(tmp_path)]
    expected = await undisturbed(5, specs)
    async with running(SpoiledBench(size=5, specs=specs, workers=workers)) as bench:
        for t in range(REPAIRED_AT):
            await bench.step(t)
        await bench.repair()
        got = [await bench.step(t) for t in range(REPAIRED_AT, LIVE)]
    assert [told(one) for one in got] == expected[REPAIRED_AT:]
    assert any(expected[REPAIRED_AT:])
    assert [one.failed for one in got] == [()] * len(got)
    assert bench.faults == []  # a rebuild on purpose is no loss


async def test_without_the_repair_they_would_be_others(tmp_path: Path) -> None:
    specs = [rules(tmp_path)]
    expected = await undisturbed(5, specs)
    async with running(SpoiledBench(size=5, specs=specs, workers=0)) as bench:
        got = [told(await bench.step(t)) for t in range(LIVE)]
    assert got[REPAIRED_AT:] != expected[REPAIRED_AT:]


async def test_a_worker_that_is_lost_after_a_repair_is_rebuilt_over_repaired_bars(tmp_path: Path) -> None:
    specs = [rules(tmp_path), counting(tmp_path)]
    expected = await undisturbed(4, specs)
    async with running(SpoiledBench(size=4, specs=specs, workers=2)) as bench:
        for t in range(REPAIRED_AT):
            await bench.step(t)
        await bench.repair()
        os.kill(bench.analysis.worker_pids[0], signal.SIGKILL)
        await bench.hear("worker_rebuilt")
        got = [told(await bench.step(t)) for t in range(REPAIRED_AT, LIVE)]
    assert got == expected[REPAIRED_AT:]


async def test_a_worker_that_is_being_rebuilt_at_a_repair_begins_again(tmp_path: Path) -> None:
    specs = [rules(tmp_path)]
    expected = await undisturbed(4, specs)
    async with running(SpoiledBench(size=4, specs=specs, workers=2)) as bench:
        for t in range(REPAIRED_AT):
            await bench.step(t)

        async def repair(group: asyncio.TaskGroup) -> None:
            bench.repairs = [bench.whole[t] for t in SPOILED]
            group.create_task(bench.analysis.rebuild_state())

        await bench.rebuild_amid(repair)
        got = [told(await bench.step(t)) for t in range(REPAIRED_AT, LIVE)]
    assert got == expected[REPAIRED_AT:]
