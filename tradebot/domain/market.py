"""Market data: quotes and closed bars, as columns over instruments, so that the next stage works on arrays.

A column holds int64 in the instrument's own units (usually hundredths), so every price is exact. Only `to_floats()`
converts to the floating-point numbers of indicators.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.domain.instrument import Universe
from tradebot.domain.message import Message
from tradebot.domain.wire_names import renamed

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Quotes(Message, frozen=True, eq=False):
    """The quotes of one venue frame: row i is one update of instrument `ids[i]`, in arrival order, repeats allowed.

    All columns have shape (n,). `sent_at` is the venue's time of each row, ns UTC, 0 where the venue gave none;
    `seen_at` is our monotonic time of the frame, ns. `last`, `bid` and `ask` are price units, 0 where absent. `volume`
    is the day's cumulative volume; `bid_size` and `ask_size` are the sizes at the best level; all in quantity units.
    """

    source: str
    seen_at: int
    ids: Ints
    sent_at: Ints
    last: Ints
    volume: Ints
    bid: Ints
    ask: Ints
    bid_size: Ints
    ask_size: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def select_rows(self, rows: Any) -> Quotes:
        """Return the rows selected by a mask or index array, in the same order."""
        return Quotes(
            source=self.source,
            seen_at=self.seen_at,
            **{name: getattr(self, name)[rows] for name in QUOTE_COLUMNS},
        )


QUOTE_COLUMNS = ("ids", "sent_at", "last", "volume", "bid", "ask", "bid_size", "ask_size")


def concatenate_quotes(first: Quotes, *others: Quotes) -> Quotes:
    """Return the rows of all frames, in order, as one frame with the source and time of the first."""
    columns = {name: np.concatenate([getattr(q, name) for q in (first, *others)]) for name in QUOTE_COLUMNS}
    return Quotes(source=first.source, seen_at=first.seen_at, **columns)


def conflate_quotes(older: Quotes, newer: Quotes) -> Quotes:
    """Return the newest row per instrument of both frames, ordered by last update; conflates quotes under load."""
    columns = {name: np.concatenate([getattr(older, name), getattr(newer, name)]) for name in QUOTE_COLUMNS}
    ids = columns["ids"]
    _, from_end = np.unique(ids[::-1], return_index=True)
    keep = np.sort(len(ids) - 1 - from_end)
    return Quotes(source=newer.source, seen_at=newer.seen_at, **{name: c[keep] for name, c in columns.items()})


class Bar(NamedTuple):
    """One closed bar of one instrument, as given to `decide()`. `start` and `end` are market ns; prices are exact."""

    symbol: str
    start: int
    end: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class BarBatch(Message, frozen=True, eq=False):
    """All bars of one interval that closed at one instant.

    Row i is the bar of instrument `ids[i]`. Ids ascend, one row each; an instrument without a trade has no row. All
    rows share `ends_at`, the end of the bar in market ns, and `interval`, its length in ns. `seen_at` is our monotonic
    ns when the clock closed the bar, `quoted_at` the monotonic ns of the newest quote in it. Columns are in price and
    quantity units; `ticks` is the number of quotes.
    """

    interval: int
    ends_at: int
    seen_at: int
    quoted_at: int
    ids: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    ticks: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def starts_at(self) -> int:
        """Return the start of the bars in market ns."""
        return self.ends_at - self.interval

    def bar_of_row(self, row: int, universe: Universe) -> Bar:
        """Return one row as an exact `Bar`."""
        i = universe[int(self.ids[row])]
        return Bar(
            symbol=i.symbol,
            start=self.starts_at,
            end=self.ends_at,
            open=i.price_from_units(self.open[row]),
            high=i.price_from_units(self.high[row]),
            low=i.price_from_units(self.low[row]),
            close=i.price_from_units(self.close[row]),
            volume=i.quantity_from_units(self.volume[row]),
        )


def to_floats(columns: Sequence[Ints] | Ints, price_scale: Any, quantity_scale: Any) -> Floats:
    """Return open, high, low, close and volume, shape (5, n), converted from exact units to floats.

    History, live bars and data frames all use this division, so a strategy gets the same numbers from each.
    """
    found = np.empty((5, len(columns[0])))
    for row in range(4):
        np.divide(columns[row], price_scale, out=found[row])
    np.divide(columns[4], quantity_scale, out=found[4])
    return found


NO_STARTS: Ints = np.empty(0, dtype=np.int64)
NO_STARTS.flags.writeable = False


class BarSeries(Message, frozen=True, eq=False, rename=renamed("market.BarSeries")):
    """Past bars of one instrument, oldest first. `starts` is in market ns, the rest in units, all of shape (n,).

    `interval` is in ns. `unread_starts` are the starts of rows that could not be read and are missing here; 0 where
    the start could not be read either.
    """

    symbol: str
    interval: int
    starts: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    unread_starts: Ints = NO_STARTS

    def __len__(self) -> int:
        return len(self.starts)

    def select_bars(self, rows: slice | npt.NDArray[np.bool_] | Ints) -> BarSeries:
        """Return the bars at `rows`: a mask, indices, or a slice, which copies nothing."""
        columns = {name: getattr(self, name)[rows] for name in SERIES_COLUMNS}
        return BarSeries(symbol=self.symbol, interval=self.interval, unread_starts=self.unread_starts, **columns)


SERIES_COLUMNS = ("starts", "open", "high", "low", "close", "volume")
BAR_COLUMNS = ("ids", "open", "high", "low", "close", "volume", "ticks")
