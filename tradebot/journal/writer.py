"""The journal's writer: rows are queued here, in the event loop; a thread writes and syncs them in groups.

`append` never waits, `wait_durable` waits until a row is on disk. Rows go to the thread when a task waits for one of
them, or some milliseconds later. So related rows are one commit, and the thread seldom takes the interpreter lock from
the loop. After a failed write nothing more is written, because after a failed sync the content of the disk is unknown.
The journal then has failed, every waiting task gets the error, and the next start reads what is on disk.
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

QUEUE_ROWS = 100_000  # a disk that is this many rows behind is broken
CommitListener = Callable[[Sequence[tuple[int, str, Message]]], None]


class WriteLimits(NamedTuple):
    """How many rows the disk may be behind, and how long it may take for a row and at the end; None for no limit."""

    queue_rows: int = QUEUE_ROWS
    durable_within_s: float | None = 5.0
    close_within_s: float = 10.0


class _Phase(Enum):
    # The state of a journal; ENDED once its context is left.

    OPENING = 0
    OPEN = 1
    ENDED = 2


class Journal:
    """The one writer of the journal in a state directory; use it as an async context manager.

    Entering locks the directory and opens or creates the journal; leaving writes and syncs the queued rows. Both raise
    StateError. `driver` drives the writing, by default in a thread. `reserve` gives the bytes to reserve for a full
    disk, see `JournalFile`.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        run: str,
        clock: Clock,
        limits: WriteLimits = WriteLimits(),
        reserve: Callable[[int], int] = lambda _: 0,
        driver: WriteDriver | None = None,
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
        self._journal_file = JournalFile(self.path, run=run, lock=self._lock, reserve=reserve, listener=listener)
        self._driver = driver or WriterThread()
        self._row_buffer, self._waiters = RowBuffer(self._driver), Waiters()
        self._phase = _Phase.OPENING
        self._appended = self._synced = 0  # seq of the last row queued, and of the last on disk
        self._loop_callbacks: _LoopCallbacks

    async def __aenter__(self) -> Journal:
        self._loop_callbacks = _LoopCallbacks()
        self._driver.start_work(self._journal_file.write_work())
        try:
            await self._loop_callbacks.opened
        except StateError:
            await self._loop_callbacks.ended
            raise
        except BaseException:
            self._driver.enqueue_row(None)
            raise
        self._phase = _Phase.OPEN
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phase = _Phase.ENDED
        self._row_buffer.flush_rows()
        self._driver.enqueue_row(None)
        try:
            async with asyncio.timeout(self._limits.close_within_s):
                await self._loop_callbacks.ended
        except TimeoutError as late:
            # The thread hangs in a disk call and still holds the lock; both end with the process.
            waiting = self._appended - self._synced
            raise StateError(
                f"{self.path}: {waiting} rows were not on disk {self._limits.close_within_s:g} s after the end"
            ) from late
        self._driver.wait_until_done()
        self._lock.release_lock()
        if self.error is not None and error is None:
            raise self._error_copy()

    def subscribe_to_commits(self, listener: CommitListener) -> None:
        """Call `listener` in the loop after each commit from now on, with its rows (seq, kind, message) in order.

        It delays the loop and every task that waits for the commit, so it must defer long work to a later turn.
        """
        self._listeners = (*self._listeners, listener)

    @property
    def row_numbers(self) -> tuple[int, int]:
        """Return the `seq` of the last queued row and of the last row on disk."""
        return self._appended, self._synced

    @property
    def lag_ns(self) -> int:
        """Return for how many wall ns the oldest queued row has waited for the disk, 0 while every row is on disk.

        After a commit that left rows behind, it is counted from the newest row of that commit.
        """
        return max(self._clock.wall_ns() - self._row_buffer.waits_since, 0) if self._appended > self._synced else 0

    def measure_space(self) -> JournalSpace:
        """Measure the disk space. May wait for the disk, so call it outside the event loop; raises OSError."""
        return JournalSpace(
            free_bytes=self._driver.free_disk_bytes(self.path),
            reserve_bytes=self._journal_file.reserve_left,
            wal_bytes=wal_size_bytes(self.path),
        )

    def append(self, kind: str, message: Message, *, at: int) -> int:
        """Queue a row stamped with market time `at` (ns) and return its ticket, which is its `seq` on disk.

        Rows reach the disk in the order of these calls. Raises the error that made the journal fail. A full queue is
        such a failure, a StateError.
        """
        check_kind(kind, message)
        if self.error is not None:
            raise self._error_copy()
        assert self._phase is _Phase.OPEN, "append to a journal that is not open"
        if self._appended - self._synced >= self._limits.queue_rows:
            self._fail(StateError(f"{self.path}: the disk is {self._limits.queue_rows} rows behind"))
            raise self._error_copy()
        wall = self._clock.wall_ns()
        if self._appended == self._synced:
            self._row_buffer.waits_since = wall
        self._appended += 1
        self._row_buffer.buffer_row(QueuedRow(self._appended, at, wall, kind, message))
        return self._appended

    async def wait_durable(self, ticket: int | None = None) -> None:
        """Wait until the row of `ticket`, by default every row queued so far, is on disk.

        Raises StateError or InvariantBroken when the journal has failed. A disk that takes too long fails the journal
        with a StateError.
        """
        ticket = self._appended if ticket is None else ticket
        assert ticket <= self._appended, f"ticket {ticket} was never given out"
        if ticket <= self._synced:
            return
        if self.error is not None:
            raise self._error_copy()
        self._row_buffer.flush_rows()
        waiter, within_s = self._waiters.add_waiter(ticket), self._limits.durable_within_s
        if within_s is None:
            await waiter
            return
        try:
            async with asyncio.timeout(within_s):
                await waiter
        except TimeoutError as late:
            self._fail(StateError(f"{self.path}: the disk took more than {within_s:g} s for a row"))
            raise self._error_copy() from late

    async def raise_on_failure(self) -> NoReturn:
        """Wait until the journal fails, then raise its error; for a task whose error ends a task group."""
        await self.failed.wait()
        raise self._error_copy()

    def _fail(self, error: TradebotError) -> None:
        if self.error is not None:
            return
        self.error = error
        self.failed.set()
        self._waiters.fail_all(error)

    def _error_copy(self) -> TradebotError:
        assert self.error is not None
        return type(self.error)(str(self.error))

    # ---- callbacks of the journal file, in the event loop

    def _begin(self, seq: int) -> None:
        self._appended = self._synced = seq
        if not self._loop_callbacks.opened.done():
            self._loop_callbacks.opened.set_result(None)

    def _refuse(self, error: TradebotError) -> None:
        if not self._loop_callbacks.opened.done():
            self._loop_callbacks.opened.set_exception(error)

    def _committed(self, group: list[QueuedRow]) -> None:
        self._synced, self._row_buffer.waits_since = group[-1].seq, group[-1].wall_at
        self._waiters.wake_up_to(self._synced)
        # A woken task runs in a later turn of the loop, so it finds that the listeners have run.
        rows = [(row.seq, row.kind, row.message) for row in group]
        for listener in self._listeners:
            listener(rows)

    def _end(self) -> None:
        if self._synced < self._appended:
            self._fail(StateError(f"{self.path}: the writer ended before every row was on disk"))
        if self._phase is _Phase.OPENING:
            self._lock.release_lock()
        if not self._loop_callbacks.ended.done():
            self._loop_callbacks.ended.set_result(None)

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        self._loop_callbacks.post_to_loop(callback, *args)


class _LoopCallbacks:
    # Passes callbacks from the writing thread to the event loop. `opened` is done once the journal is open or cannot be
    # opened, `ended` once the writing has ended.

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def post_to_loop(self, callback: Callable[..., None], *args: Any) -> None:
        """Call `callback` in the event loop; may be called from any thread."""
        # The loop may be closed when the process ends without leaving the context.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)
