"""The journal file's writer: opens the file and appends groups of rows, each hashed, written and synced.

A `WriteDriver` drives it outside the event loop; callbacks report its results to the loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.errors import InvariantBroken, StateError, TradebotError
from tradebot.journal.chain import GENESIS_HASH, chain_hash
from tradebot.journal.checkpoints import CheckpointThread, run_checkpoint
from tradebot.journal.disk_reserve import (
    fill_reserve,
    last_day_bytes,
    release_wal_space,
    reserve_left_bytes,
    reserve_wal_space,
)
from tradebot.journal.lock import StateLock
from tradebot.journal.rows import JournalRow, encode_body
from tradebot.journal.schema import connect_writer, preallocate_wal
from tradebot.journal.writer_thread import QueuedRow, WriteWork

STATEMENT_ROWS = 64  # rows in one INSERT; a group up to this size is one statement and one implicit transaction
PAGE_BYTES = 4_096
CHECKPOINT_PAGES = 1_000  # about 4 MB of log between two checkpoints
MAX_EXTRA_PAGES = 4  # at most, in a commit: a new leaf, its parent, a page of the free list and the database header
RESERVE_COUNTED_EVERY = 16  # commits between two reads of the size of the reserve

INSERT_SQL = "INSERT INTO rows (seq, run, at, wall, kind, prev, hash, body) VALUES "
PLACEHOLDERS = "(?, ?, ?, ?, ?, ?, ?, ?)"


class WriteCallbacks(NamedTuple):
    """Callbacks about the writing. They are called in this order, from any thread, and must not wait.

    Either `on_open` is called with the `seq` of the last row on disk, or `on_open_failed` with the reason why the
    journal cannot be opened. `on_commit` gets each group that is on disk. `on_failure` is called at most once; then
    nothing more is written. `on_end` is always called last.
    """

    on_open: Callable[[int], None]
    on_open_failed: Callable[[TradebotError], None]
    on_commit: Callable[[list[QueuedRow]], None]
    on_failure: Callable[[TradebotError], None]
    on_end: Callable[[], None]


class JournalFile:
    """Writes one journal file. It acquires `lock` when it opens the file; the owner of the lock releases it.

    `reserve` maps the bytes that the last day wrote to the bytes that are kept free inside the file, for rows on a full
    disk. `reserve_left` is the number of those bytes left. `run` is the id of the run, written into each row.
    """

    def __init__(
        self, path: Path, *, run: str, lock: StateLock, reserve: Callable[[int], int], listener: WriteCallbacks
    ) -> None:
        self._path, self._folder, self._run, self._lock = path, path.parent, run, lock
        self._reserve, self._listener = reserve, listener
        self.reserve_left = 0  # bytes; other threads read it
        self._prev = GENESIS_HASH  # the hash of the last row

    def write_work(self) -> WriteWork:
        """Return the generator that writes, for a `WriteDriver` (`writer_thread.py`) to drive.

        The first `next` opens the journal. Each `send` of a group writes and syncs it. An empty group writes nothing
        and only lets checkpoints go on. `send(None)` closes the journal.
        """
        try:
            with ExitStack() as stack:
                yield from self._open_and_serve(stack)
        finally:
            self._listener.on_end()

    def _open_and_serve(self, stack: ExitStack) -> WriteWork:
        try:
            connection, checkpoints = self._open(stack)
        except StateError as error:
            self._listener.on_open_failed(error)
            return
        except (sqlite3.Error, OSError) as error:
            self._listener.on_open_failed(StateError(f"{self._path}: the journal cannot be opened: {error}"))
            return
        try:
            yield from self._serve(connection, checkpoints)
        except (sqlite3.Error, OSError) as error:
            self._listener.on_failure(StateError(f"{self._path}: a row could not be written: {error}"))
        except (TypeError, ValueError) as error:
            self._listener.on_failure(InvariantBroken(f"{self._path}: a row could not be encoded: {error}"))

    def _open(self, stack: ExitStack) -> tuple[sqlite3.Connection, CheckpointThread]:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire_lock()
        release_wal_space(self._path)
        stack.callback(reserve_wal_space, self._path)
        connection = connect_writer(self._path)
        stack.callback(connection.close)
        seq = 0
        found = connection.execute(
            "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if found is not None:
            last = JournalRow._make(found)
            if not last.has_valid_hash:
                raise StateError(f"{self._path}: its last row ({last.seq}) was changed; `tradebot verify` tells more")
            seq, self._prev = last.seq, last.hash
        run_checkpoint(connection)
        preallocate_wal(self._path)
        if wanted := self._reserve(last_day_bytes(connection)):
            fill_reserve(connection, wanted)
        self.reserve_left = reserve_left_bytes(connection)
        checkpoints = CheckpointThread(self._path)
        stack.callback(checkpoints.stop_thread)
        self._listener.on_open(seq)
        return connection, checkpoints

    def _serve(self, connection: sqlite3.Connection, checkpoints: CheckpointThread) -> WriteWork:
        pages = 0  # estimate of the pages written since the last checkpoint
        overlapped = False  # whether a checkpoint was running when a group came
        commits = 0
        while (group := (yield)) is not None:
            was_idle = checkpoints.is_idle
            if group:
                pages += self._commit_on_any_disk(connection, checkpoints, group)
                self._listener.on_commit(group)
                commits += 1
                if commits % RESERVE_COUNTED_EVERY == 0:
                    self.reserve_left = reserve_left_bytes(connection)
            if checkpoints.error is not None:
                raise checkpoints.error
            if not was_idle:
                overlapped = True
            elif overlapped:
                # Copy the few rows that came during the checkpoint. None can come now, because only this generator
                # writes. Without this, the log would never be copied completely under a steady load, and never restart.
                run_checkpoint(connection)
                pages, overlapped = 0, False
            elif pages > CHECKPOINT_PAGES:
                pages = 0
                checkpoints.request_checkpoint()

    def _commit_on_any_disk(
        self, connection: sqlite3.Connection, checkpoints: CheckpointThread, group: list[QueuedRow]
    ) -> int:
        before = self._prev
        try:
            return self._commit(connection, group)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
        # The disk is full, so the log could not grow. The whole group was rolled back, so it can be tried once more,
        # which is not possible after a failed sync. A checkpoint copies the log into the reserve; then the log restarts
        # at its front and has space.
        self._prev = before
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        checkpoints.wait_until_idle()
        run_checkpoint(connection)
        return self._commit(connection, group)

    def _commit(self, connection: sqlite3.Connection, group: list[QueuedRow]) -> int:
        values: list[Any] = []
        size = 0
        for row in group:
            body = encode_body(row.kind, row.message)
            # Each row's hash covers the hash of the row before it.
            own = chain_hash(
                prev=self._prev, seq=row.seq, run=self._run, at=row.at, wall=row.wall_at, kind=row.kind, body=body
            )
            values += (row.seq, self._run, row.at, row.wall_at, row.kind, self._prev, own, body)
            self._prev = own
            size += len(body)
        width = len(values) // len(group)
        statements = [values[i * width : (i + STATEMENT_ROWS) * width] for i in range(0, len(group), STATEMENT_ROWS)]
        if len(statements) > 1:
            connection.execute("BEGIN IMMEDIATE")
        for some in statements:
            connection.execute(INSERT_SQL + ", ".join([PLACEHOLDERS] * (len(some) // width)), some)
        if len(statements) > 1:
            connection.execute("COMMIT")
        return size // PAGE_BYTES + MAX_EXTRA_PAGES
