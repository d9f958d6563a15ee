"""The HALT file in the state directory: while it is there no order leaves, whoever wrote it and whatever runs.

The kill switch writes it without the daemon's help, the daemon looks before every send and at start, and only an
operator's `resume` takes it away. That it exists is what counts: one made by `touch` works as well.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

FILE_NAME = "HALT"
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
MAX_REASON_CHARS = 500  # characters of a reason that are read


class HaltFile:
    """`<state_dir>/HALT`. `reason` is what the last look found, empty while there is no file."""

    def __init__(self, state_dir: Path) -> None:
        self.path = Path(state_dir) / FILE_NAME
        self.reason = ""
        self._seen: tuple[int, int] | None = None  # (inode, time of change) of the file that `reason` came from

    def read_reason(self) -> str:
        """Look now and return the reason; a file that cannot be read, or a folder that cannot be searched, halts."""
        try:
            found = os.stat(self.path)
            seen = (found.st_ino, found.st_mtime_ns)
            if seen != self._seen:
                self.reason, self._seen = self._read(), seen
        except FileNotFoundError:
            self.reason, self._seen = "", None
        except OSError as error:
            self.reason, self._seen = f"{self.path} cannot be read: {error.strerror}", None
        return self.reason

    def write_reason(self, reason: str) -> None:
        """Put the file there, on disk when this returns: whole, or empty where the disk is full. Raises OSError."""
        fresh = self.path.with_name(f"{FILE_NAME}.{os.getpid()}")
        try:
            _put(fresh, f"{reason}\n".encode())
            os.replace(fresh, self.path)
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:
                raise
            fresh.unlink(missing_ok=True)
            _put(self.path, b"")  # that it exists is what counts, and an empty file takes no room
        self._sync_folder()

    def remove_file(self) -> None:
        """Take the file away for good; none there is fine. Raises OSError."""
        self.path.unlink(missing_ok=True)
        self._sync_folder()
        self.reason, self._seen = "", None

    def _read(self) -> str:
        with self.path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_REASON_CHARS)
        return " ".join(text.split()) or f"the file {self.path} is there"

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _put(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(handle, 0)
        if os.write(handle, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    finally:
        os.close(handle)
