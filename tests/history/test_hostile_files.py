"""Files of bars that are small on disk and large in memory, or that point at other files: refused, in bounded room."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE
from tradebot.errors import DataError
from tradebot.history import staging
from tradebot.history.files import duckdb_files, tables, text_files
from tradebot.history.files.rows import ParsedRows, ParseOptions
from tradebot.history.held_rows import HeldRows
from tradebot.history.importing import FileBars, ImportOptions, read_files

HEAD = b"ts,open,high,low,close,volume\n"
ROW = b"2025-06-02 09:15,10,11,9,10.5,5\n"
MB = 1_000_000


def read(path: Path, table: str = "") -> FileBars:
    return read_files(
        path,
        path.parent,
        parse_options=ParseOptions(zone="Asia/Kolkata"),
        options=ImportOptions(interval=MINUTE, table=table),
    )


def packed(path: Path, parts: Iterable[bytes]) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
    return path


def held_mb(work: Callable[[], None]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([b"a" * MB] * 40, "a line has more than 65536 characters"),
        ([HEAD, ROW, *[b"9" * MB] * 40], "a line has more than 65536 characters"),
        ([HEAD, ROW, b'"', *[b"a" * 999 + b"\n"] * 40_000], r"65536 characters \(a quote in it does not end\)"),
        ([HEAD, ROW * 99, b'"', *[b'""' * 499 + b"\n"] * 40_000], "a line has more than 65536 characters"),
        ([HEAD, ROW * 99, b'"', *[(b'""' * 499 + b"\n")] * 400, b'"'], "a line has more than 65536 characters"),
        ([HEAD[:-1], b",c" * 200_000, b"\n"], "a line has more than 65536 characters"),
        ([HEAD[:-1], b"," * 5_000, b"\n", (ROW[:-1] + b"," * 5_000 + b"\n") * 99], "a line has 5005 separators"),
    ],
    ids=["header", "no end", "open quote", "quotes in a quote", "in the sample", "columns", "empty columns"],
)
def test_a_file_that_is_none_of_bars_is_refused_before_it_is_in_memory(
    tmp_path: Path, parts: list[bytes], why: str
) -> None:
    path = packed(tmp_path / "X.csv.gz", parts)

    def refused() -> None:
        with pytest.raises(DataError, match=why) as caught:
            read(path)
        assert len(str(caught.value)) < 300

    assert held_mb(refused) < 15


def test_rows_far_longer_than_the_first_are_refused_and_rows_that_begin_so_come_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "MAX_BATCH_CHARS", 2 * MB)
    monkeypatch.setattr(tables, "MAX_BATCH_CHARS", 2 * MB)
    long = ROW[:-1] + b"," + b"x" * 10_000 + b"\n"
    late = packed(tmp_path / "LATE.csv.gz", [HEAD[:-1], b",note\n", ROW[:-1] + b",\n", ROW * 99, *[long] * 400])
    early = packed(tmp_path / "EARLY.csv.gz", [HEAD[:-1], b",note\n", *[long] * 400])

    with pytest.raises(DataError, match="its rows are far longer than the first of them"):
        read(late)
    assert read(early).duplicates == 399


def test_rows_that_say_the_same_are_not_held_and_those_that_differ_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_PERIOD_ROWS", 1_000)
    same = packed(tmp_path / "SAME.csv.gz", [HEAD, ROW * 30_000])
    differing = packed(tmp_path / "DIFFERING.csv.gz", [HEAD, (ROW + ROW.replace(b"10.5", b"10.6")) * 1_000])

    found = read(same)

    assert (len(found.series["SAME"]), found.duplicates, found.unsorted["SAME"]) == (1, 29_999, 0)
    with pytest.raises(DataError, match="more than 1000 rows are of the same bars of DIFFERING"):
        read(differing)


def test_equal_rows_of_a_time_alone_are_not_held_while_the_length_of_a_bar_is_not_known(tmp_path: Path) -> None:
    starts = np.full(1_000, 1_748_835_900_000_000_000)
    equal = ParsedRows(
        np.full(1_000, "X", dtype=object), starts, np.tile([[10.0], [11.0], [9.0], [10.5], [5.0]], 1_000)
    )
    waiting = HeldRows("NSE", lone_interval=0)
    for _ in range(3):
        waiting.hold_rows(equal, "X.csv.gz")
    assert (len(waiting), waiting.duplicates) == (3, 2_997)

    path = packed(tmp_path / "X.csv.gz", [HEAD, ROW * 1_000])
    with pytest.raises(DataError, match="one bar of a symbol does not tell how long a bar is"):
        read_files(path, tmp_path, parse_options=ParseOptions(zone="Asia/Kolkata"), options=ImportOptions())
    found = read_files(
        path, tmp_path, parse_options=ParseOptions(zone="Asia/Kolkata"), options=ImportOptions(lone_interval=MINUTE)
    )
    assert (len(found.series["X"]), found.duplicates) == (1, 999)


def test_of_single_bars_so_many_wait_and_then_their_length_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_HELD_ROWS", 5)
    single = [b"S%d,%s" % (number, ROW) for number in range(6)]
    (tmp_path / "X.csv").write_bytes(b"symbol," + HEAD + b"".join(single))
    (tmp_path / "DAYS.csv").write_bytes(b"symbol," + HEAD + b"".join(single).replace(b" 09:15", b""))

    with pytest.raises(DataError, match="one bar of a symbol does not tell how long a bar is"):
        read_files(
            tmp_path / "X.csv", tmp_path, parse_options=ParseOptions(zone="Asia/Kolkata"), options=ImportOptions()
        )
    days = read_files(
        tmp_path / "DAYS.csv", tmp_path, parse_options=ParseOptions(zone="Asia/Kolkata"), options=ImportOptions()
    )
    assert len(days.series) == 6


def test_more_symbols_than_a_market_has_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_SYMBOLS", 3)
    (tmp_path / "X.csv").write_bytes(b"symbol," + HEAD + b"".join(b"S%d,%s" % (number, ROW) for number in range(4)))

    with pytest.raises(DataError, match=r"X\.csv: more than 3 different symbols; import so many at a time"):
        read(tmp_path / "X.csv")
    one = ParseOptions(zone="Asia/Kolkata", symbol="S3")
    assert list(
        read_files(tmp_path / "X.csv", tmp_path, parse_options=one, options=ImportOptions(interval=MINUTE)).series
    ) == ["S3"]


def test_symbols_that_name_their_exchange_and_series_that_are_not_taken_cost_no_more_for_being_many(
    tmp_path: Path,
) -> None:
    many = b"".join(b"NSE:S%d,EQ,%s" % (number, ROW) for number in range(2_000))
    odd = b"".join(b"S,Q%d,%s" % (number, ROW) for number in range(200))
    (tmp_path / "X.csv").write_bytes(b"symbol,series," + HEAD + many + odd)

    found = read(tmp_path / "X.csv")

    assert len(found.series) == 2_000
    told = [note for note in found.notes if note.startswith("rows of ")]
    assert 40 < len(told) <= 51
    assert sum(int(note.rpartition(" ")[2]) for note in told) == 200


@pytest.mark.parametrize(("keep", "close"), [("first", 1050), ("last", 1050)])
def test_of_rows_that_differ_the_first_and_the_last_stay_so_where_one_is_there_again(
    tmp_path: Path, keep: str, close: int
) -> None:
    path = packed(tmp_path / "X.csv.gz", [HEAD, ROW * 2, ROW.replace(b"10.5", b"10.6"), ROW * 2])
    terms = ImportOptions(interval=MINUTE, keep=keep)
    assert read_files(path, tmp_path, parse_options=ParseOptions(zone="Asia/Kolkata"), options=terms).series[
        "X"
    ].close == [close]


def test_quoted_values_and_a_quoted_end_of_a_line_are_read(tmp_path: Path) -> None:
    rows = b"".join(b'"2025-06-02 09:%02d","10","11","9","10.5","5","a ""b""\nc"\n' % minute for minute in range(60))
    found = read(packed(tmp_path / "X.csv.gz", [HEAD[:-1], b",note\n", rows]))
    assert len(found.series["X"]) == 60


@pytest.mark.parametrize("symbol", [b"TCS\x1b[2J", b"TCS\x00A", b"T\x07CS", b"T" * 65])
def test_a_symbol_with_control_characters_is_no_symbol(tmp_path: Path, symbol: bytes) -> None:
    (tmp_path / "X.csv").write_bytes(b"symbol," + HEAD + symbol + b"," + ROW)
    with pytest.raises(DataError, match="control characters, or more than 64 letters") as caught:
        read(tmp_path / "X.csv")
    assert str(caught.value).isprintable()


def test_a_file_whose_name_has_control_characters_names_no_symbol(tmp_path: Path) -> None:
    path = tmp_path / "T\x1b[2JCS.csv"
    path.write_bytes(HEAD + ROW)
    with pytest.raises(DataError, match="control characters"):
        read(path)


def test_a_database_reads_its_own_tables_and_no_other_file(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    (tmp_path / "private.csv").write_bytes(HEAD + ROW)
    target = tmp_path / "X.duckdb"
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"CREATE VIEW bars AS SELECT * FROM read_csv('{tmp_path}/private.csv')")  # noqa: S608
    for table in ("", "bars"):
        with pytest.raises(DataError, match=r"\(views are not read\)"):
            read(target, table)
    with duckdb.connect(str(target)) as connection:
        connection.execute("CREATE TABLE own AS SELECT * FROM bars")
    assert len(read(target).series["X"]) == 1


def test_a_text_that_a_dictionary_keeps_once_is_not_in_memory_for_every_row(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "X.parquet"
    with duckdb.connect() as connection:
        connection.sql(
            "SELECT repeat('A', 60000) AS symbol, TIMESTAMP '2025-06-02 03:45:00' + INTERVAL (i) MINUTE AS ts,"
            " 10.0::DOUBLE AS open, 11.0::DOUBLE AS high, 9.0::DECIMAL(9,2) AS low, 10.5::FLOAT AS close,"
            " 5::BIGINT AS volume FROM range(2000) t(i)"
        ).write_parquet(str(path))

    def refused() -> None:
        with pytest.raises(DataError, match="more than 64 letters"):
            read(path)

    assert held_mb(refused) < 10  # each row with its own text takes 120 MB


@pytest.mark.parametrize(
    ("kind", "is_sized"),
    [("TIMESTAMP", True), ("TIMESTAMP_NS", True), ("TIMESTAMP WITH TIME ZONE", True), ("DATE", True), ("UBIGINT", True),
     ("DECIMAL(18,3)", True), ("VARCHAR", False), ("ENUM('a', 'b')", False), ("INTEGER[]", False),
     ("STRUCT(a INTEGER)", False), ("BLOB", False)],
)  # fmt: skip
def test_a_cell_without_one_size_is_read_as_a_text_of_bounded_length(kind: str, is_sized: bool) -> None:
    assert duckdb_files.column_expression("a", kind) == ('"a"' if is_sized else 'left(CAST("a" AS VARCHAR), 200)')
