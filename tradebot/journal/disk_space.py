"""Measures the disk space of the journal; other modules decide what follows from it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MB = 1_000_000
PROCESSES = Path("/proc")


class JournalSpace(NamedTuple):
    """Space in bytes: free on the disk, left in the reserve inside the journal's file, size of the write-ahead log."""

    free_bytes: int
    reserve_bytes: int
    wal_bytes: int


def free_disk_bytes(journal: Path) -> int:
    """Return the lesser of the bytes free for us at the journal and at its folder. May wait; raises OSError."""
    places = {journal.parent, journal} if journal.exists() else {journal.parent}
    return min(found.f_bavail * found.f_frsize for found in map(os.statvfs, places))


def wal_size_bytes(journal: Path) -> int:
    """Return the size of the write-ahead log in bytes, 0 without one."""
    try:
        return journal.with_name(journal.name + "-wal").stat().st_size
    except OSError:
        return 0


def reading_processes(journal: Path) -> list[str]:
    """Return `name (pid)` of the other processes that have the journal open, sorted; only those that we may inspect."""
    wanted, found = os.path.realpath(journal), []
    for process in PROCESSES.iterdir() if PROCESSES.is_dir() else ():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(os.readlink(handle) == wanted for handle in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
    return sorted(found)
