"""The bars of a backtest on one timeline: which instrument has a bar when, and the prices of all of them then.

The timeline holds the start of every bar of any instrument once, ascending. `k` is an index into the timeline, `row` an
index into the bars of one instrument. The two are equal for an instrument that has a bar at every `k`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from tradebot.clock import DAY
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Floats, Ints
from tradebot.errors import DataError
from tradebot.history.interval import interval_name, shortest_step
from tradebot.markets.exchanges import INDIA, UTC_ZONE, zone_name_of
from tradebot.trading.desk.book.marks import Marks

MARKS_BLOCK = 8_192  # timeline indexes whose marks of all instruments are computed at once


class BarTable:
    """The series of the instruments, in their order. Raises DataError for bars that a backtest cannot use."""

    def __init__(self, instruments: Sequence[Instrument], series: Mapping[str, BarSeries], interval_ns: int) -> None:
        self.ids = {instrument.symbol: id_ for id_, instrument in enumerate(instruments)}
        self.series = [_checked(series, instrument.symbol, interval_ns) for instrument in instruments]
        starts = [s.starts for s in self.series]
        self.interval_ns = _length(interval_ns, instruments, starts)
        same = all(len(s) == len(starts[0]) and bool((s == starts[0]).all()) for s in starts[1:])
        self.starts: Ints = starts[0] if same else np.unique(np.concatenate(starts))
        # id -> timeline index of each row, None where row and index are equal
        self._places: list[Ints | None] = [
            None if len(s) == len(self.starts) else np.searchsorted(self.starts, s) for s in starts
        ]
        self.row_counts = [len(s) for s in starts]
        self.is_aligned = all(places is None for places in self._places)
        # Views of the same columns, to read single values: a view gives an int where an array gives a numpy object.
        self.start_view = self.starts.data
        self.open_views, self.high_views, self.low_views, self.close_views, self.volume_views = (
            [getattr(s, name).data for s in self.series] for name in ("open", "high", "low", "close", "volume")
        )
        self._block, self._marks = -1, np.zeros((3, 0, 0), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    def start_of(self, k: int) -> int:
        """Return the market ns at which the bars at timeline index `k` begin."""
        return self.start_view[k]

    def timeline_index(self, id_: int, row: int) -> int:
        """Return the timeline index of a row."""
        places = self._places[id_]
        return row if places is None else int(places[row])

    def row_at(self, id_: int, k: int) -> int | None:
        """Return the row of an instrument at timeline index `k`, None where it has no bar."""
        places = self._places[id_]
        if places is None:
            return k
        row = int(np.searchsorted(places, k))
        return row if row < len(places) and places[row] == k else None

    def first_row(self, id_: int, k: int) -> int:
        """Return the first row of an instrument at or after timeline index `k`."""
        places = self._places[id_]
        return k if places is None else int(np.searchsorted(places, k))

    def row_after(self, id_: int, at: int) -> int:
        """Return the first row of an instrument that starts at or after a market time (ns)."""
        return int(np.searchsorted(self.series[id_].starts, at))

    def marks_at(self, k: int) -> tuple[Ints, Ints, Ints]:
        """Return (open, close, end of the newest bar) of every instrument at timeline index `k`.

        Prices are in price units, 0 before the first bar. An instrument without a bar at `k` has its last close as both
        prices.
        """
        block = k // MARKS_BLOCK
        if block != self._block:
            self._lay_out(block)
        place = k - block * MARKS_BLOCK
        opens, closes, ends = self._marks
        return opens[place], closes[place], ends[place]

    def closes_between(self, begin: int, end: int) -> Floats:
        """Return the closes of every instrument from index `begin` to before `end`, shape (n, instruments).

        The result ends with the block that holds `begin`, so it may have fewer rows than requested.
        """
        if len(self.series) == 1:
            return self.series[0].close[begin:end, None].astype(np.float64)
        block = begin // MARKS_BLOCK
        if block != self._block:
            self._lay_out(block)
        first = block * MARKS_BLOCK
        return self._marks[1, begin - first : end - first].astype(np.float64)

    def opens_between(self, begin: int, end: int) -> Floats:
        """Return the opens of every instrument as `closes_between` does; the last close where one has no bar."""
        if len(self.series) == 1:
            return self.series[0].open[begin:end, None].astype(np.float64)
        self.closes_between(begin, end)
        first = begin // MARKS_BLOCK * MARKS_BLOCK
        return self._marks[0, begin - first : end - first].astype(np.float64)

    def mark_opens(self, k: int, marks: Marks, mono: int) -> None:
        """Mark every instrument with the open of its bar at index `k`, or its last close, seen at `mono` (ns)."""
        if len(self.series) == 1:
            marks.set_last_price(0, self.open_views[0][k], mono)
        else:
            marks.last[:] = self.marks_at(k)[0]
            marks.seen_at[:] = mono

    def mark_closes(self, k: int, marks: Marks) -> None:
        """Mark every instrument with its newest close at index `k`, as seen when that bar ended."""
        if len(self.series) == 1:
            marks.set_last_price(0, self.close_views[0][k], self.start_view[k] + self.interval_ns)
        else:
            _, marks.last[:], marks.seen_at[:] = self.marks_at(k)

    def close_extremes(self, ks: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the lowest and highest closes of the first instrument in the stretches that begin at `ks`."""
        close = self.series[0].close
        if not ks:
            return [], []
        return np.minimum.reduceat(close, ks).tolist(), np.maximum.reduceat(close, ks).tolist()

    def closes_from(self, id_: int, first: int) -> Ints:
        """Return the newest close of an instrument at every index from `first` on, 0 before its first bar."""
        places, close = self._places[id_], self.series[id_].close
        if places is None:
            return close[first:]
        rows = np.searchsorted(places, np.arange(first, len(self)), side="right") - 1
        return np.where(rows >= 0, close[np.maximum(rows, 0)], 0)

    def _lay_out(self, block: int) -> None:
        first = block * MARKS_BLOCK
        size = min(MARKS_BLOCK, len(self) - first)
        marks = np.zeros((3, size, len(self.series)), dtype=np.int64)  # opens, closes, ends
        for id_, (series, places) in enumerate(zip(self.series, self._places, strict=True)):
            ends = series.starts + self.interval_ns
            if places is None:
                rows: Ints = np.arange(first, first + size)
                filled_places: Ints | slice = slice(None)
                last_rows = rows
            else:
                rows = np.searchsorted(places, np.arange(first, first + size), side="right") - 1
                filled_places = np.flatnonzero(rows >= 0)
                last_rows = rows[filled_places]
            marks[1, filled_places, id_] = series.close[last_rows]
            marks[2, filled_places, id_] = ends[last_rows]
            # The open of a bar that begins at the index itself; without one, the last close from the line above stays.
            has_bar = marks[2, :, id_] == self.starts[first : first + size] + self.interval_ns
            marks[0, :, id_] = marks[1, :, id_]
            marks[0, has_bar, id_] = series.open[rows[has_bar]]
        self._block, self._marks = block, marks


def _length(interval: int, instruments: Sequence[Instrument], starts: Sequence[Ints]) -> int:
    # Where clocks go forward, one week lacks an hour. All bars then get that length, so that none ends after the next
    # has begun. The exchange decides it, not the bars alone, so that a part of the bars gets the same length.
    if interval < DAY:
        return interval
    has_summer = interval > DAY and any(zone_name_of(one.exchange) not in (INDIA, UTC_ZONE) for one in instruments)
    is_short = any(len(s) > 1 and int(np.diff(s).min()) < interval for s in starts)
    return shortest_step(interval) if has_summer or is_short else interval


def _checked(series: Mapping[str, BarSeries], symbol: str, interval: int) -> BarSeries:
    found = series.get(symbol)
    if found is None:
        raise DataError(f"there are no bars of {symbol}")
    # Bars that came over a network may be unaligned in memory: arrays work there, views of them do not.
    found = msgspec.structs.replace(
        found, **{n: np.require(getattr(found, n), np.int64, ["A", "C"]) for n in SERIES_COLUMNS}
    )
    if found.interval != interval:
        raise DataError(
            f"the bars of {symbol} are {interval_name(found.interval)} long, the backtest's {interval_name(interval)}"
        )
    steps = np.diff(found.starts)
    if len(steps) and steps.min() < shortest_step(interval):
        worst = int(steps.argmin())
        what = "stand twice" if steps[worst] == 0 else "are not in order" if steps[worst] < 0 else "overlap"
        raise DataError(f"bars {worst} and {worst + 1} of {symbol} {what}; run `tradebot data check`")
    prices = np.stack([found.open, found.high, found.low, found.close]) if len(found) else np.ones((4, 1))
    if prices.min() <= 0:
        raise DataError(f"{symbol} has a price of 0 or less in bar {int(prices.min(axis=0).argmin())}")
    if (prices[1] < prices.max(axis=0)).any() or (prices[2] > prices.min(axis=0)).any():
        bad = (prices[1] < prices.max(axis=0)) | (prices[2] > prices.min(axis=0))
        raise DataError(f"bar {int(bad.argmax())} of {symbol} has an open or close outside its low and high")
    return found
