"""Replays bars as four points each, open, one extreme, the other, close: the exchange's prices where no ticks exist."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from pathlib import Path
from typing import Literal

import numpy as np

from tradebot.clock import DAY, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Ints
from tradebot.errors import DataError
from tradebot.exchange.prices import bar_file, hash_rng
from tradebot.exchange.prices.bar_aggregation import (
    NO_BARS,
    UTC_OFFSET_NS,
    BarColumns,
    aggregate_bars,
    check_interval,
    ended_bars,
    local_midnight,
    select_series,
)
from tradebot.exchange.prices.bar_file import BarFile
from tradebot.exchange.prices.block_stream import NEVER_AT, BlockStream, StepBlock, StreamedPrices
from tradebot.exchange.prices.depth import circuit_limits, invented_depth
from tradebot.markets.calendar import TradingCalendar, ist_date
from tradebot.markets.hours import closing_times
from tradebot.markets.listing import universe_for
from tradebot.markets.market import HOME_MARKET

POINTS = 4
CIRCUIT_SHARE = 0.20  # a wide band around the previous close: the file has no limits
BOOK_SHARE = 0.02  # of the bar's volume, shown at the best level
LEAST_BOOK = 10
CHANNEL_BIDS, CHANNEL_ASKS = 51, 52


class RecordedBars(StreamedPrices):
    """A `PriceSource` over files of bars, symbol -> path.

    `date` is the session (None: the last day that every file reaches). Within a bar come the open at its start, the
    extremes at a third and two thirds, and the close in its last second, each with a quarter of the volume. `first`
    says which extreme comes first: "low" is the pessimistic order for a long position (the stop is met before the
    target) and errs in favour of a short one. The invented depth is one tick wide, which errs in favour of market
    orders. Bars before the session are the history.

    Raises DataError for a bad file, a day without bars or session, and for files of different intervals.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        date: date | None = None,
        zone: tzinfo = HOME_MARKET.tzinfo,
        first: Literal["low", "high"] = "low",
        calendar: TradingCalendar | None = None,
    ) -> None:
        files = [bar_file.read_bar_file(path, symbol=symbol, zone=zone) for symbol, path in paths.items()]
        if not files:
            raise DataError("no file of bars was given")
        day = date or min(ist_date(int(f.starts[-1])) for f in files)
        calendar = calendar or HOME_MARKET.calendar
        session = calendar.session_on(day)
        if session is None:
            raise DataError(f"{files[0].path}: the market was closed on {day}; name another day of the file")
        first_paise = {symbol: int(f.open[0]) for symbol, f in zip(paths, files, strict=True) if len(f.open)}
        self.universe: Universe = universe_for(paths, on=day, paise=first_paise)
        self.instrument_closes_at: Ints = closing_times(self.universe, day, calendar)
        self.opens_at, self.closes_at = session.opens_at, int(self.instrument_closes_at.max())
        self.interval_ns = _interval(files)
        self._files = files
        self._tick: Ints = np.array([i.price_to_units(i.tick_size) for i in self.universe], dtype=np.int64)
        self._is_tradable = np.array([i.is_tradable for i in self.universe], dtype=bool)
        begin = local_midnight(self.opens_at)
        # rows of each file that belong to the session
        self._spans = [slice(*np.searchsorted(f.starts, [begin, begin + DAY]).tolist()) for f in files]
        if empty := [f for f, span in zip(files, self._spans, strict=True) if span.start == span.stop]:
            raise DataError(f"{empty[0].path}: no bars on {day}; the file goes to {ist_date(int(empty[0].starts[-1]))}")
        self.previous_close: Ints = np.array(
            [
                f.close[span.start - 1] if span.start else f.open[span.start]
                for f, span in zip(files, self._spans, strict=True)
            ],
            dtype=np.int64,
        )
        self.lower_circuit, self.upper_circuit = circuit_limits(self.universe, self.previous_close, share=CIRCUIT_SHARE)
        whole_day = self._make(day, first)
        self._stream = BlockStream(lambda: (whole_day, NEVER_AT), first_at=whole_day.next_at, opens_at=self.opens_at)

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        """Return complete bars of the file; `interval_ns` is that of the file or a multiple of it within a day.

        Raises ValueError for an interval to which the file's bars cannot be aggregated.
        """
        check_interval(interval_ns)
        if interval_ns % self.interval_ns:
            raise ValueError(f"bars of {interval_ns} ns cannot be made of bars of {self.interval_ns} ns")
        f, span = self._files[id_], self._spans[id_]
        starts, closes_at = f.starts[: span.stop], int(self.instrument_closes_at[id_])
        parts: list[BarColumns] = []
        cuts = np.flatnonzero(np.diff((starts + UTC_OFFSET_NS) // DAY)) + 1
        for begin, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(starts)], strict=True):
            if starts[stop - 1] < local_midnight(start_at) or starts[begin] >= end_at:
                continue
            rows = slice(begin, stop)
            columns = (starts[rows], f.open[rows], f.high[rows], f.low[rows], f.close[rows], f.volume[rows])
            opens_at = self._opens_at(int(starts[begin]))
            folded = (
                aggregate_bars(columns, opens_at=opens_at, interval_ns=interval_ns)
                if interval_ns != self.interval_ns
                else columns
            )
            is_today = begin >= span.start
            parts.append(
                ended_bars(folded, interval_ns=interval_ns, until_at=self._stream.emitted_until_at, closes_at=closes_at)
                if is_today
                else folded
            )
        return select_series(f.symbol, interval_ns, parts or [(NO_BARS,) * 6], start_at=start_at, end_at=end_at)

    def _opens_at(self, at: int) -> int:
        return local_midnight(at) + (self.opens_at - local_midnight(self.opens_at))

    def _make(self, day: date, first: str) -> StepBlock:
        made = [self._points(id_, first) for id_ in range(len(self._files))]
        columns = {name: np.concatenate([m[name] for m in made]) for name in made[0]}
        order = np.argsort(columns["at"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        at, ids, last = columns.pop("at"), columns["ids"], columns["last"]
        best = last // self._tick[ids] * self._tick[ids]
        keys, counter = (
            hash_rng.hash_keys("bars", day, names=self.universe.symbols)[ids],
            columns["stamps"].astype(np.uint64),
        )
        quantity = np.maximum(columns.pop("bar_volume") * BOOK_SHARE, LEAST_BOOK)
        columns |= invented_depth(
            bid=best,
            ask=best + self._tick[ids],
            gap=self._tick[ids],
            quantity=np.where(self._is_tradable[ids], quantity, 0.0),
            lower=self.lower_circuit[ids],
            upper=self.upper_circuit[ids],
            bid_bits=hash_rng.random_bits(keys, counter, CHANNEL_BIDS),
            ask_bits=hash_rng.random_bits(keys, counter, CHANNEL_ASKS),
        )
        ats, begins = np.unique(at, return_index=True)
        return StepBlock(ats.tolist(), np.append(begins, len(at)), columns)

    def _points(self, id_: int, first: str) -> dict[str, Ints]:
        f, span = self._files[id_], self._spans[id_]
        starts, volume = f.starts[span], f.volume[span]
        length, closes_at = self.interval_ns, int(self.instrument_closes_at[id_])
        if length == DAY:  # a day's bar is stamped at midnight and covers the session
            starts, length = np.full(len(starts), self.opens_at), closes_at - self.opens_at
        ends = np.minimum(starts + length, np.maximum(closes_at, starts + SECOND))
        span_s = (ends - starts) // SECOND
        offsets = np.stack([0 * span_s, span_s // 3, 2 * span_s // 3, span_s - 1], axis=1) * SECOND
        extremes = (f.low, f.high) if first == "low" else (f.high, f.low)
        last = np.stack([c[span] for c in (f.open, *extremes, f.close)], axis=1).ravel()
        shares = np.stack(
            [volume // POINTS] * (POINTS - 1) + [volume - volume // POINTS * (POINTS - 1)], axis=1
        ).ravel()
        at = (starts[:, None] + offsets).ravel()
        n = len(at)
        total = np.cumsum(shares)
        return {
            "at": at,
            "ids": np.full(n, id_, dtype=np.int64),
            "stamps": at,
            "last": last,
            "last_quantity": shares,
            "average": np.where(total > 0, (np.cumsum(last * shares) + total // 2) // np.maximum(total, 1), last),
            "volume": total,
            "traded": shares,
            "open": np.full(n, last[0], dtype=np.int64),
            "high": np.maximum.accumulate(last),
            "low": np.minimum.accumulate(last),
            "previous_close": np.full(n, self.previous_close[id_], dtype=np.int64),
            "bar_volume": np.repeat(volume, POINTS),
        }


def _interval(files: list[BarFile]) -> int:
    found = {}
    for f in files:
        steps = np.diff(f.starts)
        found[f.symbol] = min(int(steps.min()), DAY) if len(steps) else DAY
    if len(set(found.values())) > 1:
        words = ", ".join(f"{symbol} {ns // SECOND} s" for symbol, ns in found.items())
        raise DataError(f"the files have bars of different lengths: {words}; expected one")
    interval = next(iter(found.values()))
    try:
        check_interval(interval)
    except ValueError as error:
        raise DataError(f"{files[0].path}: {error}") from error
    return interval
