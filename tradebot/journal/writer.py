"""The journal's writer: rows are queued here, in the loop; a thread has the scribe write and sync them in groups.

`append` never waits, `wait_durable` waits until a row is on disk. Rows are handed to the thread when somebody waits for them
or some milliseconds later: what belongs together is one commit, and a thread that works is not in the loop's way.
A write that fails is never tried again: after a failed sync nobody knows what the disk holds, so the journal fails,
every waiter is told, and start-up reads what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn

from tradebot.clock import Clock
from tradebot.domain.message import Message
from tradebot.errors import StateError, TradebotError
from tradebot.journal.disk_space import JournalSpace, wal_size_bytes
from tradebot.journal.journal_file import JournalFile, WriteCallbacks
from tradebot.journal.lock import StateLock
from tradebot.journal.rows import check_kind
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.waiters import RowBuffer, Waiters
from tradebot.journal.writer_thread import QueuedRow, WriteDriver, WriterThread

QUEUE_ROWS = 100_000  # a disk that is this far behind is broken
CommitListener = Callable[[Sequence[tuple[int, str, Message]]], None]


class WriteLimits(NamedTuple):
    """How far the disk may be behind, and how long it may take for a row and at the end; None for no limit."""

    queue_rows: int = QUEUE_ROWS
    durable_within_s: float | None = 5.0
    close_within_s: float = 10.0


class _Phase(Enum):
    # How far a journal has come; ENDED once its context is left.

    OPENING = 0
    OPEN = 1
    ENDED = 2


class Journal:
    """The one writer of a state directory; use as an async context manager.

    Entering locks the directory and opens or makes the journal; leaving writes and syncs what is queued. Both raise
    StateError. `hand` drives the work, by default in a thread. `reserve_bytes` is how many bytes are kept for a full disk,
    see `JournalFile`.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        run: str,
        clock: Clock,
        limits: WriteLimits = WriteLimits(),
        reserve: Callable[[int], int] = lambda _: 0,
        hand: WriteDriver | None = None,
    ) -> None:
        self.path = Path(state_dir) / FILE_NAME
        self._listeners: tuple[CommitListener, ...] = ()
        self.failed = asyncio.Event()  # set once, with `error`
        self.error: TradebotError | None = None
        self._clock, self._limits = clock, limits
        self._lock = StateLock(Path(state_dir))
        listener = WriteCallbacks(
            on_open=partial(self._post, self._begin),
            on_open_failed=partial(self._post, self._refuse),
            on_commit=partial(self._post, self._committed),
            on_failure=partial(self._post, self._fail),
            on_end=partial(self._post, self._end),
        )
        self._scribe = JournalFile(self.path, run=run, lock=self._lock, reserve=reserve, listener=listener)
        self._hand = hand or WriterThread()
        self._lingering, self._waiters = RowBuffer(self._hand), Waiters()
        self._phase = _Phase.OPENING
        self._appended = self._synced = 0  # seq of the last row queued, and of the last on disk
        self._ear: _LoopCallbacks

    async def __aenter__(self) -> Journal:
        self._ear = _LoopCallbacks()
        self._hand.start_work(self._scribe.write_work())
        try:
            await self._ear.opened
        except StateError:
            await self._ear.ended
            raise
        except BaseException:
            self._hand.enqueue_row(None)
            raise
        self._phase = _Phase.OPEN
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phase = _Phase.ENDED
        self._lingering.flush_rows()
        self._hand.enqueue_row(None)
        try:
            async with asyncio.timeout(self._limits.close_within_s):
                await self._ear.ended
        except TimeoutError as late:
            # The thread hangs in the disk and still holds the lock; both go with the process.
            waiting = self._appended - self._synced
            raise StateError(
                f"{self.path}: {waiting} rows were not on disk {self._limits.close_within_s:g} s after the end"
            ) from late
        self._hand.wait_until_done()
        self._lock.release_lock()
        if self.error is not None and error is None:
            raise self._again()

    def subscribe_to_commits(self, listener: CommitListener) -> None:
        """Call `listener` in the loop after each commit from now on with its rows (seq, kind, message), in order.

        It holds the loop and every waiter of the commit: what takes long is kept for a later turn.
        """
        self._listeners = (*self._listeners, listener)

    @property
    def row_numbers(self) -> tuple[int, int]:
        """The numbers of the last row queued and of the last row on disk."""
        return self._appended, self._synced

    def measure_space(self) -> JournalSpace:
        """Ask the disk how much room there is. May wait for it, so not in the loop; raises OSError."""
        return JournalSpace(
            free_bytes=self._hand.free_disk_bytes(self.path),
            reserve_bytes=self._scribe.reserve_left,
            wal_bytes=wal_size_bytes(self.path),
        )

    def append(self, kind: str, message: Message, *, at: int) -> int:
        """Queue a row stamped with market time `at` (ns) and return its ticket, which is its `seq` on disk.

        Rows reach the disk in the order of these calls. Raises what made the journal fail, StateError when the queue
        is full, which is such a failure itself.
        """
        check_kind(kind, message)
        if self.error is not None:
            raise self._again()
        assert self._phase is _Phase.OPEN, "append to a journal that is not open"
        if self._appended - self._synced >= self._limits.queue_rows:
            self._fail(StateError(f"{self.path}: the disk is {self._limits.queue_rows} rows behind"))
            raise self._again()
        self._appended += 1
        self._lingering.buffer_row(QueuedRow(self._appended, at, self._clock.wall_ns(), kind, message))
        return self._appended

    async def wait_durable(self, ticket: int | None = None) -> None:
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
        self._lingering.flush_rows()
        waiter, within_s = self._waiters.add_waiter(ticket), self._limits.durable_within_s
        if within_s is None:
            await waiter
            return
        try:
            async with asyncio.timeout(within_s):
                await waiter
        except TimeoutError as late:
            self._fail(StateError(f"{self.path}: the disk took more than {within_s:g} s for a row"))
            raise self._again() from late

    async def raise_on_failure(self) -> NoReturn:
        """Wait for a failure and raise it; for a task that ends the others when the journal fails."""
        await self.failed.wait()
        raise self._again()

    def _fail(self, error: TradebotError) -> None:
        if self.error is not None:
            return
        self.error = error
        self.failed.set()
        self._waiters.fail_all(error)

    def _again(self) -> TradebotError:
        assert self.error is not None
        return type(self.error)(str(self.error))

    # ---- what the scribe tells, in the loop

    def _begin(self, seq: int) -> None:
        self._appended = self._synced = seq
        if not self._ear.opened.done():
            self._ear.opened.set_result(None)

    def _refuse(self, error: TradebotError) -> None:
        if not self._ear.opened.done():
            self._ear.opened.set_exception(error)

    def _committed(self, group: list[QueuedRow]) -> None:
        self._synced = group[-1].seq
        self._waiters.wake_up_to(self._synced)
        # The waiters wake in a later turn of the loop, so this comes first for them as well.
        rows = [(row.seq, row.kind, row.message) for row in group]
        for listener in self._listeners:
            listener(rows)

    def _end(self) -> None:
        if self._synced < self._appended:
            self._fail(StateError(f"{self.path}: the writer ended before every row was on disk"))
        if self._phase is _Phase.OPENING:
            self._lock.release_lock()
        if not self._ear.ended.done():
            self._ear.ended.set_result(None)

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        self._ear.post_to_loop(callback, *args)


class _LoopCallbacks:
    # What the scribe tells from its thread is heard in the loop: that it `opened` the journal, that it `on_end`.

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def post_to_loop(self, callback: Callable[..., None], *args: Any) -> None:
        # The loop may be gone when the daemon is torn down without leaving the context.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)
