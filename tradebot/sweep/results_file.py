"""The results file of a sweep: finished trials, one JSON line each, synced batch by batch, for `--resume`.

{"sweep":"9f2c…","trials":96}
{"number":0,"role":"trial","fold":0,"values":{"fast":5},"state":"done","reason":"","figures":{…},"orders_hash":"…"}
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from tradebot.domain.message import Message
from tradebot.errors import DataError
from tradebot.sweep.trial import TrialRow


class ResultsHeader(Message, frozen=True):
    """The first line: a hash over all that determines the rows, and the number of trials."""

    sweep: str
    trials: int


class ResultsFile:
    """An open results file; `rows` are the rows on disk by number, those of earlier runs included.

    Raises DataError where the file belongs to another sweep, was not written by a sweep, or cannot be written.
    """

    def __init__(self, path: Path, head: ResultsHeader, *, resume: bool) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._head = head
        self.rows: dict[int, TrialRow] = {}
        if path.exists():
            try:
                self._read(resume=resume)
            except OSError as fault:
                raise DataError(f"{path} cannot be read, or not begun anew: {fault.strerror or fault}") from fault

    def __enter__(self) -> Self:
        is_new = not self.path.exists()
        try:
            self._file = file = self.path.open("ab")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_new:
                self._write([self._head])
        except BlockingIOError:
            file.close()
            raise DataError(f"{self.path} is written by another sweep now; wait, or choose another --out") from None
        except OSError as fault:
            raise DataError(f"{self.path} cannot be written: {fault.strerror or fault}") from fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None, "entered before"
        self._file.close()

    def append_rows(self, rows: Sequence[TrialRow]) -> None:
        """Append rows; they are synced to disk when this returns. Raises DataError."""
        self.rows |= {row.number: row for row in rows}
        try:
            self._write(rows)
        except OSError as fault:
            raise DataError(f"{self.path} cannot be written: {fault.strerror or fault}") from fault

    def delete_file(self) -> None:
        """Delete the file, after the results were written elsewhere."""
        self.path.unlink(missing_ok=True)

    def _write(self, lines: Sequence[Message]) -> None:
        assert self._file is not None, "entered before"
        self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, *, resume: bool) -> None:
        body = self.path.read_bytes()
        whole = body[: body.rfind(b"\n") + 1]  # the last line may be incomplete after a power cut: it does not count
        lines = whole.splitlines()
        try:
            if not lines:
                self.path.unlink()
                return
            head = msgspec.json.decode(lines[0], type=ResultsHeader)
            self.rows = {row.number: row for row in (msgspec.json.decode(line, type=TrialRow) for line in lines[1:])}
        except msgspec.MsgspecError as fault:
            raise DataError(f"{self.path} is no ledger of a sweep: {fault}; remove it to start anew") from None
        if not resume:
            if self.rows:
                raise DataError(f"{self.path} holds an unfinished sweep: go on with --resume, or remove the file")
            self.path.unlink()  # that sweep ended before its first trial was done
            return
        if head != self._head:
            raise DataError(
                f"{self.path} belongs to another sweep: the parameters, search, data or settings were others; "
                "remove it to start anew, or choose another --out"
            )
        if len(whole) < len(body):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
