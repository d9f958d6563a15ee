"""The past out of the journal: the warm-up of a run of today and its own bars, where nothing is missing up to now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.journal.ledger_by_hand import MINUTE, START, UNIVERSE, close, run, write
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries
from tradebot.journal.rows import SymbolsHeld, WarmupBars
from tradebot.journal.warmup_history import read_warmup_bars

OPENS = START
BARS = 20  # of the warm-up


def past(symbol: str) -> BarSeries:
    starts = START - np.arange(BARS, 0, -1, dtype=np.int64) * MINUTE
    values = np.arange(BARS, dtype=np.int64) + 100
    return BarSeries(symbol=symbol, interval=MINUTE, starts=starts, **dict.fromkeys(("open", "high", "low", "close", "volume"), values))  # noqa: E501  # fmt: skip


async def journal(folder: Path, *, closes: int = 2, more_rows: Sequence[Any] = (), **more: Any) -> Path:
    warmup = WarmupBars(series=tuple(past(i.symbol) for i in UNIVERSE.instruments[:2]))
    ran = msgspec.structs.replace(run(), venue="kite", **more)
    rows = [("run", ran), ("universe", UNIVERSE), ("warmup", warmup)]
    rows += [("close", close(ends_at=START + (n + 1) * MINUTE)) for n in range(closes)]
    return await write(folder, *rows, *more_rows)


def asked(path: Path, *, now: int, count: int = BARS, universe: Universe | None = None, venue: str = "kite") -> list[BarSeries]:  # noqa: E501  # fmt: skip
    return read_warmup_bars(
        path, "r1", universe or Universe(UNIVERSE.instruments), venue=venue, interval_ns=MINUTE, count=count, now=now,
        last_end=lambda at: OPENS + (at - OPENS) // MINUTE * MINUTE,
    )  # fmt: skip


async def test_the_warm_up_goes_on_with_the_bars_that_the_run_made(tmp_path: Path) -> None:
    path = await journal(tmp_path)
    found = asked(path, now=START + 2 * MINUTE + MINUTE // 2)
    assert [series.symbol for series in found] == ["RELIANCE", "TCS"], "and what it never had is asked for"
    assert [len(series) for series in found] == [BARS, BARS]
    assert found[0].starts[-3:].tolist() == [START - MINUTE, START, START + MINUTE]
    assert (np.diff(found[0].starts) == MINUTE).all()


async def test_a_repaired_bar_takes_the_place_of_the_one_that_was_built(tmp_path: Path) -> None:
    whole = close(ends_at=START + MINUTE)
    repaired = msgspec.structs.replace(whole, close=whole.close + 7)
    path = await journal(tmp_path, more_rows=[("repaired", repaired)])
    found = asked(path, now=START + 2 * MINUTE)
    assert found[0].close[-2:].tolist() == [int(whole.close[0]) + 7, int(whole.close[0])]
    assert (np.diff(found[0].starts) == MINUTE).all()


async def test_a_symbol_whose_bars_were_still_to_be_repaired_when_the_run_ended_has_a_hole(tmp_path: Path) -> None:
    holds = [("held", SymbolsHeld(after=START, symbols=symbols)) for symbols in (("RELIANCE", "TCS"), ("TCS",))]
    path = await journal(tmp_path, more_rows=holds)
    assert [series.symbol for series in asked(path, now=START + 2 * MINUTE)] == ["RELIANCE"]


@pytest.mark.parametrize("minutes", [3, 60])
async def test_a_whole_bar_without_a_run_is_a_gap(tmp_path: Path, minutes: int) -> None:
    assert asked(await journal(tmp_path), now=START + minutes * MINUTE) == []


async def test_too_few_bars_another_venue_or_an_instrument_that_changed_are_of_no_use(tmp_path: Path) -> None:
    path, now = await journal(tmp_path), START + 2 * MINUTE
    assert asked(path, now=now, count=BARS + 3) == []
    assert asked(path, now=now, venue="embedded") == []
    first, *rest = UNIVERSE.instruments
    split = msgspec.structs.replace(first, tick_size=first.tick_size * 2)
    assert [series.symbol for series in asked(path, now=now, universe=Universe((split, *rest)))] == ["TCS"]
