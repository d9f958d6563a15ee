"""The history: stores bars of many symbols in chunks; imports and downloads write it, backtests and people read it.

    series (symbol, interval, instrument) ──▶ chunks, each some thousands of bars

Prices and volumes are integers in the units of the series' instrument, as everywhere in the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec
import numpy as np

from tradebot.clock import Clock, WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Ints
from tradebot.errors import DataError
from tradebot.history.catalog import SeriesCatalog, inventing_venue
from tradebot.history.chunk import (
    ChunkDecimals,
    StartsCache,
    chunk_periods,
    decode_chunks,
    encode_chunk,
    split_by_period,
)
from tradebot.history.database import FILE_NAME, Database, PostgresDatabase, SqliteDatabase
from tradebot.history.interval import interval_name
from tradebot.history.merging import WriteCounts, merge_bars, overlaps_newer
from tradebot.store import migration
from tradebot.store.store import AppliedMigration

PACKAGE = "tradebot.history"
PERIOD_BITS, PERIOD_ZERO = 24, 1 << 23
EARLIEST, LATEST = -(1 << 62), (1 << 62)  # ns: 1823 and 2116
CREATE_MIGRATIONS_TABLE = migration.REGISTER_SQL.replace("schema_migrations", "history_migrations")


class StoredSeries(NamedTuple):
    """One stored series; `first_at` and `last_at` are the starts (ns UTC) of its first and last bar."""

    symbol: str
    interval: int
    bars: int
    first_at: int
    last_at: int
    exchange: str
    source: str
    venue: str = ""  # the venue that invented the prices, "" for traded prices

    @property
    def full_name(self) -> str:
        """The name that means this series and no other of its interval."""
        return f"{self.venue or self.exchange}:{self.symbol}"


class History:
    """The series of bars in one database; a context manager that `open_history` opens.

    All calls raise what `open_history` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catalog = SeriesCatalog(database)
        self._starts_cache = StartsCache()

    @property
    def location(self) -> str:
        """Path or server of the database, without secrets."""
        return self._database.location

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # ---- reading

    def load_series(
        self, symbols: Sequence[str], interval: int, start_at: int | None = None, end_at: int | None = None
    ) -> dict[str, BarSeries]:
        """Return symbol -> its bars that start in [start_at, end_at) (ns UTC), in the order of `symbols`, oldest first.

        Prices and volumes are in the units of the instrument that `instrument_of(symbol, interval)` returns. Raises
        DataError that names the symbols without such bars.
        """
        since, until = EARLIEST if start_at is None else start_at, LATEST if end_at is None else end_at
        found = {symbol: self._read(symbol, interval, since, until) for symbol in symbols}
        self._refuse_missing([s for s, series in found.items() if series is None or not len(series)], interval)
        return {symbol: series for symbol, series in found.items() if series is not None}

    def instrument_of(self, symbol: str, interval: int) -> Instrument:
        """Return the instrument of a series. Raises DataError."""
        kept = self._catalog.find_series(symbol, interval)
        if kept is None:
            self._refuse_missing([symbol], interval)
            raise AssertionError("unreachable")
        return kept.instrument

    def universe_of(self, symbols: Sequence[str], interval: int) -> Universe:
        """Return the instruments of series, numbered in the order of `symbols`. Raises DataError."""
        return Universe(self.instrument_of(symbol, interval) for symbol in symbols)

    def list_series(self) -> list[StoredSeries]:
        """Return all stored series, sorted by symbol and interval."""
        found = self._database.fetch_rows(
            "SELECT symbol, bar_ns, n, first_at, last_at, exchange, source, venue FROM history_series JOIN"
            " (SELECT slot / 16777216 AS of, CAST(sum(bars) AS bigint) AS n, min(first_at) AS first_at,"
            "  max(last_at) AS last_at FROM history_chunks GROUP BY slot / 16777216) AS held ON series = held.of"
            " ORDER BY symbol, bar_ns, exchange, venue"
        )
        return [StoredSeries(*row) for row in found]

    def stored_intervals(self, symbol: str) -> list[int]:
        """Return the stored intervals (ns) of a symbol, ascending. Raises DataError for an ambiguous symbol."""
        return sorted(self._catalog.series_by_interval(symbol))

    def price_inventor(self, symbol: str, interval: int) -> str:
        """Return the venue that invented the prices of a series, "" for traded prices. Raises DataError."""
        self.instrument_of(symbol, interval)
        return self._catalog.series_by_interval(symbol)[interval].venue

    def bar_starts(self, symbol: str, interval: int) -> Ints:
        """Return the starts (ns UTC) of the bars of a series, ascending; empty when there is no such series."""
        series = self._read(symbol, interval, EARLIEST, LATEST)
        return np.empty(0, dtype=np.int64) if series is None else series.starts

    def requested_spans(self, instrument: Instrument, interval: int, *, venue: str = "") -> list[tuple[int, int]]:
        """Return the spans [since, until) (ns UTC) requested from a venue, ascending and disjoint."""
        kept = self._catalog.series_of(instrument, interval, inventing_venue(venue))
        if kept is None:
            return []
        query = "SELECT since, until FROM history_asked WHERE series = ? ORDER BY since"
        return [(since, until) for since, until in self._database.fetch_rows(query, kept.number)]

    # ---- writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside, or nothing when it raises; other writers wait."""
        with self._catalog.cache_transaction(), self._database.transaction():
            self._database.lock_writers()
            yield

    def write_bars(self, instrument: Instrument, series: BarSeries, *, source: str, venue: str = "") -> WriteCounts:
        """Write bars in `instrument`'s units, sorted by start, with distinct starts; call it inside `transaction`.

        A new bar replaces the stored bars that it overlaps in time. Stored bars keep their decimals. Prices that a
        `venue` invented are stored apart from traded ones.
        """
        assert len(series) == 0 or (np.diff(series.starts) > 0).all(), f"{series.symbol}: starts are not ascending"
        kept = self._catalog.add_series(instrument, series.interval, source, inventing_venue(venue))
        done, rows = WriteCounts(0, 0, 0), []
        slots = {(kept.number << PERIOD_BITS) + period + PERIOD_ZERO: bars for period, bars in split_by_period(series)}
        query = "SELECT slot, body FROM history_chunks WHERE slot BETWEEN ? AND ?"
        there = dict(self._database.fetch_rows(query, min(slots) - 1, max(slots) + 1)) if slots else {}
        finest = ChunkDecimals(kept.instrument.price_decimals, kept.instrument.quantity_decimals)
        for slot in there.keys() - slots.keys():  # the bar at the edge of a neighbouring period may overlap a new one
            rows += self._without_shared(slot, there[slot], series, finest)
        for slot, bars in slots.items():
            given = ChunkDecimals(instrument.price_decimals, instrument.quantity_decimals)
            whole, put = bars, WriteCounts(len(bars), 0, 0)
            if slot in there:
                whole, put = merge_bars(
                    np.stack(decode_chunks([there[slot]], finest)),
                    np.stack(decode_chunks([encode_chunk(bars, given)], finest)),
                    bars,
                )
                given = finest
            done += put
            if put.added or put.replaced:
                starts = whole.starts
                rows.append((slot, len(whole), int(starts[0]), int(starts[-1]), encode_chunk(whole, given)))
        self._database.execute_many(
            "INSERT INTO history_chunks VALUES (?, ?, ?, ?, ?) ON CONFLICT (slot) DO UPDATE SET bars = excluded.bars,"
            " first_at = excluded.first_at, last_at = excluded.last_at, body = excluded.body",
            rows,
        )
        return done

    def add_requested_span(
        self, instrument: Instrument, interval: int, since_at: int, until_at: int, *, source: str, venue: str = ""
    ) -> None:
        """Store that [since_at, until_at) (ns UTC) was requested from a venue; call it inside `transaction`."""
        kept = self._catalog.add_series(instrument, interval, source, inventing_venue(venue))
        spans = merge_spans([*self.requested_spans(instrument, interval, venue=venue), (since_at, until_at)])
        self._database.fetch_rows("DELETE FROM history_asked WHERE series = ?", kept.number)
        self._database.execute_many(
            "INSERT INTO history_asked VALUES (?, ?, ?)", [(kept.number, first, last) for first, last in spans]
        )

    def accept_jump(self, exchange: str, symbol: str, day: int) -> None:
        """Store that a jump on a day (counted from 1970-01-01) is accepted; call it inside `transaction`."""
        self._database.fetch_rows(
            "INSERT INTO history_accepted VALUES (?, ?, ?) ON CONFLICT DO NOTHING", exchange, symbol, day
        )

    def accepted_jumps(self) -> set[tuple[str, str, int]]:
        """Return the accepted jumps as (exchange, symbol, day counted from 1970-01-01)."""
        found = self._database.fetch_rows("SELECT exchange, symbol, day FROM history_accepted")
        return {(exchange, symbol, day) for exchange, symbol, day in found}

    def remove_series(self, symbol: str, interval: int) -> bool:
        """Remove a series; call it inside `transaction`. Returns False when there is no such series."""
        kept = self._catalog.find_series(symbol, interval)
        if kept is None:
            return False
        self._database.fetch_rows("DELETE FROM history_chunks WHERE slot BETWEEN ? AND ?", *_slots(kept.number))
        self._database.fetch_rows("DELETE FROM history_asked WHERE series = ?", kept.number)
        self._catalog.remove_entry(kept)
        return True

    def migrate(self, clock: Clock) -> None:
        """Bring the tables up to date. Raises StateError when a newer version wrote them."""
        if self._database.has_table("history_migrations") and not self._missing():
            return
        with self.transaction():
            self._database.fetch_rows(CREATE_MIGRATIONS_TABLE)
            for one in self._missing():
                self._database.execute_script(one.up_sql)
                values = (one.version, one.name, one.checksum, clock.wall_ns())
                self._database.fetch_rows("INSERT INTO history_migrations VALUES (?, ?, ?, ?)", *values)
            for number, body in self._database.fetch_rows(
                "SELECT series, instrument FROM history_series WHERE exchange = ''"
            ):
                exchange = msgspec.json.decode(body, type=Instrument).exchange
                self._database.fetch_rows("UPDATE history_series SET exchange = ? WHERE series = ?", exchange, number)

    def has_old_tables(self) -> bool:
        """Return whether an older version made the tables. Raises StateError when a newer one did."""
        return self._database.has_table("history_migrations") and bool(self._missing())

    # ---- private

    def _without_shared(
        self, slot: int, body: bytes, series: BarSeries, decimals: ChunkDecimals
    ) -> list[tuple[int, int, int, int, bytes]]:
        old = np.stack(decode_chunks([body], decimals))
        kept = old[:, ~overlaps_newer(old[0], series.starts, series.interval)]
        if kept.shape == old.shape or not kept.shape[1]:
            return []
        whole = BarSeries(
            symbol=series.symbol, interval=series.interval, **dict(zip(SERIES_COLUMNS, kept, strict=True))
        )
        return [(slot, len(whole), int(kept[0, 0]), int(kept[0, -1]), encode_chunk(whole, decimals))]

    def _missing(self) -> list[migration.Migration]:
        found = self._database.fetch_rows("SELECT version, name, checksum, applied_at FROM history_migrations")
        return migration.missing_migrations(
            migration.shipped_migrations(PACKAGE), [AppliedMigration(*row) for row in found], place=self.location
        )

    def _read(self, symbol: str, interval: int, since: int, until: int) -> BarSeries | None:
        kept = self._catalog.find_series(symbol, interval)
        if kept is None:
            return None
        first, last = _slots(kept.number)
        if since > EARLIEST:
            first = (kept.number << PERIOD_BITS) + PERIOD_ZERO + _period(since, interval)
        if until < LATEST:
            last = (kept.number << PERIOD_BITS) + PERIOD_ZERO + _period(until - 1, interval)
        query = "SELECT body FROM history_chunks WHERE slot BETWEEN ? AND ? ORDER BY slot"
        bodies = [body for (body,) in self._database.fetch_rows(query, first, last)]
        finest = ChunkDecimals(kept.instrument.price_decimals, kept.instrument.quantity_decimals)
        columns = dict(zip(SERIES_COLUMNS, decode_chunks(bodies, finest, self._starts_cache), strict=True))
        series = BarSeries(symbol=kept.instrument.symbol, interval=interval, **columns)
        begin, end = np.searchsorted(series.starts, (since, until)).tolist()
        return series if (begin, end) == (0, len(series)) else series.select_bars(slice(begin, end))

    def _refuse_missing(self, symbols: Sequence[str], interval: int) -> None:
        if not symbols:
            return
        has = sorted({interval for symbol in symbols for interval in self._catalog.series_by_interval(symbol)})
        there = f"; it has {', '.join(map(interval_name, has))}" if has else ""
        names = ", ".join(symbols[:5]) + (f" and {len(symbols) - 5} more" if len(symbols) > 5 else "")
        raise DataError(f"{self.location}: no {interval_name(interval)} bars of {names} in the asked span{there}")


def open_history(state_dir: Path, *, dsn: str = "", writes: bool = False, clock: Clock | None = None) -> History:
    """Open the history in a state directory, or behind a DSN; `writes` creates what does not exist.

    Raises DataError when there is no history to read, StateError when it cannot be used, LinkLost when no server
    answers.
    """
    history = _opened(Path(state_dir), dsn, writes=writes)
    try:
        if writes or dsn:
            history.migrate(clock or WallClock())
        elif history.has_old_tables():  # the first opener migrates the tables of an old file, even a reader
            history.close()
            history = _opened(Path(state_dir), dsn, writes=True)
            history.migrate(clock or WallClock())
    except BaseException:
        history.close()
        raise
    return history


def _opened(state_dir: Path, dsn: str, *, writes: bool) -> History:
    return History(PostgresDatabase(dsn) if dsn else SqliteDatabase(state_dir / FILE_NAME, writes=writes))


def merge_spans(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans [since, until) in ascending order, with touching and overlapping ones merged."""
    apart: list[tuple[int, int]] = []
    for since, until in sorted(spans):
        if apart and since <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], until)
        else:
            apart.append((since, until))
    return apart


def _slots(number: int) -> tuple[int, int]:
    return number << PERIOD_BITS, (number + 1 << PERIOD_BITS) - 1


def _period(at: int, interval: int) -> int:
    return int(chunk_periods(np.array([at], dtype=np.int64), interval)[0])
