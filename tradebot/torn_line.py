"""Cuts the last line of a file where it is not whole: a crash tore it, or it is being written at this moment."""

from __future__ import annotations

import os
from pathlib import Path

BLOCK_BYTES = 1 << 16


def cut_torn_line(path: Path) -> None:
    """Cut the file behind its last whole line; nothing is changed where it ends with one or is missing.

    Raises OSError.
    """
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        kept = end
        while kept > 0:
            start = max(0, kept - BLOCK_BYTES)
            file.seek(start)
            newline = file.read(kept - start).rfind(b"\n")
            if newline >= 0:
                kept = start + newline + 1
                break
            kept = start
        if kept != end:
            file.truncate(kept)
