"""The journal's scribe: opens the file and adds group after group of rows to it, each hashed, written and synced.

Its work is driven by the hand, away from the loop; what becomes of it is told to the loop.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.errors import InvariantBroken, StateError, TradebotError
from tradebot.journal.chain import GENESIS, link
from tradebot.journal.checkpoints import Checkpoints, checkpoint
from tradebot.journal.hand import Queued, Work
from tradebot.journal.lock import StateLock
from tradebot.journal.rows import Row, encode
from tradebot.journal.schema import connect_writer, grow_log

STATEMENT_ROWS = 64  # rows of one INSERT; a group this small is one statement and one implicit transaction
PAGE_BYTES = 4_096
CHECKPOINT_PAGES = 1_000  # 4 MB of log between two checkpoints

INSERT = "INSERT INTO rows (seq, run, at, wall, kind, prev, hash, body) VALUES "
PLACES = "(?, ?, ?, ?, ?, ?, ?, ?)"


class Listener(NamedTuple):
    """Who hears of the work; each may be called from any thread, in this order, and none waits.

    First `begun` with the `seq` of the last row on disk, or `refused` with why the journal cannot be opened. Then
    `committed` with each group that is on disk; `failed` at most once, after which nothing is written. Last `ended`.
    """

    begun: Callable[[int], None]
    refused: Callable[[TradebotError], None]
    committed: Callable[[list[Queued]], None]
    failed: Callable[[TradebotError], None]
    ended: Callable[[], None]


class Scribe:
    """Writes one journal; takes `lock` when it opens the file and leaves it to others to release it.

    Refuses a disk with fewer than `min_free_mb` MB free. `run` is written into each row.
    """

    def __init__(self, path: Path, *, run: str, lock: StateLock, min_free_mb: int, listener: Listener) -> None:
        self._path, self._folder, self._run, self._lock = path, path.parent, run, lock
        self._min_free_mb, self._listener = min_free_mb, listener
        self._prev = GENESIS  # the hash of the last row

    def work(self) -> Work:
        """Return the work that the hand is to drive."""
        try:
            with ExitStack() as stack:
                yield from self._open_and_serve(stack)
        finally:
            self._listener.ended()

    def _open_and_serve(self, stack: ExitStack) -> Work:
        try:
            connection, checkpoints = self._open(stack)
        except StateError as error:
            self._listener.refused(error)
            return
        except (sqlite3.Error, OSError) as error:
            self._listener.refused(StateError(f"{self._path}: the journal cannot be opened: {error}"))
            return
        try:
            yield from self._serve(connection, checkpoints)
        except (sqlite3.Error, OSError) as error:
            self._listener.failed(StateError(f"{self._path}: a row could not be written: {error}"))
        except (TypeError, ValueError) as error:
            self._listener.failed(InvariantBroken(f"{self._path}: a row could not be encoded: {error}"))

    def _open(self, stack: ExitStack) -> tuple[sqlite3.Connection, Checkpoints]:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire()
        room = os.statvfs(self._folder)
        if (free := room.f_bavail * room.f_frsize // 1_000_000) < self._min_free_mb:
            raise StateError(f"{self._folder}: {free} MB are free, min_free_mb is {self._min_free_mb}")
        connection = connect_writer(self._path)
        stack.callback(connection.close)
        seq = 0
        found = connection.execute(
            "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if found is not None:
            last = Row._make(found)
            if not last.is_sound:
                raise StateError(f"{self._path}: its last row ({last.seq}) was changed; `tradebot verify` tells more")
            seq, self._prev = last.seq, last.hash
        checkpoint(connection)
        grow_log(self._path)
        checkpoints = Checkpoints(self._path)
        stack.callback(checkpoints.close)
        self._listener.begun(seq)
        return connection, checkpoints

    def _serve(self, connection: sqlite3.Connection, checkpoints: Checkpoints) -> Work:
        pages = 0  # written since the last checkpoint, about
        overlapped = False  # did rows come while the log was copied
        while (group := (yield)) is not None:
            was_idle = checkpoints.is_idle
            if group:
                pages += self._commit(connection, group)
                self._listener.committed(group)
            if checkpoints.error is not None:
                raise checkpoints.error
            if not was_idle:
                overlapped = True
            elif overlapped:
                # The few rows that came in between are copied here, where no further ones can come; or else, under a
                # steady load, the log would never be copied whole and never start anew.
                checkpoint(connection)
                pages, overlapped = 0, False
            elif pages > CHECKPOINT_PAGES:
                pages = 0
                checkpoints.ask()

    def _commit(self, connection: sqlite3.Connection, group: list[Queued]) -> int:
        values: list[Any] = []
        size = 0
        for row in group:
            body = encode(row.kind, row.message)
            own = link(
                prev=self._prev, seq=row.seq, run=self._run, at=row.at, wall=row.wall, kind=row.kind, body=body
            )  # fmt: skip
            values += (row.seq, self._run, row.at, row.wall, row.kind, self._prev, own, body)
            self._prev = own
            size += len(body)
        width = len(values) // len(group)
        statements = [
            values[i * width : (i + STATEMENT_ROWS) * width] for i in range(0, len(group), STATEMENT_ROWS)
        ]  # fmt: skip
        if len(statements) > 1:
            connection.execute("BEGIN IMMEDIATE")
        for some in statements:
            connection.execute(INSERT + ", ".join([PLACES] * (len(some) // width)), some)
        if len(statements) > 1:
            connection.execute("COMMIT")
        return size // PAGE_BYTES + 2
