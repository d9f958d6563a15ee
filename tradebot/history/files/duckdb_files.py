"""Parquet and DuckDB through duckdb, which is an extra: tables read in batches, frames written as Parquet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from tradebot.errors import DataError
from tradebot.history.files.columns import TableColumns, describe_missing, match_columns

DUCKDB_SUFFIXES = (".parquet", ".pq", ".duckdb", ".db")
# What has one size in every row. All else is read as text of bounded length: a dictionary keeps a text once on the disk
# however many rows have it, and in memory each row has its own.
FIXED_SIZE_TYPE = re.compile(
    r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL|BOOLEAN|DATE|TIME(?:STAMP(?:_\w+)?)?)\b"
)
MAX_CELL_CHARS = 200  # letters; a time has 35, a symbol at most 64
VECTOR_ROWS = 2_048  # of DuckDB, which gives rows in multiples of it
T = TypeVar("T")


class DuckdbQuery(NamedTuple):
    """A query under way and the number of its rows."""

    result: Any
    total: int


@contextmanager
def open_table(path: Path, table: str) -> Iterator[tuple[TableColumns, DuckdbQuery]]:
    """Open a Parquet file or a table of a DuckDB file; its rows come under our names. Raises DataError."""
    _require(path, "are read")
    import duckdb

    try:
        is_database = path.suffix.lower() in (".duckdb", ".db")
        with duckdb.connect(str(path) if is_database else ":memory:", read_only=is_database) as connection:
            connection.execute("SET memory_limit = '128MB'")
            connection.execute("SET threads = 1")
            connection.execute("SET TimeZone = 'UTC'")
            if is_database:  # a table may be defined by what it reads elsewhere
                connection.execute("SET enable_external_access = false")
            source = _table(connection, path, table) if is_database else "read_parquet(?)"
            values = [] if is_database else [str(path)]
            described = connection.execute(f"DESCRIBE SELECT * FROM {source}", values).fetchall()  # noqa: S608
            names = [row[0] for row in described]
            columns = match_columns(names)
            if columns is None:
                raise DataError(f"{path}: {describe_missing(names)}")
            chosen = ", ".join(
                f"{column_expression(*described[place][:2])} AS {ours}"
                for place, ours in columns.names_by_position.items()
            )
            (total,) = connection.execute(f"SELECT count(*) FROM {source}", values).fetchone() or (0,)  # noqa: S608
            yield columns, DuckdbQuery(connection.execute(f"SELECT {chosen} FROM {source}", values), total)  # noqa: S608
    except duckdb.Error as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def iterate_frames(
    reader: DuckdbQuery, rows: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Yield frames of about half as many rows with the number of their first: texts of numbers take twice the room."""
    first = 1
    while len(frame := reader.result.fetch_df_chunk(max(1, rows // 2 // VECTOR_ROWS))):
        yield frame, first
        first += len(frame)
        progress(first - 1, reader.total)


def column_expression(name: str, kind: str) -> str:
    """Return what reads a column of a DuckDB type in bounded room."""
    is_sized = FIXED_SIZE_TYPE.match(kind) and not kind.endswith("]")
    return _quoted(name) if is_sized else f"left(CAST({_quoted(name)} AS VARCHAR), {MAX_CELL_CHARS})"


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as Parquet. Raises DataError without duckdb, OSError where it cannot be written."""
    _require(path, "are written")
    import duckdb

    with duckdb.connect() as connection:
        connection.register("bars", frame)
        target = str(path).replace("'", "''")
        try:
            connection.execute(f"COPY bars TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as fault:
            raise OSError(" ".join(str(fault).split())) from fault


def _require(path: Path, done: str) -> None:
    if find_spec("duckdb") is None:
        raise DataError(f"{path}: Parquet and DuckDB {done} with duckdb; install it: pip install 'tradebot[data]'")


def _table(connection: Any, path: Path, wanted: str) -> str:
    names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
    if wanted and wanted not in names:
        raise DataError(
            f"{path}: there is no table {wanted!r}; it has {', '.join(names) or 'none'} (views are not read)"
        )
    if not wanted and len(names) != 1:
        raise DataError(
            f"{path}: name one of its tables with `tradebot data import --table`: {', '.join(names) or 'it has none'}"
            " (views are not read)"
        )
    return _quoted(wanted or names[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
