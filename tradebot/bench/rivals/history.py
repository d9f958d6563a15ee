"""The rivals in storing past bars: numpy files, SQL rows, Parquet, DuckDB. Each function returns a result row."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from tradebot.bench.data.trial import StoreTrial
from tradebot.domain.market import SERIES_COLUMNS
from tradebot.history.database import PostgresDatabase

MOST_RIVAL_BARS = 5_000_000  # a rival's rate is per bar, so fewer bars are enough
MOST_ROW_BARS = 1_000_000  # for stores with an SQL row per bar


def measure_npy(trial: StoreTrial) -> dict[str, Any]:
    """Measure one numpy file per symbol, written and loaded."""
    symbols, folder = trial.symbols_within(MOST_RIVAL_BARS), trial.folder
    wrote = trial.timed_loop(lambda n: np.save(folder / f"{n}.npy", trial.symbol_bars(n)), symbols)
    read = trial.timed_load(lambda n: np.load(folder / f"{n}.npy"), symbols)
    size = sum(f.stat().st_size for f in folder.glob("*.npy"))
    return trial.result_row(symbols, wrote, read, size, "a file a symbol, no time span, no update")


def measure_sqlite_rows(trial: StoreTrial) -> dict[str, Any]:
    """Measure a row per bar in SQLite, written and loaded into arrays."""
    symbols, path = trial.symbols_within(MOST_ROW_BARS), trial.folder / "rows.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TABLE bars (symbol INTEGER, ts INTEGER, o INTEGER, h INTEGER, l INTEGER, c INTEGER, v INTEGER,"
        " PRIMARY KEY (symbol, ts)) WITHOUT ROWID"
    )
    insert = "INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?)"
    select = "SELECT ts, o, h, l, c, v FROM bars WHERE symbol = ? ORDER BY ts"
    connection.execute("BEGIN")
    wrote = trial.timed_loop(lambda n: connection.executemany(insert, _rows(trial, n)), symbols)
    connection.execute("COMMIT")
    read = trial.timed_load(lambda n: np.array(connection.execute(select, (n,)).fetchall()).T, symbols)
    connection.close()
    return trial.result_row(symbols, wrote, read, path.stat().st_size, "a row a bar")


def measure_parquet(trial: StoreTrial) -> dict[str, Any]:
    """Measure one Parquet file per symbol, written and loaded into arrays by duckdb."""
    import duckdb

    symbols, folder = trial.symbols_within(MOST_RIVAL_BARS), trial.folder
    with duckdb.connect() as connection:

        def write(n: int) -> None:
            connection.register("bars", _frame(trial, n))
            connection.execute(f"COPY bars TO '{folder / f'{n}.parquet'}' (FORMAT parquet, COMPRESSION snappy)")

        def load(n: int) -> Any:
            return connection.execute("SELECT * FROM read_parquet(?)", [str(folder / f"{n}.parquet")]).fetchnumpy()

        wrote, read = trial.timed_loop(write, symbols), trial.timed_load(load, symbols, close="close")
    size = sum(f.stat().st_size for f in folder.glob("*.parquet"))
    return trial.result_row(symbols, wrote, read, size, "a file a symbol, snappy")


def measure_duckdb(trial: StoreTrial) -> dict[str, Any]:
    """Measure one table of DuckDB, written and loaded into arrays symbol by symbol."""
    import duckdb

    symbols, path = trial.symbols_within(MOST_RIVAL_BARS), trial.folder / "bars.duckdb"
    select = "SELECT * EXCLUDE symbol FROM bars WHERE symbol = ? ORDER BY starts"
    with duckdb.connect(str(path)) as connection:
        columns = ", ".join(f"{name} BIGINT" for name in SERIES_COLUMNS)
        connection.execute(f"CREATE TABLE bars (symbol INTEGER, {columns})")

        def write(n: int) -> None:
            connection.register("part", _frame(trial, n))
            connection.execute(f"INSERT INTO bars SELECT {n}, * FROM part")  # noqa: S608

        wrote = trial.timed_loop(write, symbols)
        connection.execute("CHECKPOINT")
        read = trial.timed_load(lambda n: connection.execute(select, [n]).fetchnumpy(), symbols, close="close")
    return trial.result_row(symbols, wrote, read, path.stat().st_size, "one table, a query a symbol")


def measure_postgres_rows(trial: StoreTrial, dsn: str) -> dict[str, Any]:
    """Measure a row per bar in a temporary table of the PostgreSQL at `dsn`, written and loaded into arrays."""
    symbols, database = trial.symbols_within(MOST_ROW_BARS), PostgresDatabase(dsn)
    insert = "INSERT INTO bench_rows VALUES (?, ?, ?, ?, ?, ?, ?)"
    select = f"SELECT {', '.join(SERIES_COLUMNS)} FROM bench_rows WHERE symbol = ? ORDER BY starts"  # noqa: S608
    try:
        columns = ", ".join(f"{name} bigint" for name in SERIES_COLUMNS)
        database.fetch_rows(f"CREATE TEMPORARY TABLE bench_rows (symbol int, {columns}, PRIMARY KEY (symbol, starts))")
        wrote = trial.timed_loop(lambda n: database.execute_many(insert, _rows(trial, n)), symbols)
        read = trial.timed_load(lambda n: np.array(database.fetch_rows(select, n)).T, symbols)
    finally:
        database.close()
    return trial.result_row(symbols, wrote, read, None, "a row a bar, asyncpg; the server's processor is not in it")


def _rows(trial: StoreTrial, n: int) -> list[tuple[int, ...]]:
    return [(n, *bar) for bar in trial.symbol_bars(n).T.tolist()]


def _frame(trial: StoreTrial, n: int) -> Any:
    import pandas as pd

    return pd.DataFrame(dict(zip(SERIES_COLUMNS, trial.symbol_bars(n), strict=True)))
