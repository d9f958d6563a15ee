"""The bars that a daemon recorded in its journal, taken into the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import Close, Ints, Series
from tradebot.errors import DataError
from tradebot.history.history import History
from tradebot.history.merging import Put
from tradebot.journal.reader import rows
from tradebot.journal.rows import Listing

COLUMNS = ("open", "high", "low", "close", "volume")
HELD_BARS = 500_000  # written before more are read: some 50 MB
Gathered = dict[str, list[tuple[int, ...]]]  # symbol -> rows of (start, open, high, low, close, volume)


class Recorded(NamedTuple):
    """What a journal brought of one series."""

    symbol: str
    interval: int
    put: Put


def import_journal(
    path: Path, history: History, *, run: str | None = None, progress: Callable[[int], None] = lambda rows: None
) -> list[Recorded]:  # fmt: skip
    """Write every recorded bar of a journal, or of one run, into the history; all or none.

    Of a bar that two runs recorded the later record counts. Raises StateError for a journal that cannot be read,
    DataError when it holds no bars.
    """
    done: dict[tuple[str, int], Put] = {}
    with history.transaction():
        for instruments, interval, gathered in _batches(path, run, progress):
            for symbol, bars in gathered.items():
                key, put = (
                    (symbol, interval),
                    history.put(
                        instruments[symbol], _series(symbol, interval, bars), source=f"journal {path.parent.name}"
                    ),
                )
                done[key] = done.get(key, Put(0, 0, 0)) + put
        if not done:
            raise DataError(f"{path}: the journal{f' of run {run}' if run else ''} holds no bars")
    return [Recorded(symbol, interval, put) for (symbol, interval), put in sorted(done.items())]


def _batches(
    path: Path, run: str | None, progress: Callable[[int], None]
) -> Iterator[tuple[dict[str, Instrument], int, Gathered]]:
    instruments: tuple[Instrument, ...] = ()
    interval, count, gathered = 0, 0, Gathered()
    for row in rows(path, kinds=("universe", "close"), run=run):
        message = row.message
        if isinstance(message, Listing) or (isinstance(message, Close) and message.interval != interval):
            if gathered:
                yield {i.symbol: i for i in instruments}, interval, gathered
            gathered, count = {}, 0
        match message:
            case Listing():
                instruments = message.instruments
            case Close():
                interval = message.interval
                for bar in _bars(message):
                    gathered.setdefault(instruments[bar[0]].symbol, []).append((message.starts_at, *bar[1:]))
                count += len(message)
        progress(row.seq)
        if count >= HELD_BARS:
            yield {i.symbol: i for i in instruments}, interval, gathered
            gathered, count = {}, 0
    if gathered:
        yield {i.symbol: i for i in instruments}, interval, gathered


def _bars(close: Close) -> list[tuple[int, ...]]:
    table: Ints = np.stack([close.ids, *(getattr(close, name) for name in COLUMNS)])
    return [tuple(bar) for bar in table.T.tolist()]


def _series(symbol: str, interval: int, bars: list[tuple[int, ...]]) -> Series:
    latest = {bar[0]: bar for bar in bars}
    table = np.array([latest[start] for start in sorted(latest)], dtype=np.int64).T
    return Series(symbol=symbol, interval=interval, **dict(zip(("starts", *COLUMNS), table, strict=True)))
