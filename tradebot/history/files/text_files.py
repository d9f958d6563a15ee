"""Opens a bar file as text, the first step of reading it: unpacks gzip and zip, decodes UTF-16 and Windows-1252."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from tradebot.errors import DataError

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
BAR_FILE_SUFFIXES = (*TEXT_SUFFIXES, ".csv.gz", ".txt.gz", ".zip", ".parquet", ".pq", ".duckdb", ".db")
SAMPLE_BYTES = 1 << 16
# The end of a name such as BTCUSDT-1m-2025-01.
INTERVAL_AND_MONTH = re.compile(r"-(?:\d+(?:mo|[smhdw]))(?:-\d{4}(?:-\d\d){0,2})?$", re.IGNORECASE)
MAX_LINE_CHARS = 1 << 16  # characters; a row of bars has some hundreds
MAX_BATCH_CHARS = 1 << 27  # characters; a batch of rows like the first ones has at most half of that
READ_CHARS = 1 << 18  # characters read at a time
BROKEN_FILE_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, UnicodeError)


class OpenText(NamedTuple):
    """An open text. `name` is the file's name, or the archive member's. `raw.tell()` of `total` bytes are read."""

    stream: IO[str]
    raw: IO[bytes]
    total: int
    name: str
    notes: tuple[str, ...]


def bar_files(path: Path) -> list[Path]:
    """Return the files of a path: the file itself, or a folder's bar files sorted by name. Raises DataError."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(BAR_FILE_SUFFIXES))
        if not found:
            raise DataError(f"{path}: no file in this folder ends in {', '.join(BAR_FILE_SUFFIXES)}")
        return found
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    return [path]


def symbol_from_name(name: str) -> str:
    """Return the symbol in a file's name, without bar length and month; it counts when nothing else names one."""
    suffix = next(
        (s for s in sorted(BAR_FILE_SUFFIXES, key=len, reverse=True) if name.lower().endswith(s)), Path(name).suffix
    )
    return INTERVAL_AND_MONTH.sub("", name[: len(name) - len(suffix)]).upper()


@contextmanager
def open_text(path: Path) -> Iterator[OpenText]:
    """Open a text file, packed or not.

    Raises DataError for an archive without one text file, one of `BROKEN_FILE_ERRORS` for a damaged file.
    """
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as content:
                yield _text(cast(IO[bytes], content), raw, path, path.name)
        elif start == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive, archive.open(_member(path, archive)) as content:
                yield _text(content, raw, path, Path(content.name or path.name).name)
        else:
            yield _text(raw, raw, path, path.name)


def detect_encoding(sample: bytes) -> str:
    """Return the encoding of a text by its first bytes; bytes that are not UTF count as Windows-1252."""
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > half * 0.9:
        return "utf-16-le"
    if sample[0::2].count(0) > half * 0.9:
        return "utf-16-be"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 4:  # the sample may end inside a character
            return "cp1252"
    return "utf-8"


def _text(content: IO[bytes], raw: IO[bytes], path: Path, name: str) -> OpenText:
    encoding = detect_encoding(content.read(SAMPLE_BYTES))
    content.seek(0)
    notes = (f"{name} is no UTF-8: read as Windows-1252",) if encoding == "cp1252" else ()
    # A bad byte in an unread column must not refuse the file. In a column that is read, it is no number and is refused.
    stream = io.TextIOWrapper(content, encoding=encoding, errors="replace", newline=None)
    return OpenText(stream, raw, path.stat().st_size, name, notes)


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX")]
    if any(info.filename == "xl/workbook.xml" for info in members):
        raise DataError(f"{path}: is a workbook of Excel; save its sheet as CSV and import that")
    texts = [info for info in members if info.filename.lower().endswith(TEXT_SUFFIXES)]
    if not texts:
        shown = ", ".join(info.filename for info in members[:5])
        raise DataError(f"{path}: there is no file of bars (.csv or .txt) in it; it has {shown or 'nothing'}")
    if len(texts) > 1:
        raise DataError(f"{path}: holds {len(texts)} files; unpack it and import the folder")
    if texts[0].flag_bits & 1:
        raise DataError(f"{path}: is encrypted; unpack it with its password and import what is in it")
    return texts[0]


class BoundedTextReader(io.TextIOBase):
    """Returns the lines that were read ahead, then the rest of the text, within bounds of memory.

    Raises DataError for a line that does not end, for a quoted field over many lines, and for rows far longer than the
    first ones.
    """

    def __init__(self, path: Path, ahead: str, stream: IO[str]) -> None:
        self._path, self._ahead, self._stream = path, ahead, stream
        self._open = 0  # characters since the last line end outside of quotes
        self._is_quoted = False
        self._room = MAX_BATCH_CHARS

    def start_batch(self) -> None:
        """Start a batch of rows. Its characters are limited, because the parser holds a whole batch in memory."""
        self._room = MAX_BATCH_CHARS

    def read(self, size: int | None = -1, /) -> str:
        """Return the next characters, "" at the end. Raises DataError as the class says."""
        if self._ahead:
            found, self._ahead = self._ahead, ""
        else:
            found = self._stream.read(min(size, READ_CHARS) if size and size > 0 else READ_CHARS)
        self._room -= len(found)
        if self._room < 0:
            raise DataError(
                f"{self._path}: its rows are far longer than the first of them: more than {MAX_BATCH_CHARS}"
                " characters in"
                " one batch; this is no file of bars"
            )
        end = self._end(found)
        self._open = self._open + len(found) if end < 0 else len(found) - end - 1
        if self._open > MAX_LINE_CHARS:
            why = " (a quote in it does not end)" if self._is_quoted else ""
            raise DataError(
                f"{self._path}: a line has more than {MAX_LINE_CHARS} characters{why}: this is no file of bars"
            )
        return found

    def readable(self) -> bool:
        """Return True, as `io.RawIOBase` requires."""
        return True

    def _end(self, found: str) -> int:
        # Returns where the last line ends, -1 for nowhere. A line end after an odd number of quotes is inside a field.
        if not self._is_quoted and '"' not in found:
            return found.rfind("\n")
        letters = np.frombuffer(found.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        quotes = np.cumsum(letters == ord('"')) + self._is_quoted
        ends = np.flatnonzero((letters == ord("\n")) & (quotes % 2 == 0))
        self._is_quoted = bool(quotes[-1] % 2) if len(quotes) else self._is_quoted
        return int(ends[-1]) if len(ends) else -1
