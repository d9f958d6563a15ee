"""The journal's writer: rows are queued in the loop, hashed, written and synced in one thread, group by group.

`append` never waits, `durable` waits until a row is on disk. Rows are handed to the thread when somebody waits for them
or some milliseconds later: what belongs together is one commit, and a thread that works is not in the loop's way.
A write that fails is never tried again: after a failed sync nobody knows what the disk holds, so the journal fails,
every waiter is told, and start-up reads what is there.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from tradebot.clock import Clock
from tradebot.domain.message import Message
from tradebot.errors import InvariantBroken, StateError, TradebotError
from tradebot.journal.chain import GENESIS, link
from tradebot.journal.checkpoints import Checkpoints, checkpoint
from tradebot.journal.hand import Hand, Queued, Work, WriterThread
from tradebot.journal.lock import StateLock
from tradebot.journal.rows import Row, check_kind, encode
from tradebot.journal.schema import FILE_NAME, connect_writer, grow_log

QUEUE_ROWS = 100_000  # a disk that is this far behind is broken
LINGER_S = 0.002  # what nobody waits for, answers and fills mostly, goes with the next order's row or this much later
STATEMENT_ROWS = 64  # rows of one INSERT; a group this small is one statement and one implicit transaction
PAGE_BYTES = 4_096
CHECKPOINT_PAGES = 1_000  # 4 MB of log between two checkpoints

INSERT = "INSERT INTO rows (seq, run, at, wall, kind, prev, hash, body) VALUES "
PLACES = "(?, ?, ?, ?, ?, ?, ?, ?)"


class Journal:
    """The one writer of a state directory; use as an async context manager.

    Entering locks the directory and opens or makes the journal; leaving writes and syncs what is queued. Both raise
    StateError. `on_durable` is called in the loop after each commit with its rows (seq, kind, message), in order.
    `hand` drives the work, by default in a thread.
    """

    def __init__(
        self, state_dir: Path, *, run: str, clock: Clock,
        on_durable: Callable[[list[tuple[int, str, Message]]], None] | None = None, queue_rows: int = QUEUE_ROWS,
        durable_within_s: float | None = 5.0, close_within_s: float = 10.0, min_free_mb: int = 0,
        hand: Hand | None = None,
    ) -> None:  # fmt: skip
        self.state_dir, self.path = Path(state_dir), Path(state_dir) / FILE_NAME
        self.run, self.on_durable = run, on_durable
        self.failed = asyncio.Event()  # set once, with `error`
        self.error: TradebotError | None = None
        self.commits = 0
        self._clock, self._queue_rows, self._min_free_mb = clock, queue_rows, min_free_mb
        self._durable_within_s, self._close_within_s = durable_within_s, close_within_s
        self._lock = StateLock(self.state_dir)
        self._hand = hand or WriterThread()
        self._held: list[Queued] = []  # rows not handed over yet
        self._lingering: asyncio.TimerHandle | None = None  # while there are some
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []  # heap of (seq, tie break, future)
        self._asked = 0
        self._is_entered = self._is_open = False
        self._appended = self._synced = 0  # seq of the last row queued, and of the last on disk
        self._prev = GENESIS  # the hand's alone
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> Journal:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._hand.start(self._work())
        try:
            await self._opened
        except StateError:
            await self._ended
            raise
        except BaseException:
            self._hand.put(None)
            raise
        self._is_entered = self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._hand_over()
        self._hand.put(None)
        try:
            async with asyncio.timeout(self._close_within_s):
                await self._ended
        except TimeoutError as late:
            # The thread hangs in the disk and still holds the lock; both go with the process.
            waiting = self._appended - self._synced
            raise StateError(
                f"{self.path}: {waiting} rows were not on disk {self._close_within_s:g} s after the end"
            ) from late
        self._hand.join()
        self._lock.release()
        if self.error is not None and error is None:
            raise self._again()

    @property
    def head(self) -> tuple[int, int]:
        """The numbers of the last row queued and of the last row on disk."""
        return self._appended, self._synced

    def append(self, kind: str, message: Message, *, at: int) -> int:
        """Queue a row stamped with market time `at` (ns) and return its ticket, which is its `seq` on disk.

        Rows reach the disk in the order of these calls. Raises what made the journal fail, StateError when the queue
        is full, which is such a failure itself.
        """
        check_kind(kind, message)
        if self.error is not None:
            raise self._again()
        assert self._is_open, "append to a journal that is not open"
        if self._appended - self._synced >= self._queue_rows:
            self._fail(StateError(f"{self.path}: the disk is {self._queue_rows} rows behind"))
            raise self._again()
        self._appended += 1
        if self._lingering is None:
            self._lingering = self._loop.call_later(LINGER_S, self._hand_over)
        self._held.append(Queued(self._appended, at, self._clock.wall(), kind, message))
        return self._appended

    async def durable(self, ticket: int | None = None) -> None:
        """Wait until the row of `ticket`, by default every row queued so far, is on disk.

        Raises StateError or InvariantBroken when the journal failed, StateError when the disk takes too long, which
        fails the journal.
        """
        ticket = self._appended if ticket is None else ticket
        assert ticket <= self._appended, f"ticket {ticket} was never given out"
        if ticket <= self._synced:
            return
        if self.error is not None:
            raise self._again()
        self._hand_over()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._asked += 1
        heapq.heappush(self._waiters, (ticket, self._asked, waiter))
        if self._durable_within_s is None:
            await waiter
            return
        try:
            async with asyncio.timeout(self._durable_within_s):
                await waiter
        except TimeoutError as late:
            self._fail(StateError(f"{self.path}: the disk took more than {self._durable_within_s:g} s for a row"))
            raise self._again() from late

    async def watch(self) -> NoReturn:
        """Wait for a failure and raise it; for a task that ends the others when the journal fails."""
        await self.failed.wait()
        raise self._again()

    # ---- in the loop

    def _hand_over(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        # One after the other without giving the interpreter away: the hand takes them together.
        held, self._held = self._held, []
        for row in held:
            self._hand.put(row)

    def _committed(self, group: list[Queued]) -> None:
        self._synced = group[-1].seq
        self.commits += 1
        while self._waiters and self._waiters[0][0] <= self._synced:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                waiter.set_result(None)
        # The waiters wake in a later turn of the loop, so this comes first for them as well.
        if self.on_durable is not None:
            self.on_durable([(row.seq, row.kind, row.message) for row in group])

    def _fail(self, error: TradebotError) -> None:
        if self.error is not None:
            return
        self.error = error
        self.failed.set()
        for _, _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._again())
        self._waiters.clear()

    def _again(self) -> TradebotError:
        assert self.error is not None
        return type(self.error)(str(self.error))

    def _begin(self, seq: int) -> None:
        self._appended = self._synced = seq
        if not self._opened.done():
            self._opened.set_result(None)

    def _refuse(self, error: TradebotError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)

    def _end(self) -> None:
        if self._synced < self._appended:
            self._fail(StateError(f"{self.path}: the writer ended before every row was on disk"))
        if not self._is_entered:
            self._lock.release()
        if not self._ended.done():
            self._ended.set_result(None)

    # ---- driven by the hand

    def _work(self) -> Work:
        try:
            with ExitStack() as stack:
                yield from self._open_and_serve(stack)
        finally:
            self._post(self._end)

    def _open_and_serve(self, stack: ExitStack) -> Work:
        try:
            connection, checkpoints = self._open(stack)
        except StateError as error:
            self._post(self._refuse, error)
            return
        except (sqlite3.Error, OSError) as error:
            self._post(self._refuse, StateError(f"{self.path}: the journal cannot be opened: {error}"))
            return
        try:
            yield from self._serve(connection, checkpoints)
        except (sqlite3.Error, OSError) as error:
            self._post(self._fail, StateError(f"{self.path}: a row could not be written: {error}"))
        except (TypeError, ValueError) as error:
            self._post(self._fail, InvariantBroken(f"{self.path}: a row could not be encoded: {error}"))

    def _open(self, stack: ExitStack) -> tuple[sqlite3.Connection, Checkpoints]:
        if not self.state_dir.is_dir():
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire()
        room = os.statvfs(self.state_dir)
        if (free := room.f_bavail * room.f_frsize // 1_000_000) < self._min_free_mb:
            raise StateError(f"{self.state_dir}: {free} MB are free, min_free_mb is {self._min_free_mb}")
        connection = connect_writer(self.path)
        stack.callback(connection.close)
        seq = 0
        found = connection.execute(
            "SELECT seq, run, at, wall, kind, prev, hash, body FROM rows ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if found is not None:
            last = Row._make(found)
            if not last.is_sound:
                raise StateError(f"{self.path}: its last row ({last.seq}) was changed; `tradebot verify` tells more")
            seq, self._prev = last.seq, last.hash
        checkpoint(connection)
        grow_log(self.path)
        checkpoints = Checkpoints(self.path)
        stack.callback(checkpoints.close)
        self._post(self._begin, seq)
        return connection, checkpoints

    def _serve(self, connection: sqlite3.Connection, checkpoints: Checkpoints) -> Work:
        pages = 0  # written since the last checkpoint, about
        overlapped = False  # did rows come while the log was copied
        while (group := (yield)) is not None:
            was_idle = checkpoints.is_idle
            if group:
                pages += self._commit(connection, group)
                self._post(self._committed, group)
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
                prev=self._prev, seq=row.seq, run=self.run, at=row.at, wall=row.wall, kind=row.kind, body=body
            )  # fmt: skip
            values += (row.seq, self.run, row.at, row.wall, row.kind, self._prev, own, body)
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

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        # The loop may be gone when the daemon is torn down without leaving the context.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)
