"""Where the control socket is, reached by a path of any length; both its ends use this."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET_NAME = "control.sock"
MAX_ADDRESS_BYTES = 100  # bytes; the kernel's socket addresses end at 107


@contextmanager
def socket_path(state_dir: Path) -> Iterator[str]:
    """Yield a path of the socket that fits into a socket address; valid while the context is open.

    Raises OSError where the folder cannot be opened.
    """
    path = str(Path(state_dir).absolute() / SOCKET_NAME)
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES:
        yield path
        return
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)
