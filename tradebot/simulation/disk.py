"""The journal's disk in a simulation: the real file and the real work, driven by the loop instead of a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tradebot.journal.hand import GROUP_ROWS, Queued, Work
from tradebot.simulation.dice import Dice

COMMIT_S = (0.0001, 0.003)
SLOW_S, SLOW = (0.02, 0.4), 0.01  # and the share of the commits that are slow
ROOM_BYTES = 1 << 40  # free on a disk that is not full
WAKE_S = (0.00002, 0.0005)  # from the synced commit until the loop hears of it; a kill may fall in between


class SimulatedHand:
    """Drives one journal's work after seeded waits; `on_synced` hears the number of each last row that is on disk.

    After `commits` the disk fails; with 0 it never does.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, dice: Dice, on_synced: Callable[[int], None], *, commits: int = 0
    ) -> None:
        self._loop, self._dice, self._on_synced, self._left = loop, dice, on_synced, commits
        self._reason, self._slow_until = (
            "disk I/O error",
            0.0,
        )  # of a failing commit; loop time until which all are slow
        self._fails_at = 0.0  # loop time from which a full disk takes nothing more; 0 while it is not full
        self._rows: list[Queued] = []
        self._has_end = self._is_due = False
        self._work: Work

    def start(self, work: Work) -> None:
        self._work = work
        self._is_due = True
        self._loop.call_later(self._dice.between(*COMMIT_S), self._open)

    def put(self, row: Queued | None) -> None:
        if row is None:
            self._has_end = True
        else:
            self._rows.append(row)
        self._come()

    def heal(self) -> None:
        """Let the disk fail no more."""
        self._left, self._slow_until, self._fails_at = 0, 0.0, 0.0

    def fail(self, reason: str) -> None:
        """Let the next commit fail for `reason`, as SQLite words it."""
        self._left, self._reason = 1, reason

    def fill(self, seconds: float) -> None:
        """Let the disk be full from now on; some seconds later what the journal kept for that is used up as well."""
        self._fails_at, self._reason = self._loop.time() + seconds, "database or disk is full"

    def slow_down(self, seconds: float) -> None:
        """Let each commit of the next seconds take long."""
        self._slow_until = self._loop.time() + seconds

    def join(self) -> None:
        pass

    def free(self, journal: Path) -> int:
        return 0 if self._fails_at else ROOM_BYTES

    def _come(self) -> None:
        if not self._is_due and (self._rows or self._has_end):
            self._is_due = True
            is_slow = self._dice.happens(SLOW) or self._loop.time() < self._slow_until
            seconds = SLOW_S if is_slow else COMMIT_S
            self._loop.call_later(self._dice.between(*seconds), self._write)

    def _open(self) -> None:
        self._is_due = False
        with suppress(StopIteration):  # it could not begin, and the loop has been told
            next(self._work)
            self._come()

    def _write(self) -> None:
        self._is_due = False
        if 0 < self._fails_at <= self._loop.time():
            self._left = 1
        group, self._rows = self._rows[:GROUP_ROWS], self._rows[GROUP_ROWS:]
        if group and self._left == 1:
            self._left = 0  # the work ends with it; what was put meanwhile finds nobody
            with suppress(StopIteration):
                self._work.throw(sqlite3.OperationalError(self._reason))
        elif group:
            self._left -= self._left > 1
            with suppress(StopIteration):  # it failed, and the loop has been told
                self._work.send(group)
                self._on_synced(group[-1].seq)
        elif self._has_end:
            self._has_end = False
            with suppress(StopIteration):
                self._work.send(None)
        self._come()
