"""Bars that a daemon recorded come from its journal into the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE, walk
from tradebot.clock import ManualClock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.errors import DataError, StateError
from tradebot.history import journal_import
from tradebot.history.history import open_history
from tradebot.history.journal_import import import_journal
from tradebot.journal.rows import InstrumentList, RunRecord, WarmupBars
from tradebot.journal.writer import Journal

INSTRUMENTS = tuple(Instrument(symbol=name) for name in ("RELIANCE", "TCS"))
SERIES = [walk("RELIANCE", days=1), walk("TCS", days=1, seed=2)]


def close(row: int, series: list[BarSeries] = SERIES) -> BarBatch:
    columns = {
        name: np.array([getattr(s, name)[row] for s in series]) for name in ("open", "high", "low", "close", "volume")
    }
    return BarBatch(
        interval=MINUTE, ends_at=int(series[0].starts[row]) + MINUTE, seen_at=0, quoted_at=0,
        ids=np.arange(len(series)), ticks=np.ones(len(series), dtype=np.int64), **columns,
    )  # fmt: skip


async def record(folder: Path, run: str, rows: range, series: list[BarSeries] = SERIES) -> Path:
    async with Journal(folder, run=run, clock=ManualClock()) as journal:
        journal.append("run", RunRecord(run_id=run, mode="paper", account="A1"), at=1)
        journal.append("universe", InstrumentList(instruments=INSTRUMENTS[: len(series)]), at=1)
        for row in rows:
            journal.append("close", close(row, series), at=1)
    return journal.path


async def test_recorded_closes_become_series(tmp_path: Path) -> None:
    path = await record(tmp_path, "T1", range(200))
    with open_history(tmp_path, writes=True) as history:
        done = import_journal(path, history)

        found = history.load_series(["TCS"], MINUTE)["TCS"]

    assert [(one.symbol, one.counts.added) for one in done] == [("RELIANCE", 200), ("TCS", 200)]
    np.testing.assert_array_equal(found.close, SERIES[1].close[:200])
    np.testing.assert_array_equal(found.starts, SERIES[1].starts[:200])


async def test_the_later_record_of_a_bar_counts_and_a_run_may_be_chosen(tmp_path: Path) -> None:
    await record(tmp_path, "T1", range(100))
    again = [walk("RELIANCE", days=1, seed=7)]
    path = await record(tmp_path, "T2", range(90, 120), again)

    with open_history(tmp_path, writes=True) as history:
        import_journal(path, history)
        both = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]
    with open_history(tmp_path / "other", writes=True) as history:
        import_journal(path, history, run="T1")
        first = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]

    np.testing.assert_array_equal(both.close, np.r_[SERIES[0].close[:90], again[0].close[90:120]])
    np.testing.assert_array_equal(first.close, SERIES[0].close[:100])


async def test_the_bars_of_the_warm_up_come_along_and_give_way_to_recorded_ones(tmp_path: Path) -> None:
    other = walk("RELIANCE", days=1, seed=7)
    columns = {name: getattr(other, name)[:50] for name in ("starts", "open", "high", "low", "close", "volume")}
    async with Journal(tmp_path, run="T1", clock=ManualClock()) as journal:
        journal.append("run", RunRecord(run_id="T1", mode="paper", account="A1"), at=1)
        journal.append("universe", InstrumentList(instruments=INSTRUMENTS[:1]), at=1)
        journal.append("warmup", WarmupBars(series=(BarSeries(symbol="RELIANCE", interval=MINUTE, **columns),)), at=1)
        for row in range(40, 60):
            journal.append("close", close(row, SERIES[:1]), at=1)

    with open_history(tmp_path, writes=True) as history:
        import_journal(journal.path, history)
        found = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]

    np.testing.assert_array_equal(found.close, np.r_[other.close[:40], SERIES[0].close[40:60]])


async def test_a_repaired_bar_counts_and_not_the_one_that_was_built(tmp_path: Path) -> None:
    other = [walk("RELIANCE", days=1, seed=7)]
    async with Journal(tmp_path, run="T1", clock=ManualClock()) as journal:
        journal.append("run", RunRecord(run_id="T1", mode="paper", account="A1"), at=1)
        journal.append("universe", InstrumentList(instruments=INSTRUMENTS[:1]), at=1)
        for row in range(10):
            journal.append("close", close(row, SERIES[:1]), at=1)
        journal.append("repaired", close(4, other), at=1)

    with open_history(tmp_path, writes=True) as history:
        import_journal(journal.path, history)
        found = history.load_series(["RELIANCE"], MINUTE)["RELIANCE"]

    np.testing.assert_array_equal(found.close, np.r_[SERIES[0].close[:4], other[0].close[4], SERIES[0].close[5:10]])


async def test_a_long_journal_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_import, "MAX_HELD_BARS", 50)
    path = await record(tmp_path, "T1", range(200))

    with open_history(tmp_path, writes=True) as history:
        import_journal(path, history)

        np.testing.assert_array_equal(history.load_series(["TCS"], MINUTE)["TCS"].close, SERIES[1].close[:200])


async def test_a_journal_without_bars_and_none_at_all_are_refused(tmp_path: Path) -> None:
    path = await record(tmp_path, "T1", range(0))

    with open_history(tmp_path, writes=True) as history:
        with pytest.raises(DataError, match="the journal holds no bars"):
            import_journal(path, history)
        with pytest.raises(StateError, match="there is no journal"):
            import_journal(tmp_path / "none.sqlite3", history)
