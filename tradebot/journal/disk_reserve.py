"""The journal's disk reserve: free pages inside its file, so that rows can be written on a full disk.

Other programs cannot use these pages. Rows use them up before the file grows, and each start refills them. A clean end
removes the write-ahead log; until the next start a file of the same size reserves the space for it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from tradebot.clock import DAY
from tradebot.journal.checkpoints import run_checkpoint
from tradebot.journal.schema import WAL_BYTES

PAGE_BYTES = 4_096
STEP_BYTES = 2 << 20  # filled in one commit, small enough that the log does not grow
REFILL_BELOW_SHARE = 0.75  # share of the wanted size; below it the reserve is refilled
# What a session writes: 86 KB per symbol, measured on NIFTY50, and a part that does not depend on the symbols.
SYMBOL_BYTES, REST_BYTES = 100_000, 1_000_000
ROW_OVERHEAD_BYTES = 150  # of a row without its body
INDEX_BYTES = 256 << 10  # for the log's index and small files


def wanted_reserve_bytes(symbols: int, last_day: int) -> int:
    """Return the reserve for a session of `symbols` instruments, or twice what the last day wrote if that is more."""
    return max(symbols * SYMBOL_BYTES + REST_BYTES, 2 * last_day)


def last_day_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the rows of the 24 hours before the last row. Raises sqlite3.Error."""
    last = connection.execute("SELECT seq, wall FROM rows ORDER BY seq DESC LIMIT 1").fetchone()
    if last is None:
        return 0
    low, high, since = 1, last[0], last[1] - DAY
    while low < high:
        middle = (low + high) // 2
        (wall,) = connection.execute("SELECT wall FROM rows WHERE seq >= ? LIMIT 1", (middle,)).fetchone()
        low, high = (low, middle) if wall >= since else (middle + 1, high)
    found = connection.execute("SELECT SUM(LENGTH(body)), COUNT(*) FROM rows WHERE seq >= ?", (low,)).fetchone()
    return (found[0] or 0) + found[1] * ROW_OVERHEAD_BYTES  # type: ignore[no-any-return]


def reserve_left_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes left in the reserve. Raises sqlite3.Error."""
    return connection.execute("PRAGMA freelist_count").fetchone()[0] * PAGE_BYTES  # type: ignore[no-any-return]


def fill_reserve(connection: sqlite3.Connection, wanted: int) -> None:
    """Fill the reserve to `wanted` bytes, or as far as the disk allows. Raises sqlite3.Error for any other failure."""
    connection.execute("DROP TABLE IF EXISTS reserve")  # left by an interrupted fill
    if reserve_left_bytes(connection) >= REFILL_BELOW_SHARE * wanted:
        return
    connection.execute("CREATE TABLE reserve (filling BLOB)")
    try:
        for at in range(0, wanted, STEP_BYTES):
            connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (min(STEP_BYTES, wanted - at),))
            if not run_checkpoint(connection):
                break
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
    # The pages of the dropped table stay in the file as free pages, and so stay ours.
    connection.execute("DROP TABLE reserve")
    run_checkpoint(connection)


def reserve_wal_space(journal: Path) -> None:
    """Reserve the space of the write-ahead log after a clean end removed it; do nothing when the disk is full."""
    if journal.with_name(journal.name + "-wal").exists():
        return
    place = _place(journal)
    with suppress(OSError):
        handle = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, WAL_BYTES + INDEX_BYTES)
        except OSError:
            place.unlink()
        finally:
            os.close(handle)


def release_wal_space(journal: Path) -> None:
    """Release that space, just before the log is created."""
    _place(journal).unlink(missing_ok=True)


def _place(journal: Path) -> Path:
    return journal.with_name(journal.name + "-reserve")
