"""Files of bars in batches of bounded size, their columns under our names."""

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

BATCH_ROWS = 200_000  # some 50 MB while a batch is taken apart
BATCH_CELLS = 16 * BATCH_ROWS  # of all columns: the parser holds those that are not read as well
MAX_COLUMNS = 4_096  # five for each of 800 tickers side by side
SAMPLE_LINES = 60
TEXT_COLUMNS = ("stamp", "date", "time", "symbol", "series")  # columns that are texts, whatever they look like

Progress = Callable[[int, int], None]  # (done, total), in bytes or rows


class RowBatch(NamedTuple):
    """Some rows: `frame` has our own column names, `first` is the number of its first row, a line or a row."""

    frame: pd.DataFrame
    first: int
    unit: str  # "line" or "row"


class FileTable(NamedTuple):
    """A file being read: whose bars it says they are ("" for nothing), the name of what holds it, how it
    writes numbers, its columns, and what else is to be told."""

    symbol: str
    name: str
    notation: NumberNotation
    columns: TableColumns
    notes: tuple[str, ...]
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
    """Open a file of bars; its batches come in its order, `BATCH_ROWS` rows each. Raises DataError, the batches too.

    `columns` names those of a file without a head, `symbol` chooses among tickers side by side, `table` is DuckDB's.
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
            # The lines of a sample end: a file without one single line's end must not be read whole.
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
    # By what the first rows are like, so that a batch of honest rows is far from what `BoundedTextReader` gives.
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
        return  # a head and nothing below it
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
