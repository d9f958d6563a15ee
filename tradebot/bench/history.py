"""The benchmark of past bars: how fast many symbols are written and loaded into arrays, beside other stores."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from tradebot.bench.rivals import Cost, described
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import SERIES_COLUMNS, Ints, Series
from tradebot.history.database import PostgresDatabase
from tradebot.history.history import open_history

DISTINCT = 20  # series; the symbols share them, which changes no cost and saves memory
MOST_RIVAL_BARS = 5_000_000  # a rival's rate is per bar: it need not take minutes
MOST_ROW_BARS = 1_000_000  # nor what keeps a row a bar
OURS, OURS_ONE = "tradebot history", "tradebot history, one by one"
NPY, ROWS, PARQUET, DUCKDB = "npy files", "SQLite rows", "Parquet, duckdb", "DuckDB table"
POSTGRES, POSTGRES_ROWS = "tradebot history, PostgreSQL", "PostgreSQL rows"
BOUND = 25.0  # million bars a second


def measure(*, symbols: int, bars: int, dsn: str, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write and load `symbols` x `bars` minutes; rivals take as many of the symbols as their pace allows."""
    tables = [_table(n, bars) for n in range(min(DISTINCT, symbols))]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder), tables, symbols, clock)
        rivals: dict[str, Callable[[], dict[str, Any]]] = {
            OURS: bench.ours,
            OURS_ONE: bench.ours_one_by_one,
            NPY: bench.npy,
            ROWS: bench.sqlite_rows,
        }
        if find_spec("duckdb"):
            rivals |= {PARQUET: bench.parquet, DUCKDB: bench.duckdb}
        if dsn:
            rivals |= {POSTGRES: lambda: bench.postgres(dsn), POSTGRES_ROWS: lambda: bench.postgres_rows(dsn)}
        for name, run in rivals.items():
            progress(name)
            rows.append({"rival": name, **run()})
    return described({"symbols": symbols, "bars": bars}, rows, _advice(rows))


class _Bench:
    def __init__(self, folder: Path, tables: list[Ints], symbols: int, clock: Clock) -> None:
        self.folder, self.tables, self.symbols, self.clock = folder, tables, symbols, clock
        self.bars = tables[0].shape[1]

    def ours(self) -> dict[str, Any]:
        return self._history(self.folder / "ours", "", self.symbols)

    def postgres(self, dsn: str) -> dict[str, Any]:
        return self._history(self.folder, dsn, self._few(MOST_RIVAL_BARS))

    def _history(self, folder: Path, dsn: str, symbols: int) -> dict[str, Any]:
        names = [f"BENCH{n:05d}" for n in range(symbols)]
        opening = open_history(folder, dsn=dsn, writes=True, clock=self.clock)
        with self._timing() as wrote, opening as history, history.transaction():
            for n, name in enumerate(names):
                columns = dict(zip(SERIES_COLUMNS, self.tables[n % len(self.tables)], strict=True))
                series = Series(symbol=name, interval=MINUTE, **columns)
                history.put(Instrument(symbol=name), series, source="bench")
        with self._timing() as read, open_history(folder, dsn=dsn) as history:
            loaded = history.load(names, MINUTE)
        self._check(loaded[names[-1]].close, symbols - 1)
        size = None if dsn else sum(f.stat().st_size for f in folder.iterdir())
        if dsn:
            with open_history(folder, dsn=dsn, writes=True) as history, history.transaction():
                for name in names:
                    history.remove(name, MINUTE)
        return self._row(symbols, wrote[0], read[0], size, "all symbols held at once, their times shared")

    def ours_one_by_one(self) -> dict[str, Any]:
        with self._timing() as read, open_history(self.folder / "ours") as history:
            for n in range(self.symbols):
                series = history.load([f"BENCH{n:05d}"], MINUTE)
        self._check(next(iter(series.values())).close, self.symbols - 1)
        return self._row(self.symbols, None, read[0], None, "each symbol let go before the next")

    def npy(self) -> dict[str, Any]:
        symbols, folder = self._few(MOST_RIVAL_BARS), self.folder
        wrote = self._timed(lambda n: np.save(folder / f"{n}.npy", self.tables[n % len(self.tables)]), symbols)
        held: list[Ints] = []
        read = self._timed(lambda n: held.append(np.load(folder / f"{n}.npy")), symbols)
        self._check(held[-1][4], symbols - 1)
        size = sum(f.stat().st_size for f in folder.glob("*.npy"))
        return self._row(symbols, wrote, read, size, "a file a symbol, no time span, no update")

    def sqlite_rows(self) -> dict[str, Any]:
        symbols, path = self._few(MOST_ROW_BARS), self.folder / "rows.sqlite3"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(
            "CREATE TABLE bars (symbol INTEGER, ts INTEGER, o INTEGER, h INTEGER, l INTEGER, c INTEGER, v INTEGER,"
            " PRIMARY KEY (symbol, ts)) WITHOUT ROWID"
        )
        connection.execute("BEGIN")
        insert = "INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?)"
        wrote = self._timed(
            lambda n: connection.executemany(
                insert, [(n, *bar) for bar in self.tables[n % len(self.tables)].T.tolist()]
            ),
            symbols,
        )
        connection.execute("COMMIT")
        select = "SELECT ts, o, h, l, c, v FROM bars WHERE symbol = ? ORDER BY ts"
        held: list[Ints] = []
        read = self._timed(lambda n: held.append(np.array(connection.execute(select, (n,)).fetchall()).T), symbols)
        connection.close()
        self._check(held[-1][4], symbols - 1)
        return self._row(symbols, wrote, read, path.stat().st_size, "a row a bar")

    def parquet(self) -> dict[str, Any]:
        import duckdb

        symbols = self._few(MOST_RIVAL_BARS)
        with duckdb.connect() as connection:

            def write(n: int) -> None:
                connection.register("bars", self._columns(n))
                target = self.folder / f"{n}.parquet"
                connection.execute(f"COPY bars TO '{target}' (FORMAT parquet, COMPRESSION snappy)")

            wrote = self._timed(write, symbols)
            held: list[Mapping[str, Any]] = []
            read = self._timed(
                lambda n: held.append(
                    connection.execute(
                        "SELECT * FROM read_parquet(?)", [str(self.folder / f"{n}.parquet")]
                    ).fetchnumpy()
                ),
                symbols,
            )
        self._check(held[-1]["close"], symbols - 1)
        size = sum(f.stat().st_size for f in self.folder.glob("*.parquet"))
        return self._row(symbols, wrote, read, size, "a file a symbol, snappy")

    def duckdb(self) -> dict[str, Any]:
        import duckdb

        symbols, path = self._few(MOST_RIVAL_BARS), self.folder / "bars.duckdb"
        with duckdb.connect(str(path)) as connection:
            columns = ", ".join(f"{name} BIGINT" for name in SERIES_COLUMNS)
            connection.execute(f"CREATE TABLE bars (symbol INTEGER, {columns})")

            def write(n: int) -> None:
                connection.register("part", self._columns(n))
                connection.execute(f"INSERT INTO bars SELECT {n}, * FROM part")  # noqa: S608

            wrote = self._timed(write, symbols)
            connection.execute("CHECKPOINT")
            held: list[Mapping[str, Any]] = []
            select = "SELECT * EXCLUDE symbol FROM bars WHERE symbol = ? ORDER BY starts"
            read = self._timed(lambda n: held.append(connection.execute(select, [n]).fetchnumpy()), symbols)
        self._check(held[-1]["close"], symbols - 1)
        return self._row(symbols, wrote, read, path.stat().st_size, "one table, a query a symbol")

    def postgres_rows(self, dsn: str) -> dict[str, Any]:
        symbols, database = self._few(MOST_ROW_BARS), PostgresDatabase(dsn)
        try:
            columns = ", ".join(f"{name} bigint" for name in SERIES_COLUMNS)
            database.ask(f"CREATE TEMPORARY TABLE bench_rows (symbol int, {columns}, PRIMARY KEY (symbol, starts))")
            insert = "INSERT INTO bench_rows VALUES (?, ?, ?, ?, ?, ?, ?)"

            def write(n: int) -> None:
                database.repeat(insert, [(n, *bar) for bar in self.tables[n % len(self.tables)].T.tolist()])

            wrote = self._timed(write, symbols)
            select = f"SELECT {', '.join(SERIES_COLUMNS)} FROM bench_rows WHERE symbol = ? ORDER BY starts"  # noqa: S608
            held: list[Ints] = []
            read = self._timed(lambda n: held.append(np.array(database.ask(select, n)).T), symbols)
        finally:
            database.close()
        self._check(held[-1][4], symbols - 1)
        return self._row(symbols, wrote, read, None, "a row a bar, asyncpg; the server's processor is not in it")

    def _few(self, most: int) -> int:
        return max(1, min(int(self.symbols), most // int(self.bars)))

    def _columns(self, n: int) -> Any:
        import pandas as pd

        return pd.DataFrame(dict(zip(SERIES_COLUMNS, self.tables[n % len(self.tables)], strict=True)))

    def _timed(self, work: Callable[[int], Any], symbols: int) -> Cost:
        with self._timing() as spent:
            for n in range(symbols):
                work(n)
        return spent[0]

    @contextmanager
    def _timing(self) -> Iterator[list[Cost]]:
        spent: list[Cost] = []
        begin, cpu = self.clock.monotonic(), process_time()
        yield spent
        spent.append(Cost((self.clock.monotonic() - begin) / SECOND, process_time() - cpu))

    def _check(self, close: Any, n: int) -> None:
        assert (np.asarray(close) == self.tables[n % len(self.tables)][4]).all(), (
            "what was loaded is not what was written"
        )

    def _row(self, symbols: int, wrote: Cost | None, read: Cost, size: int | None, how: str) -> dict[str, Any]:
        bars = symbols * self.bars
        return {
            "symbols": symbols,
            "write_m_bars_s": None if wrote is None else round(bars / wrote.elapsed_s / 1e6, 2),
            "load_m_bars_s": round(bars / read.elapsed_s / 1e6, 2),
            "load_m_bars_cpu_s": round(bars / max(read.cpu_s, 1e-6) / 1e6, 2),
            "bytes_per_bar": None if size is None else round(size / bars, 1),
            "how": how,
        }


def _table(seed: int, bars: int) -> Ints:
    random, minutes = np.random.default_rng(seed), np.arange(bars)
    close = 140_000 + np.cumsum(random.integers(-30, 31, bars))
    open_ = close + random.integers(-10, 11, bars)
    starts = (1_546_400_700 + minutes // 375 * 86_400 + minutes % 375 * 60) * SECOND
    high, low = (
        np.maximum(open_, close) + random.integers(0, 9, bars),
        np.minimum(open_, close) - random.integers(0, 9, bars),
    )
    return np.stack([starts, open_, high, low, close, random.integers(0, 90_000, bars)])


def _advice(rows: list[dict[str, Any]]) -> list[str]:
    rates = {row["rival"]: row["load_m_bars_cpu_s"] for row in rows}
    ours = rates[OURS]
    verdict = "meets" if ours >= BOUND else "misses"
    lines = [f"{ours:.3g} million bars a second of processor into arrays; {verdict} the {BOUND:g} asked of it"]
    lines += [
        f"{ours / rates[name]:.2g} times as fast as {name}"
        for name in (PARQUET, DUCKDB, ROWS, POSTGRES_ROWS)
        if name in rates
    ]
    if NPY in rates:
        lines.append(f"npy files, which know neither spans nor updates, load {rates[NPY]:.3g} million")
    return lines
