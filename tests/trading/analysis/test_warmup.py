"""What the analysis is fed of the past: the bars that a venue tells in time, and the closes of this run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.journal.rows import InstrumentList
from tradebot.journal.writer import Journal
from tradebot.trading.analysis.warmup import fetch_warmup_bars, load_journaled_closes

MINUTE, DAY = 60 * SECOND, 86_400 * SECOND
NOW = 20_000 * DAY
SYMBOLS = ("AAA", "BBB", "CCC")


class Archive:
    """A venue with 30 bars of each symbol; it loses the link at one of them and takes for ever at another."""

    def __init__(self, *, loses: str = "", hangs: str = "", refuses: Exception | None = None, odd: int = 0) -> None:
        self._loses, self._hangs, self._refuses, self._odd = loses, hangs, refuses, odd
        self.spans: set[tuple[int, int]] = set()

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        self.spans.add((start, end))
        if instrument.symbol == self._loses:
            raise LinkLost("cut")
        if instrument.symbol == self._hangs:
            raise TimeoutError  # as the time limit around it does
        if self._refuses is not None:
            raise self._refuses
        starts = NOW - np.arange(30, 0, -1, dtype=np.int64) * interval
        return BarSeries(
            symbol=instrument.symbol, interval=interval, starts=starts, unread_starts=starts[: self._odd],
            **dict.fromkeys(("open", "high", "low", "close", "volume"), np.arange(30)),
        )  # fmt: skip


async def asked(archive: Archive, count: int) -> tuple[list[BarSeries], list[str]]:
    told: list[str] = []
    universe = Universe([Instrument(symbol=symbol, token=i + 1) for i, symbol in enumerate(SYMBOLS)])
    found = await fetch_warmup_bars(
        archive, universe, bar_count=count, interval_ns=MINUTE, clock=ManualClock(NOW),  # type: ignore[arg-type]
        tell=lambda event: told.append(event.name),
    )  # fmt: skip
    return found, told


async def test_the_newest_bars_of_each_symbol_are_returned_and_nothing_is_asked_for_none() -> None:
    archive = Archive()
    found, told = await asked(archive, 10)
    assert [series.symbol for series in found] == list(SYMBOLS)
    assert [series.close.tolist() for series in found] == [list(range(20, 30))] * 3
    assert told == ["warmup_started", "warmup_completed"]
    assert await asked(archive, 0) == ([], [])


@pytest.mark.parametrize(("bars", "days"), [(10, 8), (300, 10), (3_000, 28)])
async def test_it_asks_for_twice_the_days_that_so_many_bars_take_and_six_more(bars: int, days: int) -> None:
    archive = Archive()
    await asked(archive, bars)
    assert archive.spans == {(NOW - days * DAY, NOW)}


async def test_a_symbol_that_cannot_be_had_is_told_and_the_others_come() -> None:
    found, told = await asked(Archive(loses="BBB"), 10)
    assert [series.symbol for series in found] == ["AAA", "CCC"]
    assert told == ["warmup_started", "warmup_bars_not_read", "warmup_completed"]


async def test_without_the_right_to_past_bars_the_strategies_start_cold_and_nothing_more_is_asked() -> None:
    archive = Archive(refuses=AccessDenied("Insufficient permission for that call."))
    assert await asked(archive, 10) == ([], ["warmup_started", "warmup_denied", "warmup_completed"])
    assert len(archive.spans) == 1


async def test_a_login_that_is_dead_is_no_cold_start() -> None:
    with pytest.raises(LoginLost):
        await asked(Archive(refuses=LoginLost("token")), 10)


async def test_odd_bars_are_told_and_the_others_warm_up() -> None:
    found, told = await asked(Archive(odd=1), 10)
    assert [len(series) for series in found] == [10, 10, 10]
    assert told.count("candles_not_read") == 3


async def test_what_came_until_the_time_was_over_is_used() -> None:
    found, told = await asked(Archive(hangs="BBB"), 10)
    assert [series.symbol for series in found] == ["AAA"]
    assert told[-1] == "warmup_completed"


async def test_a_runs_own_closes_come_back_oldest_first_those_still_on_their_way_to_the_disk_too(
    tmp_path: Path,
) -> None:
    def close(at: int) -> BarBatch:
        columns = {name: np.array([at]) for name in ("open", "high", "low", "close", "volume", "ticks")}
        return BarBatch(interval=MINUTE, ends_at=at, seen_at=0, quoted_at=0, ids=np.array([0]), **columns)

    for run, ends in (("r1", [1]), ("r2", [2, 3])):
        async with Journal(tmp_path, run=run, clock=ManualClock()) as journal:
            journal.append("universe", InstrumentList(instruments=(Instrument(symbol="AAA", token=1),)), at=0)
            for at in ends:
                journal.append("close", close(at), at=at)
            found = await load_journaled_closes(journal, run=run, interval_ns=MINUTE)
        assert [one.ends_at for one in found] == ends
