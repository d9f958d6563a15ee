"""The warm-up bars and recorded bars of an earlier run of the day, which need not be fetched from the venue again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import SERIES_COLUMNS, BarBatch, BarSeries, Ints
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import InstrumentList, RunRecord, SymbolsHeld, WarmupBars


def read_warmup_bars(
    path: Path,
    run: str,
    universe: Universe,
    *,
    venue: str,
    interval_ns: int,
    count: int,
    last_end: Callable[[int], int],
    now: int,
) -> list[BarSeries]:
    """Return the newest `count` bars of `interval_ns` of each symbol whose bars the journal has without a gap to `now`.

    `last_end(at)` returns the end of the last complete bar before a market time (ns). A run of another day's session,
    venue or interval, or a run that ended more than a bar ago, has no usable bars. A symbol whose bars were still being
    repaired when the run ended has a hole in them. Raises StateError.
    """
    listed: dict[str, int] = {}  # symbol of an unchanged instrument -> its id in that run
    past: dict[str, BarSeries] = {}
    batches: list[BarBatch] = []
    covered, held = 0, frozenset[str]()
    for row in read_rows(path, kinds=("run", "universe", "warmup", "close", "repaired", "held"), run=run):
        match row.message:
            case RunRecord():
                if row.message.venue != venue:
                    return []
                covered = last_end(row.at)
            case InstrumentList():
                for id_, instrument in enumerate(row.message.instruments):
                    if instrument.symbol in universe and universe.instrument_of(instrument.symbol) == instrument:
                        listed[instrument.symbol] = id_
            case SymbolsHeld():
                held = frozenset(row.message.symbols)
            case WarmupBars():
                past |= {series.symbol: series for series in row.message.series if series.interval == interval_ns}
            case BarBatch():
                if row.message.interval == interval_ns:
                    batches.append(row.message)  # a repaired one comes after the one that it repairs
                    covered = max(covered, row.message.ends_at)
    if covered < last_end(now):
        return []
    usable = past.keys() - held
    found = {symbol: _joined(past[symbol], id_, batches) for symbol, id_ in listed.items() if symbol in usable}
    return [series.select_bars(slice(-count, None)) for series in found.values() if len(series) >= count]


def _joined(past: BarSeries, id_: int, batches: list[BarBatch]) -> BarSeries:
    # The warm-up bars of an instrument, and after them its bars in the batches.
    bars: dict[int, tuple[int, ...]] = {}  # start -> bar; of two the later row
    for batch in batches:
        at = int(np.searchsorted(batch.ids, id_))
        if at < len(batch) and batch.ids[at] == id_ and not (len(past) and batch.starts_at <= past.starts[-1]):
            values = (int(getattr(batch, name)[at]) for name in SERIES_COLUMNS[1:])
            bars[batch.starts_at] = (batch.starts_at, *values)
    if not bars:
        return past
    table: Ints = np.array([bars[start] for start in sorted(bars)], dtype=np.int64).T
    columns = {
        name: np.concatenate([getattr(past, name), more]) for name, more in zip(SERIES_COLUMNS, table, strict=True)
    }
    return BarSeries(symbol=past.symbol, interval=past.interval, **columns)
