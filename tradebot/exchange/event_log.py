"""The exchange's own log, one JSON line per event: independent evidence of requests, orders and fills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from tradebot.errors import DataError, StateError
from tradebot.torn_line import cut_torn_line

FLUSHED_KINDS = frozenset(
    {"session", "prices", "login", "request", "order", "fill", "gtt", "conversion", "fault", "ticker", "end"}
)
BUFFER_BYTES = 1 << 16


class EventLog:
    """Appends lines `{"kind": ..., ...}` to `path`; with None it only counts them.

    Kinds: session, prices (how those of the session are made), login (one began or ended; the digest of its token),
    request, order, fill, gtt (a new version of a GTT order), conversion (of a position to another product), fault (one
    was injected), ticker (a client of the stream left), end. Each of them is flushed to the operating system as it is
    written.
    Decimals are strings, messages are objects. A torn last line left by a crash is cut off before the first append.
    Raises StateError when the file cannot be opened.
    """

    def __init__(self, path: Path | str | None) -> None:
        self.path = Path(path) if path is not None else None
        self.line_count = 0
        self._encoder = msgspec.json.Encoder(decimal_format="string")
        self._file = None
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                cut_torn_line(self.path)
                self._file = self.path.open("ab", buffering=BUFFER_BYTES)
            except OSError as error:
                raise StateError(f"cannot open the exchange log {self.path}: {error.strerror}") from error

    def append_line(self, kind: str, **fields: Any) -> None:
        """Append one line; `fields` are JSON values, Decimals, enums or messages."""
        self.line_count += 1
        if self._file is None:
            return
        self._file.write(self._encoder.encode({"kind": kind, **fields}) + b"\n")
        if kind in FLUSHED_KINDS:
            self._file.flush()

    def close_file(self) -> None:
        """Flush and close the file. Closing twice is allowed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close_file()


def read_event_log(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log as objects, oldest first; a torn last line is skipped.

    Raises DataError with the line number for any other malformed line, StateError when the file cannot be read.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise DataError(f"{path}:{number}: not a line of an exchange log: {error}") from error
    except OSError as error:
        raise StateError(f"cannot read the exchange log {path}: {error.strerror}") from error
