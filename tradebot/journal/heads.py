"""The last hash of the journal at each orderly end, in a file beside it: a journal that was cut or rewritten is known.

The log holds the same, and goes where neither file does: `tradebot verify --head` compares with that.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from tradebot.errors import StateError
from tradebot.journal.schema import connect_reader

SUFFIX = ".heads"
KEPT = 1_000  # ends; some years of days
LARGEST = 1 << 20  # bytes that are read of the file
_LINE = re.compile(r"(\d{1,18}) ([0-9a-f]{64})")


def compare(path: Path) -> None:
    """Compare the journal with its heads; does nothing where there are none. Raises StateError when one is missing."""
    try:
        heads = _heads(path)
    except OSError as error:
        raise StateError(f"{_beside(path)}: cannot be read: {error}") from error
    if not heads or _stands(path, *heads[-1]):
        return
    seq, head = heads[-1]
    sound = next((seq for seq, head in reversed(heads) if path.exists() and _stands(path, seq, head)), 0)
    raise StateError(
        f"{path}: row {seq} is not the one with which a run ended (head {head}): rows behind row {sound} were cut off"
        f" or changed, or this is another journal; compare with the log and a backup (`tradebot verify --head`), and"
        f" remove {_beside(path)} if it is right as it stands"
    )


def keep(path: Path) -> tuple[int, str]:
    """Add the head of the journal to its heads, and return its row and hash. Raises StateError."""
    try:
        with closing(connect_reader(path)) as connection:
            found = connection.execute("SELECT seq, hash FROM rows ORDER BY seq DESC LIMIT 1").fetchone()
        head = (0, "") if found is None else (int(found[0]), bytes(found[1]).hex())
        lines = [f"{seq} {hash_}\n" for seq, hash_ in [*_heads(path), head][-KEPT:]]
        target = _beside(path)
        fresh = target.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="ascii") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(handle)
        os.replace(fresh, target)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{path}: its head cannot be kept: {error}") from error
    return head


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _heads(path: Path) -> list[tuple[int, str]]:
    with suppress(FileNotFoundError):
        handle = os.open(_beside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, encoding="ascii", errors="replace") as file:
            found = [_LINE.fullmatch(line.strip()) for line in file.read(LARGEST).splitlines()]
        return [(int(match[1]), match[2]) for match in found if match is not None]
    return []


def _stands(path: Path, seq: int, head: str) -> bool:
    if not path.exists():
        return False
    with closing(connect_reader(path)) as connection:
        found = connection.execute("SELECT hash FROM rows WHERE seq = ?", (seq,)).fetchone()
    return found is not None and bytes(found[0]).hex() == head
