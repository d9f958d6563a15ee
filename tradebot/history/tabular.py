"""Files of bars as other programs write them, read in batches of bounded size: CSV, CSV.gz, Parquet, DuckDB.

Columns are found by name, in any case and under their usual synonyms; what they hold is checked in `parsing.py`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tradebot.errors import DataError

VECTOR_ROWS = 2_048  # of DuckDB, which gives rows in multiples of it
BATCH_ROWS = 200_000  # some 50 MB while a batch is taken apart
SYNONYMS = {
    "symbol": ("symbol", "ticker", "tradingsymbol", "trading_symbol", "instrument", "scrip", "name"),
    "stamp": (
        "timestamp", "datetime", "date_time", "ts", "starts", "start", "start_time", "open_time", "opentime",
        "bar_time", "time_key",
    ),
    "date": ("date", "day", "trade_date"),
    "time": ("time", "time_of_day"),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price"),
    "volume": ("volume", "v", "vol", "qty", "quantity", "traded_volume", "total_traded_quantity"),
}  # fmt: skip
PRICES = ("open", "high", "low", "close")
SUFFIXES = (".csv", ".csv.gz", ".txt", ".parquet", ".pq", ".duckdb", ".db")
EXTRA = "\0"  # the column of what is too much; pandas would drop it in silence
SEPARATORS = ",;\t|"
BROKEN = (OSError, EOFError, zlib.error, UnicodeDecodeError)


class Batch(NamedTuple):
    """Some rows: `frame` has our own column names, `first` is the number of its first row, a line or a row."""

    frame: pd.DataFrame
    first: int
    unit: str  # "line" or "row"


Progress = Callable[[int, int], None]  # (done, total), in bytes or rows


def files_at(path: Path) -> list[Path]:
    """Return the files that a path means: itself, or those of a folder, by name. Raises DataError."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES))
        if not found:
            raise DataError(f"{path}: no file in this folder ends in {', '.join(SUFFIXES)}")
        return found
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    return [path]


def symbol_of(path: Path) -> str:
    """Return the symbol that a file's name means where nothing else says one."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)].upper()
    return path.stem.upper()


def batches(path: Path, *, table: str = "", progress: Progress = lambda done, total: None) -> Iterator[Batch]:
    """Yield the rows of a file in its order, `BATCH_ROWS` at a time. Raises DataError."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq", ".duckdb", ".db"):
        yield from _by_duckdb(path, table, progress)
    else:
        yield from _by_pandas(path, progress)


def our_columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return their name -> ours for the columns that are needed. Raises DataError naming what is missing."""
    folded = {"".join("_" if c in " -./" else c for c in str(n).strip().lower().strip("<>")): str(n) for n in names}
    found: dict[str, str] = {}
    for ours, synonyms in SYNONYMS.items():
        theirs = next((folded[s] for s in synonyms if s in folded), None)
        if theirs is not None and theirs not in found:
            found[theirs] = ours
    has = set(found.values())
    missing = [name for name in PRICES if name not in has]
    if not has & {"stamp", "date", "time"}:
        missing.insert(0, "time (timestamp, datetime, date, ts)")
    if missing:
        shown = ", ".join(map(str, names))[:120]
        raise DataError(f"{path}: no column for {', '.join(missing)}; its columns are {shown or 'none'}")
    if "stamp" in has:
        found = {theirs: ours for theirs, ours in found.items() if ours not in ("date", "time")}
    return found


def _by_pandas(path: Path, progress: Progress) -> Iterator[Batch]:
    try:
        with path.open("rb") as raw:
            total = path.stat().st_size
            is_zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            text: Any = gzip.open(raw, "rb") if is_zipped else raw  # noqa: SIM115 - closed with what it reads from
            header = text.readline().decode("utf-8-sig")
            if not header.strip():
                raise DataError(f"{path}: the file is empty")
            separator = max(SEPARATORS, key=header.count)
            names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(separator)]
            names = [name if names.index(name) == n else f"{name}.{n}" for n, name in enumerate(names)]
            mapping = our_columns(path, names)
            reader = pd.read_csv(
                text, sep=separator, header=None, names=[*names, EXTRA], index_col=False, chunksize=BATCH_ROWS,
                skip_blank_lines=False, encoding="utf-8", dtype=dict.fromkeys(_texts(mapping), str),
                on_bad_lines="error", low_memory=False, skipinitialspace=True,
            )  # fmt: skip
            first = 2
            for frame in reader:
                progress(raw.tell(), total)
                extra = frame.pop(EXTRA).notna().to_numpy()
                if extra.any():
                    line = first + int(extra.argmax())
                    raise DataError(f"{path}: line {line}: more values than the {len(names)} columns of the header")
                yield Batch(frame[list(mapping)].rename(columns=mapping), first, "line")
                first += len(frame)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        words = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise DataError(f"{path}: cannot be read as CSV: {words}") from error
    except BROKEN as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _texts(mapping: dict[str, str]) -> list[str]:
    return [theirs for theirs, ours in mapping.items() if ours in ("symbol", "stamp", "date", "time")]


def _by_duckdb(path: Path, table: str, progress: Progress) -> Iterator[Batch]:
    if find_spec("duckdb") is None:
        raise DataError(f"{path}: Parquet and DuckDB are read with duckdb; install it: pip install 'tradebot[data]'")
    import duckdb

    try:
        is_database = path.suffix.lower() in (".duckdb", ".db")
        connection = duckdb.connect(str(path) if is_database else ":memory:", read_only=is_database)
        with connection:
            connection.execute("SET memory_limit = '128MB'")
            connection.execute("SET threads = 1")
            connection.execute("SET TimeZone = 'UTC'")
            source = _table(connection, path, table) if is_database else "read_parquet(?)"
            values = [] if is_database else [str(path)]
            names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}", values).fetchall()]  # noqa: S608
            mapping = our_columns(path, names)
            chosen = ", ".join(f"{_quoted(theirs)} AS {ours}" for theirs, ours in mapping.items())
            (total,) = connection.execute(f"SELECT count(*) FROM {source}", values).fetchone() or (0,)  # noqa: S608
            result = connection.execute(f"SELECT {chosen} FROM {source}", values)  # noqa: S608
            first = 1
            # Half as many: numbers that were written as texts take twice the room.
            while len(frame := result.fetch_df_chunk(max(1, BATCH_ROWS // 2 // VECTOR_ROWS))):
                yield Batch(frame, first, "row")
                first += len(frame)
                progress(first - 1, total)
    except duckdb.Error as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def _table(connection: Any, path: Path, wanted: str) -> str:
    names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
    names += [
        row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    ]
    if wanted and wanted not in names:
        raise DataError(f"{path}: there is no table {wanted!r}; it has {', '.join(names) or 'none'}")
    if not wanted and len(names) != 1:
        raise DataError(
            f"{path}: name one of its tables with `tradebot data import --table`: {', '.join(names) or 'it has none'}"
        )
    return _quoted(wanted or names[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as Parquet. Raises DataError without duckdb, OSError where it cannot be written."""
    if find_spec("duckdb") is None:
        raise DataError(f"{path}: Parquet is written with duckdb; install it: pip install 'tradebot[data]'")
    import duckdb

    with duckdb.connect() as connection:
        connection.register("bars", frame)
        target = str(path).replace("'", "''")
        try:
            connection.execute(f"COPY bars TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        except duckdb.IOException as fault:
            raise OSError(" ".join(str(fault).split())) from fault
