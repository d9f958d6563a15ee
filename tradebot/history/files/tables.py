"""Reads files of bars in batches of bounded size, with columns under our names."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tradebot.errors import DataError
from tradebot.history.files import duckdb_files
from tradebot.history.files.columns import TableColumns
from tradebot.history.files.header import SEPARATORS, FileHeader, read_header
from tradebot.history.files.numbers import NumberNotation
from tradebot.history.files.text_files import (
    BROKEN_FILE_ERRORS,
    MAX_BATCH_CHARS,
    MAX_LINE_CHARS,
    BoundedTextReader,
    OpenText,
    open_text,
)

BATCH_ROWS = 200_000  # parsing a batch takes some 50 MB
BATCH_CELLS = 16 * BATCH_ROWS  # in all columns: the parser holds unread columns too
MAX_COLUMNS = 4_096  # a wide table of 800 tickers has five columns each
SAMPLE_LINES = 60
# Columns that are read as text, even when they look like numbers.
TEXT_COLUMNS = (
    "stamp",
    "date",
    "time",
    "symbol",
    "series",
)

Progress = Callable[[int, int], None]  # (done, total), in bytes or rows


class RowBatch(NamedTuple):
    """Some rows. `frame` has our column names; `first` is the number of its first line or row, as `unit` says."""

    frame: pd.DataFrame
    first: int
    unit: str  # "line" or "row"


class FileTable(NamedTuple):
    """A file of bars that is open for reading."""

    symbol: str  # the symbol that the header names for all rows, "" for none
    name: str  # the file's name, or the archive member's
    notation: NumberNotation
    columns: TableColumns
    notes: tuple[str, ...]  # for the user
    batches: Iterator[RowBatch]


@contextmanager
def open_bar_file(
    path: Path,
    *,
    columns: Sequence[str] = (),
    symbol: str = "",
    table: str = "",
    progress: Progress = lambda done, total: None,
) -> Iterator[FileTable]:
    """Open a file of bars; its batches keep its order and have at most `BATCH_ROWS` rows.

    `columns` names the columns of a file without a header. `symbol` chooses a ticker of a wide table. `table` is a
    table of a DuckDB file. Raises DataError, also while the batches are read.
    """
    if path.suffix.lower() in duckdb_files.DUCKDB_SUFFIXES:
        with duckdb_files.open_table(path, table) as (found, reader):
            batches: Iterator[RowBatch] = (
                RowBatch(frame, first, "row")
                for frame, first in duckdb_files.iterate_frames(reader, BATCH_ROWS, progress)
            )
            yield FileTable("", path.name, NumberNotation(is_plain=False), found, (), batches)
        return
    try:
        with open_text(path) as text:
            # Lines of the sample are read with a limit: a file without any line end must not be read whole.
            lines = list(islice(iter(lambda: text.stream.readline(MAX_LINE_CHARS), ""), SAMPLE_LINES))
            if any(len(line) >= MAX_LINE_CHARS for line in lines):
                raise DataError(f"{path}: a line has more than {MAX_LINE_CHARS} characters: this is no file of bars")
            if (most := max((line.count(mark) for line in lines for mark in SEPARATORS), default=0)) > MAX_COLUMNS:
                raise DataError(
                    f"{path}: a line has {most} separators; a file of bars has at most {MAX_COLUMNS} columns"
                )
            head = read_header(path, lines, columns, symbol)
            rest = BoundedTextReader(path, "".join(lines[head.skipped_lines :]), text.stream)
            batches = _rows(path, head, rest, text, progress, _batch_rows(head, lines[head.skipped_lines :]))
            yield FileTable(head.symbol, text.name, head.notation, head.columns, (*text.notes, *head.notes), batches)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        words = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise DataError(f"{path}: cannot be read as CSV: {words}") from error
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    except BROKEN_FILE_ERRORS as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _batch_rows(head: FileHeader, sample: Sequence[str]) -> int:
    # The first rows decide the size, so that a batch of usual rows stays far below the limit of `BoundedTextReader`.
    mean = sum(map(len, sample)) // max(len(sample), 1) + 1
    return max(1, min(BATCH_ROWS, BATCH_CELLS // (len(head.names) + 1), MAX_BATCH_CHARS // 2 // mean))


def _rows(
    path: Path, head: FileHeader, rest: BoundedTextReader, text: OpenText, progress: Progress, batch_rows: int
) -> Iterator[RowBatch]:
    count, first, read = len(head.names), head.skipped_lines + 1, head.columns.names_by_position
    texts = {place: str for place, ours in read.items() if ours in TEXT_COLUMNS or not head.notation.is_plain}
    try:
        reader = pd.read_csv(
            rest,
            sep=head.separator,
            header=None,
            names=range(count + 1),
            index_col=False,
            chunksize=batch_rows,
            skip_blank_lines=False,
            dtype=texts,
            on_bad_lines="error",
            low_memory=False,
            skipinitialspace=True,
            quoting=csv.QUOTE_MINIMAL,
        )
    except pd.errors.EmptyDataError:
        return  # a header without rows
    for frame in reader:
        rest.start_batch()
        progress(text.raw.tell(), text.total)
        extra = frame[count].notna().to_numpy()
        if extra.any():
            line = first + int(extra.argmax())
            raise DataError(
                f"{path}: line {line}: more values than the {count} columns of the header; numbers with separators of"
                " thousands must stand in quotes"
            )
        yield RowBatch(frame[list(read)].rename(columns=read), first, "line")
        first += len(frame)
