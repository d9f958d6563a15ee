"""The recorded bars: closes as they were journaled, whole or of one symbol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BAR_COLUMNS, Bar, Close
from tradebot.errors import StateError
from tradebot.journal.reader import rows
from tradebot.journal.rows import Listing


def closes(
    path: Path, interval: int, *, symbol: str | None = None, since: int | None = None, run: str | None = None
) -> Iterator[tuple[Universe, Close]]:
    """Yield the closes of `interval` (ns) in the order they happened, each with the universe that its ids number.

    `symbol` leaves only that symbol's row, and out what has none; `since` is the earliest end in market ns.
    Raises StateError.
    """
    universe: Universe | None = None
    for row in rows(path, kinds=("universe", "close"), run=run):
        if row.kind == "close" and since is not None and row.at < since:
            continue
        message = row.message
        if isinstance(message, Listing):
            universe = Universe(message.instruments)
            continue
        assert isinstance(message, Close)
        if message.interval != interval:
            continue
        if universe is None:
            raise StateError(f"{path}: row {row.seq} is a close, but no universe says whose")
        found = message if symbol is None else _only(message, universe, symbol)
        if found is not None:
            yield universe, found


def bars(path: Path, symbol: str, interval: int, *, since: int | None = None, run: str | None = None) -> list[Bar]:
    """Return the bars of one symbol by start; of a bar recorded twice the later record counts. Raises StateError."""
    found: dict[int, Bar] = {}  # start -> Bar
    for universe, close in closes(path, interval, symbol=symbol, since=since, run=run):
        found[close.starts_at] = close.bar(0, universe)
    return [found[start] for start in sorted(found)]


def _only(close: Close, universe: Universe, symbol: str) -> Close | None:
    if symbol not in universe:
        return None
    row = int(np.searchsorted(close.ids, universe.id(symbol)))
    if row == len(close) or close.ids[row] != universe.id(symbol):
        return None
    return Close(
        interval=close.interval,
        ends_at=close.ends_at,
        seen_at=close.seen_at,
        quoted_at=close.quoted_at,
        **{name: getattr(close, name)[row : row + 1] for name in BAR_COLUMNS},
    )
