"""The address of the control socket, for a state directory of any path length; client and server use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET_NAME = "control.sock"
MAX_ADDRESS_BYTES = 100  # bytes; the kernel allows 107


@contextmanager
def socket_path(state_dir: Path) -> Iterator[str]:
    """Yield a path to the socket that fits into a socket address; it is valid while the context is open.

    Raises OSError if the folder cannot be opened.
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
