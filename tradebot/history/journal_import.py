"""Imports the bars that a daemon recorded in its journal into the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarBatch, BarSeries, Ints
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.history.merging import WriteCounts
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import InstrumentList, RunRecord, WarmupBars

MAX_HELD_BARS = 500_000  # so many bars are written before more are read; some 50 MB
Gathered = dict[str, list[tuple[int, ...]]]  # symbol -> rows of (start, open, high, low, close, volume)


class RunInstruments(NamedTuple):
    """The instruments of a run, symbol -> instrument in the order of their ids, and its venue."""

    instruments: dict[str, Instrument]
    venue: str


class RecordedSeries(NamedTuple):
    """The result of a journal's import for one series."""

    symbol: str
    interval: int
    counts: WriteCounts


def import_journal(
    path: Path, history: History, *, run: str | None = None, progress: Callable[[int], None] = lambda rows: None
) -> list[RecordedSeries]:
    """Write all recorded bars of a journal, or of one run, into the history; all or none.

    The warm-up bars of strategies are included, so that a backtest from the first recorded bar on decides as the run
    did. Of a bar that several runs recorded, or that one repaired, the latest record counts; a warm-up bar counts only
    without a record.
    `progress` gets the number of each row read. Raises StateError for a journal that cannot be read, DataError when it
    holds no bars.
    """
    done: dict[tuple[str, int], WriteCounts] = {}

    def put(instrument: Instrument, series: BarSeries, venue: str) -> None:
        key, source = (series.symbol, series.interval), f"journal {path.parent.name}"
        done[key] = done.get(key, WriteCounts(0, 0, 0)) + history.write_bars(
            instrument, series, source=source, venue=venue
        )

    with history.transaction():
        for instrument, past, venue in _warmups(path, run):
            put(instrument, past, venue)
        for listing, interval, gathered in _batches(path, run, progress):
            for symbol, bars in gathered.items():
                put(listing.instruments[symbol], _series(symbol, interval, bars), listing.venue)
        if not done:
            raise DataError(f"{path}: the journal{f' of run {run}' if run else ''} holds no bars")
    return [RecordedSeries(symbol, interval, put) for (symbol, interval), put in sorted(done.items())]


def _warmups(path: Path, run: str | None) -> Iterator[tuple[Instrument, BarSeries, str]]:
    instruments: dict[str, Instrument] = {}
    venue = ""
    for row in read_rows(path, kinds=("run", "universe", "warmup"), run=run):
        match row.message:
            case RunRecord():
                venue = row.message.venue
            case InstrumentList():
                instruments = {i.symbol: i for i in row.message.instruments}
            case WarmupBars():
                yield from ((instruments[past.symbol], past, venue) for past in row.message.series if len(past))


def _batches(
    path: Path, run: str | None, progress: Callable[[int], None]
) -> Iterator[tuple[RunInstruments, int, Gathered]]:
    venue, listed = "", RunInstruments({}, "")
    symbols: tuple[str, ...] = ()
    interval, count, gathered = 0, 0, Gathered()
    for row in read_rows(path, kinds=("run", "universe", "close", "repaired"), run=run):
        message = row.message
        if isinstance(message, InstrumentList) or (isinstance(message, BarBatch) and message.interval != interval):
            if gathered:
                yield listed, interval, gathered
            gathered, count = {}, 0
        match message:
            case RunRecord():
                venue = message.venue
            case InstrumentList():
                listed = RunInstruments({i.symbol: i for i in message.instruments}, venue)
                symbols = tuple(listed.instruments)
            case BarBatch():
                interval = message.interval
                for bar in _bars(message):
                    gathered.setdefault(symbols[bar[0]], []).append((message.starts_at, *bar[1:]))
                count += len(message)
        progress(row.seq)
        if count >= MAX_HELD_BARS:
            yield listed, interval, gathered
            gathered, count = {}, 0
    if gathered:
        yield listed, interval, gathered


def _bars(batch: BarBatch) -> list[tuple[int, ...]]:
    table: Ints = np.stack([batch.ids, *(getattr(batch, name) for name in SERIES_COLUMNS[1:])])
    return [tuple(bar) for bar in table.T.tolist()]


def _series(symbol: str, interval: int, bars: list[tuple[int, ...]]) -> BarSeries:
    latest = {bar[0]: bar for bar in bars}
    table = np.array([latest[start] for start in sorted(latest)], dtype=np.int64).T
    return BarSeries(symbol=symbol, interval=interval, **dict(zip(SERIES_COLUMNS, table, strict=True)))
