"""The recorded bars: batches of bars from the journal, for all symbols or for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BAR_COLUMNS, Bar, BarBatch
from tradebot.errors import StateError
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import InstrumentList


def read_bar_batches(
    path: Path,
    interval_ns: int,
    *,
    symbol: str | None = None,
    since: int | None = None,
    run: str | None = None,
    kinds: Sequence[str] = ("close",),
) -> Iterator[tuple[Universe, BarBatch]]:
    """Yield the batches of bars of `interval_ns` in the order of their rows, each with the universe of its ids.

    Of the kind `close` the oldest come first; `repaired` ones come after the closes that they repair. With `symbol` a
    batch has only the row of that symbol; batches without it are left out. `since` is the earliest end in market ns.
    Raises StateError.
    """
    universe: Universe | None = None
    for row in read_rows(path, kinds=("universe", *kinds), run=run):
        if row.kind in kinds and since is not None and row.at < since:
            continue
        message = row.message
        if isinstance(message, InstrumentList):
            universe = Universe(message.instruments)
            continue
        assert isinstance(message, BarBatch)
        if message.interval != interval_ns:
            continue
        if universe is None:
            raise StateError(f"{path}: row {row.seq} is a close, but no universe says whose")
        found = message if symbol is None else _only(message, universe, symbol)
        if found is not None:
            yield universe, found


def read_bars(
    path: Path, symbol: str, interval_ns: int, *, since: int | None = None, run: str | None = None
) -> list[Bar]:
    """Return the bars of one symbol, ordered by start; of a bar recorded twice the later one. Raises StateError."""
    found: dict[int, Bar] = {}  # start -> Bar
    kinds = ("close", "repaired")
    for universe, batch in read_bar_batches(path, interval_ns, symbol=symbol, since=since, run=run, kinds=kinds):
        found[batch.starts_at] = batch.bar_of_row(0, universe)
    return [found[start] for start in sorted(found)]


def _only(batch: BarBatch, universe: Universe, symbol: str) -> BarBatch | None:
    if symbol not in universe:
        return None
    row = int(np.searchsorted(batch.ids, universe.id_of(symbol)))
    if row == len(batch) or batch.ids[row] != universe.id_of(symbol):
        return None
    return BarBatch(
        interval=batch.interval,
        ends_at=batch.ends_at,
        seen_at=batch.seen_at,
        quoted_at=batch.quoted_at,
        **{name: getattr(batch, name)[row : row + 1] for name in BAR_COLUMNS},
    )
