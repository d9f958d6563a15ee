"""Reads Parquet and DuckDB files in batches, and writes frames as Parquet; needs the optional package duckdb."""

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
# Types with one size in every row. All others are read as text of bounded length. On disk a dictionary stores a text
# once for all rows that have it, but in memory each row has its own copy.
FIXED_SIZE_TYPE = re.compile(
    r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL|BOOLEAN|DATE|TIME(?:STAMP(?:_\w+)?)?)\b"
)
MAX_CELL_CHARS = 200  # characters; a time has 35, a symbol at most 64
VECTOR_ROWS = 2_048  # DuckDB returns rows in multiples of this
T = TypeVar("T")


class DuckdbQuery(NamedTuple):
    """A running query and the total number of its rows."""

    result: Any
    total: int


@contextmanager
def open_table(path: Path, table: str) -> Iterator[tuple[TableColumns, DuckdbQuery]]:
    """Open a Parquet file, or a table of a DuckDB file; the query returns columns under our names. Raises DataError."""
    _require(path, "are read")
    import duckdb

    try:
        is_database = path.suffix.lower() in (".duckdb", ".db")
        with duckdb.connect(str(path) if is_database else ":memory:", read_only=is_database) as connection:
            connection.execute("SET memory_limit = '128MB'")
            connection.execute("SET threads = 1")
            connection.execute("SET TimeZone = 'UTC'")
            if is_database:  # the file could define a table that reads other files
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
    """Yield (frame, number of its first row), counted from 1.

    A frame has about half of `rows`, because numbers as text take twice the memory. `progress` gets the rows read and
    the total.
    """
    first = 1
    while len(frame := reader.result.fetch_df_chunk(max(1, rows // 2 // VECTOR_ROWS))):
        yield frame, first
        first += len(frame)
        progress(first - 1, reader.total)


def column_expression(name: str, kind: str) -> str:
    """Return the SQL expression that reads a column of a DuckDB type in bounded memory."""
    is_sized = FIXED_SIZE_TYPE.match(kind) and not kind.endswith("]")
    return _quoted(name) if is_sized else f"left(CAST({_quoted(name)} AS VARCHAR), {MAX_CELL_CHARS})"


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as a Parquet file. Raises DataError without duckdb, OSError when the file cannot be written."""
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
