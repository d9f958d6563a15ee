"""Collects the rows of an import in an unnamed scratch file, so that memory stays bounded.

Rows arrive in any order, with symbols mixed. They leave as sorted and checked chunks of one symbol.
"""

from __future__ import annotations

import math
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec
import numpy as np

from tradebot.clock import format_iso
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Floats, Ints
from tradebot.errors import DataError, StateError
from tradebot.history.bar_lengths import first_of_other_length, is_last_running, starts_from_ends
from tradebot.history.chunk import chunk_periods
from tradebot.history.decimals import (
    EXACT_FLOAT_LIMIT,
    MAX_DECIMALS,
    common_price_step,
    decimals_of,
    month_closes,
    noisy_decimals_of,
)
from tradebot.history.exchange_calendar import load_zone, zone_of
from tradebot.history.files.rows import END_OF_TIME_NS, ParsedRows
from tradebot.history.held_rows import MAX_HELD_ROWS, HeldRows, common_spacing
from tradebot.history.interval import interval_name, shortest_step
from tradebot.history.resample import align_to_calendar

MAX_PERIOD_ROWS = 400_000  # for one symbol and period, which are sorted at once; a period has some thousand bars
MAX_SYMBOLS = 50_000  # for one import; each takes about a kilobyte of memory, and India has 6,000 shares
MIN_SURE_BARS = 20  # so many bars on a longer step have that length; fewer may be there by chance


class StagedSymbol(NamedTuple):
    """What an import knows about the rows of one symbol."""

    bars: int
    price_decimals: int  # that its prices need
    quantity_decimals: int  # that its volumes need
    unsorted: int  # rows that came after later ones
    newest_at: int = 0  # the latest start, ns UTC
    month_close: float = 0.0  # the last close of the month before `newest_at`
    price_step: int = 0  # hundredths that divide all prices, 0 without prices


class StagingOptions(NamedTuple):
    """How an import treats rows."""

    exchange: str = HOME_EXCHANGE
    are_end_stamps: bool = False  # times are the ends of bars
    keep: str = ""  # which of two differing bars of one start to keep: first, last, "" refuses them
    now_at: int = END_OF_TIME_NS  # ns UTC; a last bar still running then is left out


class Staging:
    """The scratch file of one import; a context manager.

    `interval` is in ns; 0 finds it out from the first rows. `lone_interval` (ns) is the interval of a single bar, which
    does not show it; 0 refuses single bars.
    """

    def __init__(
        self,
        folder: Path,
        *,
        interval: int,
        price_decimals: int | None = None,
        lone_interval: int = 0,
        options: StagingOptions = StagingOptions(),
    ) -> None:
        self.interval, self._options = interval, options
        self._is_asked = bool(interval)
        self.duplicates = 0  # rows that repeat an earlier one exactly
        self.notes: dict[str, int] = {}  # what was done to rows -> number of rows
        self._decimals = price_decimals
        self._folder = folder
        with self._named(), tempfile.TemporaryDirectory(prefix="import-", dir=folder) as place:
            # The name is removed before the first row. The system then frees the space however this process ends.
            self._connection = sqlite3.connect(Path(place) / "rows.sqlite3", isolation_level=None)
            self._connection.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=32768; PRAGMA cache_size=-16000;"
                "CREATE TABLE parts (seq INTEGER PRIMARY KEY, symbol TEXT, period INTEGER, place TEXT, body BLOB);"
            )
        self._staged: dict[str, StagedSymbol] = {}
        self._held: dict[tuple[str, int], int] = {}  # symbol, period -> its rows so far
        self._last: dict[str, int] = {}  # symbol -> its newest start so far
        self._closes: dict[str, dict[int, tuple[int, float]]] = {}  # symbol -> its last closes of the newest two months
        self._steps: dict[str, int] = {}  # symbol -> greatest common divisor of its steps, until it is one bar
        # Holds the rows while the interval is not known.
        self._held_rows = HeldRows(options.exchange, lone_interval=lone_interval)

    def __enter__(self) -> Staging:
        self._connection.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add_rows(self, rows: ParsedRows, place: str) -> None:
        """Add rows of a file; `place` names the file in errors. Raises DataError."""
        if not len(rows.starts):
            return
        if not self.interval:
            self.interval = common_spacing(rows)
        if not self.interval:
            self._held_rows.hold_rows(rows, place)
            if len(self._held_rows) > MAX_HELD_ROWS:
                self._keep_lone()
            return
        self._keep_waiting()
        self._keep(rows, place)

    def row_notes(self) -> list[str]:
        """Return what was done to rows and how many, a sentence each."""
        return [f"{what}: {count}" for what, count in self.notes.items()]

    def staged_symbols(self) -> dict[str, StagedSymbol]:
        """Return symbol -> what is known about its rows, sorted by symbol.

        Raises DataError without any bar, for a single bar of unknown length, and for a symbol with longer bars than the
        others.
        """
        if len(self._held_rows):
            self._keep_lone()
        if not self._staged:
            raise DataError("no bars were found")
        for symbol, step in self._steps.items():
            if step > self.interval and self._staged[symbol].bars >= MIN_SURE_BARS:
                other = "and --interval says" if self._is_asked else "those of others"
                raise DataError(
                    f"the bars of {symbol} are {interval_name(step)} apart, {other} {interval_name(self.interval)};"
                    " take bars of one length at a time"
                )
        with self._named():
            self._connection.execute("CREATE INDEX by_symbol ON parts (symbol, period)")
        return dict(sorted(self._staged.items()))

    def sorted_chunks(self, instrument: Instrument) -> Iterator[BarSeries]:
        """Yield the bars of one symbol in its instrument's units, sorted by start, one period at a time.

        Raises DataError for differing bars with one start, bars closer together than the interval, and longer bars.
        """
        found = self._connection.execute(
            "SELECT DISTINCT period FROM parts WHERE symbol = ? ORDER BY period", (instrument.symbol,)
        ).fetchall()
        before = None
        for number, (period,) in enumerate(found, 1):
            series, place = self._whole(instrument, period)
            starts = align_to_calendar(series.starts, self.interval, instrument.exchange)
            series = msgspec.structs.replace(series, starts=starts)
            if number == len(found):
                series = self._without_running(series, before)
            self._refuse_other_lengths(series, before, place)
            before = int(series.starts[-1]) if len(series) else before
            yield series

    def _refuse_other_lengths(self, series: BarSeries, before: int | None, place: str) -> None:
        edges = series.starts if before is None else np.concatenate([[before], series.starts])
        if (close := np.flatnonzero(np.diff(edges) < shortest_step(self.interval))).size:
            raise DataError(
                f"{place}: the bar of {series.symbol} at {self._shown(int(edges[close[0] + 1]))} starts before the"
                f" {interval_name(self.interval)} of the bar before are over; is the interval right (--interval)?"
            )
        other = first_of_other_length(series.starts, self.interval, self._options.exchange)
        if other is not None:
            at, length = other
            raise DataError(
                f"{place}: the bars of {series.symbol} from {self._shown(at)} on are {interval_name(length)} apart,"
                " others"
                f" {interval_name(self.interval)}; take bars of one length at a time"
            )

    def _without_running(self, series: BarSeries, before: int | None) -> BarSeries:
        # Data fetched in the middle of a bar ends with the unfinished bar, often stamped with the time of the fetch.
        edges = series.starts[-2:] if before is None else np.concatenate([[before], series.starts])[-2:]
        are_close = len(series) > 2 and bool((np.diff(series.starts[:-1]) < shortest_step(self.interval)).any())
        reading = self._options
        if not are_close and is_last_running(edges, self.interval, reading.exchange, reading.now_at):
            words = f"last bars that were still running, left out (the first at {self._shown(int(series.starts[-1]))})"
            self._count(words, 1)
            return series.select_bars(slice(0, len(series) - 1))
        return series

    def _shown(self, at: int) -> str:
        return format_iso(at, load_zone(zone_of(self._options.exchange))).replace(".000000", "")

    def _count(self, what: str, times: int) -> None:
        self.notes[what] = self.notes.get(what, 0) + times

    def _keep_lone(self) -> None:
        self.interval = self._held_rows.lone_bar_interval()
        self._keep_waiting()

    def _keep_waiting(self) -> None:
        for rows, place in self._held_rows.release_rows():
            self._keep(rows, place)
        self.duplicates, self._held_rows.duplicates = self.duplicates + self._held_rows.duplicates, 0

    def _keep(self, rows: ParsedRows, place: str) -> None:
        if self._options.are_end_stamps:
            rows = rows._replace(starts=starts_from_ends(rows.starts, self.interval, self._options.exchange))
        # A week is one bar, stamped with its Monday or its Friday.
        rows = rows._replace(starts=align_to_calendar(rows.starts, self.interval, self._options.exchange))
        names, inverse = np.unique(rows.symbols.astype(str), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        for number, group in enumerate(np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)):
            self._keep_symbol(str(names[number]), rows.starts[group], rows.values[:, group], place)

    def _keep_symbol(self, symbol: str, starts: Ints, values: Floats, place: str) -> None:
        self._note(symbol, starts, values, place)  # before duplicates go: a duplicate may be out of order too
        starts, values = self._without_repeats(starts, values)
        numbers = chunk_periods(starts, self.interval)
        order = np.argsort(numbers, kind="stable")
        edges = np.flatnonzero(np.diff(numbers[order])) + 1
        parts = []
        for group in np.split(order, edges):
            one = (symbol, int(numbers[group[0]]))
            self._held[one] = self._held.get(one, 0) + len(group)
            if self._held[one] > MAX_PERIOD_ROWS:
                raise DataError(
                    f"{place}: more than {MAX_PERIOD_ROWS} rows are of the same bars of {symbol}, near"
                    f" {self._shown(int(starts[group[0]]))}; take one source of them at a time"
                )
            body = starts[group].tobytes() + np.ascontiguousarray(values[:, group]).tobytes()
            parts.append((*one, place, body))
        with self._named():
            self._connection.executemany("INSERT INTO parts (symbol, period, place, body) VALUES (?, ?, ?, ?)", parts)

    def _without_repeats(self, starts: Ints, values: Floats) -> tuple[Ints, Floats]:
        # Drops rows equal to the row before with the same start. The first and the last row of a start stay so.
        if (np.diff(starts) > 0).all():
            return starts, values
        order = np.argsort(starts, kind="stable")
        is_again = (np.diff(starts[order]) == 0) & (np.diff(values[:, order]) == 0).all(axis=0)
        self.duplicates += int(is_again.sum())
        kept = np.sort(order[np.append(True, ~is_again)])
        return starts[kept], values[:, kept]

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self._folder}: the rows of an import cannot be kept there: {error}") from error

    def _note(self, symbol: str, starts: Ints, values: Floats, place: str) -> None:
        before = self._staged.get(symbol, StagedSymbol(0, 0, 0, 0))
        if not before.bars and len(self._staged) >= MAX_SYMBOLS:
            raise DataError(
                f"{place}: more than {MAX_SYMBOLS} different symbols; import so many at a time, or name one with"
                " --symbol"
            )
        edges = np.concatenate([[self._last.get(symbol, starts[0])], starts])
        self._last[symbol] = int(edges.max())
        step = self._steps.get(symbol, 0)
        if step == 0 or step > self.interval:
            self._steps[symbol] = math.gcd(step, int(np.gcd.reduce(np.diff(edges))))
        closes = month_closes(self._closes.get(symbol, {}), starts, values[3])
        self._closes[symbol] = closes
        self._staged[symbol] = StagedSymbol(
            before.bars + len(starts),
            max(before.price_decimals, self._price_decimals(symbol, values[:4])),
            max(before.quantity_decimals, self._quantity_decimals(values[4])),
            before.unsorted + int((np.diff(edges) < 0).sum()),
            self._last[symbol],
            closes[min(closes)][1],
            common_price_step(values[:4], before.price_step),
        )

    def _quantity_decimals(self, volumes: Floats) -> int:
        # A volume is not money. It is rounded to eight decimals, or to fewer for large ones.
        found = decimals_of(volumes)
        if found is not None:
            return found
        largest = float(volumes.max(initial=1.0))
        return next(d for d in range(MAX_DECIMALS, -1, -1) if d == 0 or largest * 10.0**d < EXACT_FLOAT_LIMIT)

    def _price_decimals(self, symbol: str, prices: Floats) -> int:
        if self._decimals is not None:
            return self._decimals
        found = decimals_of(prices)
        if found is None and (found := noisy_decimals_of(prices)) is not None:
            self._count(
                f"prices of {symbol} that are off by the noise of floats, rounded to {found} decimals", prices.size
            )
        if found is None:
            raise DataError(
                f"prices of {symbol} have more than {MAX_DECIMALS} decimals, such as {float(prices.flat[0])!r};"
                " --decimals 2 rounds them to so many"
            )
        return found

    def _whole(self, instrument: Instrument, period: int) -> tuple[BarSeries, str]:
        parts = self._connection.execute(
            "SELECT body, place FROM parts WHERE symbol = ? AND period = ? ORDER BY seq", (instrument.symbol, period)
        ).fetchall()
        tables = [np.frombuffer(body, dtype=np.float64).reshape(6, -1) for body, _ in parts]
        starts = np.concatenate([table[0].view(np.int64) for table in tables])
        values = np.concatenate([table[1:] for table in tables], axis=1)
        prices = np.rint(values[:4] * 10**instrument.price_decimals).astype(np.int64)
        volume = np.rint(values[4:] * 10**instrument.quantity_decimals).astype(np.int64)
        order = np.argsort(starts, kind="stable")
        table = np.vstack([starts, prices, volume])[:, order]
        is_again = np.append(False, np.diff(table[0]) == 0)
        if is_again.any():
            table = self._once(table, np.flatnonzero(is_again), instrument.symbol, parts[0][1])
        columns = dict(zip(SERIES_COLUMNS, table, strict=True))
        return BarSeries(symbol=instrument.symbol, interval=self.interval, **columns), parts[0][1]

    def _once(self, table: Ints, again: Ints, symbol: str, place: str) -> Ints:
        differing = again[(table[:, again] != table[:, again - 1]).any(axis=0)]
        if differing.size and not self._options.keep:
            at = self._shown(int(table[0, differing[0]]))
            raise DataError(
                f"{place}: two bars of {symbol} start at {at} and differ; choose one with --keep last or --keep first"
            )
        if differing.size:
            self._count(f"bars that differ from one of the same start, the {self._options.keep} kept", len(differing))
        self.duplicates += len(again) - len(differing)
        is_kept = np.ones(table.shape[1], dtype=bool)
        is_kept[again - 1 if self._options.keep == "last" else again] = False
        return table[:, is_kept]
