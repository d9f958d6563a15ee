"""The head (last hash) of the journal after each run, in a file beside it, to detect a cut or rewritten journal.

The log, which is stored elsewhere, has the heads too: `tradebot verify --head` compares the journal with one of them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from tradebot.errors import StateError
from tradebot.journal.schema import connect_reader

SUFFIX = ".heads"
MAX_HEADS = 1_000  # runs; enough for some years of days
MAX_FILE_BYTES = 1 << 20  # bytes read from the file
NO_HEAD = (0, "")
ADVICE = (
    "compare it with the log and a backup (`tradebot verify --head`), and what is held and works with the venue; a run"
    " over it opens nothing until `tradebot resume`"
)
_ENDLESS = 1 << 62
_LINE = re.compile(r"(\d{1,18}) ([0-9a-f]{64})")


def head_mismatch_reason(path: Path) -> str:
    """Return why the journal may not be the one that the last run left, "" where its heads match.

    Rows that were cut off or changed may be fills, orders and halts. Raises StateError for an unreadable journal.
    """
    try:
        heads = _heads(path)
    except OSError as error:
        return f"{_beside(path)}: cannot be read: {error.strerror}; {ADVICE}"
    if not heads or (intact := _newest_match(path, heads)) == heads[-1]:
        return ""
    seq, head = heads[-1]
    if not path.exists():
        return f"{path}: there is no journal, though a run left row {seq} of it (head {head}); {ADVICE}"
    return (
        f"{path}: row {seq} is not the one that a run left (head {head}): rows behind row {intact[0]} were cut"
        f" off or changed, or this is an older copy or another journal; {ADVICE}"
    )


def append_head(path: Path, *, keep_through_row: int = _ENDLESS) -> tuple[int, str]:
    """Append the journal's head to the file of heads, and return its row number and hash.

    Heads of rows up to `keep_through_row` stay in the file; newer ones are replaced. Raises StateError.
    """
    try:
        with closing(connect_reader(path)) as connection:
            found = connection.execute("SELECT seq, hash FROM rows ORDER BY seq DESC LIMIT 1").fetchone()
        head = NO_HEAD if found is None else (int(found[0]), bytes(found[1]).hex())
        lines = [
            f"{seq} {hash_}\n"
            for seq, hash_ in [*(one for one in _heads(path) if one[0] <= keep_through_row), head][-MAX_HEADS:]
        ]
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
            found = [_LINE.fullmatch(line.strip()) for line in file.read(MAX_FILE_BYTES).splitlines()]
        return [(int(match[1]), match[2]) for match in found if match is not None]
    return []


def _newest_match(path: Path, heads: Sequence[tuple[int, str]]) -> tuple[int, str]:
    if not path.exists():
        return NO_HEAD
    try:
        with closing(connect_reader(path)) as connection:
            for seq, head in reversed(heads):
                found = connection.execute("SELECT hash FROM rows WHERE seq = ?", (seq,)).fetchone()
                if found is not None and found[0] == bytes.fromhex(head):
                    return seq, head
    except sqlite3.Error as error:
        raise StateError(f"{path}: the journal cannot be read: {error}") from error
    return NO_HEAD
