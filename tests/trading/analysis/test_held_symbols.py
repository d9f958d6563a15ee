"""Symbols that are held back give no signals while their state goes on; of compared symbols one silences all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trading.analysis.analysis_by_hand import COUNTING, FAST, LIVE, Bench, comparing, running, told, written
from tradebot.domain.messages import Signals
from tradebot.strategies.loading import load_strategy

HELD_FROM, HELD_UNTIL = 6, 20
SIZE = 5


async def day(bench: Bench, *, held: tuple[str, ...] = ()) -> tuple[list[Signals], int]:
    """Return the signals of each close and how many were withheld; `held` are held back for some of the closes."""
    found, withheld = [], 0
    async with running(bench):
        for t in range(LIVE):
            if t in (HELD_FROM, HELD_UNTIL):
                bench.analysis.hold_back(held if t == HELD_FROM else ())
            bench.passed.append(bench.batches[t])
            batch = await bench.analysis.compute_signals(bench.batches[t], {})
            withheld += batch.withheld
            found.append(batch.as_message())
    return found, withheld


@pytest.mark.parametrize("workers", [0, 2])
async def test_only_the_signals_of_held_symbols_are_missing_and_only_while_they_are_held(
    tmp_path: Path, workers: int
) -> None:
    specs = [load_strategy("ema_cross", FAST), written(tmp_path, COUNTING)]
    whole, none = await day(Bench(size=SIZE, specs=specs, workers=workers))
    got, withheld = await day(Bench(size=SIZE, specs=specs, workers=workers), held=("S01", "S03"))
    missing = 0
    for t in range(LIVE):
        expected = told(whole[t])
        if HELD_FROM <= t < HELD_UNTIL:
            given = [s for s in whole[t].signals if s.symbol not in ("S01", "S03")]
            missing += len(expected) - len(given)
            expected = told(Signals(at=0, interval=1, signals=tuple(given)))
        assert told(got[t]) == expected
    assert (none, withheld) == (0, missing)
    assert missing > 10


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("traded", "is_silent"), [((), True), (("S00", "S02", "S04"), False)])
async def test_a_strategy_that_compares_symbols_is_silent_while_one_of_its_symbols_is_held(
    tmp_path: Path, workers: int, traded: Any, is_silent: bool
) -> None:
    specs = [comparing(tmp_path, traded)]
    whole, _ = await day(Bench(size=SIZE, specs=specs, workers=workers))
    got, withheld = await day(Bench(size=SIZE, specs=specs, workers=workers), held=("S03",))
    in_hold = slice(HELD_FROM, HELD_UNTIL)
    expected = [told(one) for one in whole]
    assert any(expected[in_hold])
    if is_silent:
        assert withheld == sum(map(len, expected[in_hold]))
        expected[in_hold] = [[]] * (HELD_UNTIL - HELD_FROM)
    assert [told(one) for one in got] == expected
