"""Replays a recorded day, bad ticks included: the exchange's prices for real recorded ticks.

The bad ticks are the point: stamps of 1970, stamps that go back, duplicates, rows without volume and rows after the
close are sent as they were recorded, so that a reader must cope with them. Only *when* a row is sent is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tradebot.clock import DAY, MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Ints
from tradebot.errors import DataError
from tradebot.exchange.prices import hash_rng, tick_file
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
from tradebot.exchange.prices.block_stream import NEVER_AT, BlockStream, StepBlock, StreamedPrices
from tradebot.exchange.prices.depth import circuit_limits, invented_depth
from tradebot.exchange.prices.tick_file import TickFile
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS
from tradebot.markets.calendar import TradingCalendar, ist_date
from tradebot.markets.hours import closing_times
from tradebot.markets.listing import universe_for
from tradebot.markets.market import HOME_MARKET

BLOCK_ROWS = 8_192
AFTER_CLOSE_S = 60
PLAUSIBLE_FOR_NS = 2 * DAY  # recorders were left running into the next evening; a later stamp is broken
CIRCUIT_SHARE = 0.20  # of the first price; the file has no limits, and a wide band refuses nothing that the day allowed
BOOK_SHARE = 0.02  # of the last minute's volume, shown at the best level
LEAST_BOOK = 10
CHANNEL_BIDS, CHANNEL_ASKS = 41, 42


class MergedRows:
    """The rows of all files in order of time, with a cursor. A step is the rows of one second.

    `columns` have shape (rows,); rows of one second stay in the order in which they came.
    """

    def __init__(self, columns: dict[str, Ints]) -> None:
        order = np.argsort(columns["at"], kind="stable")
        self.columns = {name: column[order] for name, column in columns.items()}
        self._ats, begins = np.unique(self.columns["at"], return_index=True)
        self._begins = np.append(begins, len(order))
        self._taken = 0  # steps taken so far

    @property
    def next_at(self) -> int:
        """Return the time of the next step in ns, NEVER_AT without one."""
        return int(self._ats[self._taken]) if self._taken < len(self._ats) else NEVER_AT

    def take_steps(self) -> tuple[slice, list[int], Ints]:
        """Move past some steps; return their rows, the time of each in ns, and (one longer) where its rows begin."""
        begin = self._taken
        wanted = int(self._begins[begin]) + BLOCK_ROWS
        end = self._taken = max(begin + 1, int(np.searchsorted(self._begins, wanted, side="right")) - 1)
        rows = slice(int(self._begins[begin]), int(self._begins[end]))
        return rows, self._ats[begin:end].tolist(), self._begins[begin : end + 1] - rows.start


class RecordedTicks(StreamedPrices):
    """A `PriceSource` over tick files, one symbol each; see the module and `read_tick_file`.

    `symbols` picks and orders the instruments (None: all files by name). `date` is the session (None: the day that most
    rows are stamped with). Raises DataError for a file that is missing or malformed and for a day without a session.

    A row is sent at the running maximum of the plausible stamps of its file. A row whose own stamp is not plausible (of
    another day) is sent together with the row before it. Rows stamped after the close are squeezed into the minute
    after it: recorders wrote until the next evening, a run does not wait that long for stale rows, and a reader must
    still get them.

    The depth is invented: one tick wide around the last valid price. Real spreads are wider at times, so market orders
    pay too little here. Its sizes follow the traded volume, which is less than real books hold.
    """

    def __init__(
        self,
        paths: Path | list[Path],
        *,
        symbols: Iterable[str] | None = None,
        date: date | None = None,
        calendar: TradingCalendar | None = None,
    ) -> None:
        files = _choose(tick_file.find_tick_files(paths), symbols)
        ticks = [tick_file.read_tick_file(path) for path in files]
        day = date or _day_of(ticks)
        calendar = calendar or HOME_MARKET.calendar  # recordings are of symbols listed in that market
        session = calendar.session_on(day)
        if session is None:
            raise DataError(f"{files[0]}: the market was closed on {day}; name another day of the recording")
        first_paise = {t.symbol: int(t.prices[t.prices > 0][0]) for t in ticks if (t.prices > 0).any()}
        self.universe: Universe = universe_for([t.symbol for t in ticks], on=day, paise=first_paise)
        self.instrument_closes_at: Ints = closing_times(self.universe, day, calendar)
        self.opens_at, self.closes_at = session.opens_at, int(self.instrument_closes_at.max())
        self._tick: Ints = np.array([i.price_to_units(i.tick_size) for i in self.universe], dtype=np.int64)
        self._is_tradable = np.array([i.is_tradable for i in self.universe], dtype=bool)
        made = [self._columns(id_, t) for id_, t in enumerate(ticks)]
        self._bounds = np.cumsum([0, *(len(t.stamps) for t in ticks)])  # rows of each instrument before the merge
        columns = {name: np.concatenate([m[name] for m in made]) for name in made[0]}
        self._own_order = columns["at"], columns["sound"], columns["last"], columns["volume_so_far"]
        self._merged = MergedRows(columns)
        first = np.array([m["sound"][0] for m in made], dtype=np.int64)
        self.previous_close: Ints = first  # not in the file; the first price is the closest to it
        self.lower_circuit, self.upper_circuit = circuit_limits(self.universe, first, share=CIRCUIT_SHARE)
        self._keys = hash_rng.hash_keys("recorded", day, names=self.universe.symbols)
        self._stream = BlockStream(self._make, first_at=self._merged.next_at, opens_at=self.opens_at)

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        """Return complete bars of the valid rows of this day. Earlier days are not in the files.

        Raises ValueError for an interval that is neither whole minutes nor a day.
        """
        check_interval(interval_ns)
        bars = aggregate_bars(self._minutes(id_), opens_at=self.opens_at, interval_ns=interval_ns)
        bars = ended_bars(
            bars,
            interval_ns=interval_ns,
            until_at=self._stream.emitted_until_at,
            closes_at=int(self.instrument_closes_at[id_]),
        )
        return select_series(self.universe[id_].symbol, interval_ns, [bars], start_at=start_at, end_at=end_at)

    def _minutes(self, id_: int) -> BarColumns:
        rows = slice(self._bounds[id_], self._bounds[id_ + 1])
        at, sound, last, volume = (column[rows] for column in self._own_order)
        keep = (
            (last == sound)
            & (at >= self.opens_at)
            & (at < self.instrument_closes_at[id_])
            & (at <= self._stream.emitted_until_at)
        )
        at, last, volume = at[keep], last[keep], volume[keep]
        if len(at) == 0:
            return NO_BARS, NO_BARS, NO_BARS, NO_BARS, NO_BARS, NO_BARS
        starts = self.opens_at + (at - self.opens_at) // MINUTE * MINUTE
        first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
        final = np.append(first[1:], len(starts)) - 1
        high, low = np.maximum.reduceat(last, first), np.minimum.reduceat(last, first)
        return starts[first], last[first], high, low, last[final], np.diff(volume[final], prepend=0)

    def _columns(self, id_: int, t: TickFile) -> dict[str, Ints]:
        today = local_midnight(self.opens_at)
        plausible = (t.stamps >= today) & (t.stamps < today + PLAUSIBLE_FOR_NS)
        if not plausible.any():
            raise DataError(f"{t.path}: no row is stamped {ist_date(self.opens_at)}")
        at = self._times(t.stamps, plausible)
        # Valid rows move the price. The others are sent, too, but the invented depth does not follow them.
        newest = np.maximum.accumulate(np.where(plausible, t.stamps, 0))
        is_sound = plausible & (t.stamps == newest) & (t.prices > 0)
        sound = _carried(t.prices, is_sound)
        peak = np.maximum.accumulate(np.where(is_sound, t.volumes, 0))
        # The volume of the first row was traded before the recording began, so no order may share in it.
        traded = np.maximum(np.diff(peak, prepend=0), 0)
        traded[int((peak > 0).argmax())] = 0
        value = np.cumsum(traded * sound)
        high, low = np.maximum.accumulate(sound), np.minimum.accumulate(sound)
        shares = np.cumsum(traded)
        minute_before = np.searchsorted(at, at - MINUTE)
        recent = shares - shares[minute_before]
        average = np.where(shares > 0, (value + shares // 2) // np.maximum(shares, 1), sound)
        return {
            "at": at,
            "ids": np.full(len(at), id_, dtype=np.int64),
            "stamps": t.stamps,
            "last": t.prices,
            "last_quantity": _carried(traded, traded > 0),
            "average": average if self._is_tradable[id_] else np.zeros(len(at), dtype=np.int64),
            "volume": t.volumes,
            "traded": traded,
            "open": np.full(len(at), sound[0], dtype=np.int64),
            "high": high,
            "low": low,
            "sound": sound,
            "volume_so_far": peak,
            "recent": recent,
        }

    def _times(self, stamps: Ints, plausible: npt.NDArray[np.bool_]) -> Ints:
        late = plausible & (stamps > self.closes_at)
        at = np.where(plausible, np.maximum(stamps, self.opens_at), self.opens_at)
        count = int(late.sum())
        if count:
            at[late] = self.closes_at + (1 + np.arange(count) * (AFTER_CLOSE_S - 1) // count) * SECOND
        times: Ints = np.maximum.accumulate(at)
        return times // SECOND * SECOND

    def _make(self) -> tuple[StepBlock, int]:
        rows, ats, bounds = self._merged.take_steps()
        merged = self._merged.columns
        columns = {name: merged[name][rows] for name in SNAPSHOT_COLUMNS if name in merged}
        ids, sound, recent = columns["ids"], merged["sound"][rows], merged["recent"][rows]
        columns["previous_close"] = self.previous_close[ids]
        tick = self._tick[ids]
        best = sound // tick * tick
        counter = np.arange(rows.start, rows.stop, dtype=np.uint64)
        quantity = np.where(self._is_tradable[ids], np.maximum(recent * BOOK_SHARE, LEAST_BOOK), 0.0)
        columns |= invented_depth(
            bid=best,
            ask=best + tick,
            gap=tick,
            quantity=quantity,
            lower=self.lower_circuit[ids],
            upper=self.upper_circuit[ids],
            bid_bits=hash_rng.random_bits(self._keys[ids], counter, CHANNEL_BIDS),
            ask_bits=hash_rng.random_bits(self._keys[ids], counter, CHANNEL_ASKS),
        )
        return StepBlock(ats, bounds, columns), self._merged.next_at


def _choose(files: list[Path], symbols: Iterable[str] | None) -> list[Path]:
    by_symbol = {tick_file.symbol_of(path): path for path in files}
    if symbols is None:
        return list(by_symbol.values())
    wanted = list(symbols)
    if missing := [s for s in wanted if s not in by_symbol]:
        raise DataError(
            f"{files[0].parent}: no ticks of {', '.join(missing)}; there are {', '.join(sorted(by_symbol))}"
        )
    return [by_symbol[s] for s in wanted]


def _day_of(ticks: list[TickFile]) -> date:
    days, counts = np.unique(np.concatenate([(t.stamps + UTC_OFFSET_NS) // DAY for t in ticks]), return_counts=True)
    counts[days <= 0] = 0  # a recorder writes 1970 for "unknown"
    if not counts.any():
        raise DataError(f"{ticks[0].path}: no row carries a usable date")
    return ist_date(int(days[counts.argmax()]) * DAY - UTC_OFFSET_NS)


def _carried(values: Ints, fresh: npt.NDArray[np.bool_]) -> Ints:
    rows = np.where(fresh, np.arange(len(values)), 0)
    np.maximum.accumulate(rows, out=rows)
    carried: Ints = values[rows]
    carried[: int(fresh.argmax())] = values[int(fresh.argmax())]
    return carried
