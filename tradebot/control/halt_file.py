"""The HALT file in the state directory: while it exists no order leaves, no matter who wrote it or what runs.

The kill switch writes it without the daemon. The daemon checks it at start and before every send. Only an operator's
`resume` removes it. Its existence is what counts: a file made by `touch` works too.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

FILE_NAME = "HALT"
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
MAX_REASON_CHARS = 500  # characters read of a reason


class HaltFile:
    """The file `<state_dir>/HALT`. `reason` is what the last `read_reason` found, empty without a file."""

    def __init__(self, state_dir: Path) -> None:
        self.path = Path(state_dir) / FILE_NAME
        self.reason = ""
        self._seen: tuple[int, int] | None = None  # (inode, mtime in ns) of the file that `reason` was read from

    def read_reason(self) -> str:
        """Read the file now and return its reason, empty without a file.

        A file that cannot be read and a folder that cannot be searched halt too: the reason then says so.
        """
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
        """Write the file and sync it to disk: whole, or empty if the disk is full. Raises OSError."""
        fresh = self.path.with_name(f"{FILE_NAME}.{os.getpid()}")
        try:
            _put(fresh, f"{reason}\n".encode())
            os.replace(fresh, self.path)
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:
                raise
            fresh.unlink(missing_ok=True)
            _put(self.path, b"")  # existence is what counts, and an empty file takes no space
        self._sync_folder()

    def remove_file(self) -> None:
        """Remove the file and sync the folder to disk; a missing file is no error. Raises OSError."""
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
