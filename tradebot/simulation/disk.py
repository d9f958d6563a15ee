"""The journal's disk in a simulation: real file and real writes, driven by the loop instead of a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tradebot.journal.writer_thread import MAX_GROUP_ROWS, QueuedRow, WriteWork
from tradebot.simulation.seeded_random import SeededRandom

COMMIT_S = (0.0001, 0.003)
SLOW_S, SLOW_SHARE = (0.02, 0.4), 0.01  # slow commits and their share
FREE_BYTES = 1 << 40  # reported as free while the disk is not full
WAKE_S = (0.00002, 0.0005)  # from the synced commit until the loop learns of it; a kill may come in between


class SimulatedDiskWriter:
    """Drives the writes of one journal after random waits; `on_synced` gets the number of the last row on disk.

    After `commits_until_failure` commits the disk fails; with 0 it never does.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rng: SeededRandom,
        on_synced: Callable[[int], None],
        *,
        commits_until_failure: int = 0,
    ) -> None:
        self._loop, self._rng, self._on_synced, self._commits_left = loop, rng, on_synced, commits_until_failure
        # Error of a failing commit; loop time, s, until which all commits are slow.
        self._reason, self._slow_until_s = (
            "disk I/O error",
            0.0,
        )
        self._fails_at_s = 0.0  # loop time, s, from which a full disk fails; 0 while it is not full
        self._rows: list[QueuedRow] = []
        self._has_end = self._is_due = self._has_failed = False
        self._work: WriteWork

    def start_work(self, work: WriteWork) -> None:
        self._work = work
        self._is_due = True
        self._loop.call_later(self._rng.float_between(*COMMIT_S), self._open)

    def enqueue_row(self, row: QueuedRow | None) -> None:
        if row is None:
            self._has_end = True
        else:
            self._rows.append(row)
        self._schedule_write()

    def clear_faults(self) -> None:
        """End all faults of the disk."""
        self._commits_left, self._slow_until_s, self._fails_at_s = 0, 0.0, 0.0

    def fail_next_commit(self, reason: str) -> None:
        """Make the next commit fail with `reason`, as SQLite words it."""
        self._commits_left, self._reason = 1, reason

    def become_full(self, seconds: float) -> None:
        """Report a full disk from now on; commits fail after `seconds`, when the journal's reserve is used up."""
        self._fails_at_s, self._reason = self._loop.time() + seconds, "database or disk is full"

    def slow_commits(self, seconds: float) -> None:
        """Make each commit of the next `seconds` slow."""
        self._slow_until_s = self._loop.time() + seconds

    def wait_until_done(self) -> None:
        pass

    def free_disk_bytes(self, journal: Path) -> int:
        return 0 if self._fails_at_s else FREE_BYTES

    def _schedule_write(self) -> None:
        if not self._is_due and not self._has_failed and (self._rows or self._has_end):
            self._is_due = True
            is_slow = self._rng.draw_bool(SLOW_SHARE) or self._loop.time() < self._slow_until_s
            seconds = SLOW_S if is_slow else COMMIT_S
            self._loop.call_later(self._rng.float_between(*seconds), self._write)

    def _open(self) -> None:
        self._is_due = False
        with suppress(StopIteration):  # the journal did not open; the loop knows already
            next(self._work)
            self._schedule_write()

    def _write(self) -> None:
        self._is_due = False
        if 0 < self._fails_at_s <= self._loop.time():
            self._commits_left = 1
        group, self._rows = self._rows[:MAX_GROUP_ROWS], self._rows[MAX_GROUP_ROWS:]
        if group and self._commits_left == 1:
            # The writer ends here; rows that were queued since are never written.
            self._commits_left, self._has_failed = 0, True
            with suppress(StopIteration):
                self._work.throw(sqlite3.OperationalError(self._reason))
        elif group:
            self._commits_left -= self._commits_left > 1
            with suppress(StopIteration):  # the commit failed; the loop knows already
                self._work.send(group)
                self._on_synced(group[-1].seq)
        elif self._has_end:
            self._has_end = False
            with suppress(StopIteration):
                self._work.send(None)
        self._schedule_write()
