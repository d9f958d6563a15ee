"""Files of this user alone in the state directory, such as keys: opened only as such, and replaced whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_private(path: Path) -> BinaryIO | None:
    """Open a file for reading, None where it is no plain file of this user or others can reach it.

    A link is not followed. Raises OSError.
    """
    # A pipe in its place must not make the start wait for who writes into it.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        os.close(handle)
        return None
    return os.fdopen(handle, "rb")


def replace_private(path: Path, raw: bytes, *, is_synced: bool) -> None:
    """Replace a file whole by `raw`, for this user alone; with `is_synced` it is on disk first.

    One writer at a time: a second one would take the new file of the first. Raises OSError.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)  # what a crash left, or a link in the way
    handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())
    os.replace(fresh, path)
