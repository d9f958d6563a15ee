"""The journal's writer: rows are queued here, in the loop; a thread has the scribe write and sync them in groups.

`append` never waits, `durable` waits until a row is on disk. Rows are handed to the thread when somebody waits for them
or some milliseconds later: what belongs together is one commit, and a thread that works is not in the loop's way.
A write that fails is never tried again: after a failed sync nobody knows what the disk holds, so the journal fails,
every waiter is told, and start-up reads what is there.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from tradebot.clock import Clock
from tradebot.domain.message import Message
from tradebot.errors import StateError, TradebotError
from tradebot.journal.hand import Hand, Queued, WriterThread
from tradebot.journal.lock import StateLock
from tradebot.journal.room import Room, log_bytes
from tradebot.journal.rows import check_kind
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.scribe import Listener, Scribe

QUEUE_ROWS = 100_000  # a disk that is this far behind is broken
Durable = Callable[[Sequence[tuple[int, str, Message]]], None]
LINGER_S = 0.002  # what nobody waits for, answers and fills mostly, goes with the next order's row or this much later


class Journal:
    """The one writer of a state directory; use as an async context manager.

    Entering locks the directory and opens or makes the journal; leaving writes and syncs what is queued. Both raise
    StateError. `hand` drives the work, by default in a thread. `reserve` is how many bytes are kept for a full disk,
    see `Scribe`.
    """

    def __init__(
        self, state_dir: Path, *, run: str, clock: Clock,
        queue_rows: int = QUEUE_ROWS,
        durable_within_s: float | None = 5.0, close_within_s: float = 10.0, reserve: Callable[[int], int] = lambda _: 0,
        hand: Hand | None = None,
    ) -> None:  # fmt: skip
        self.state_dir, self.path = Path(state_dir), Path(state_dir) / FILE_NAME
        self._listeners: tuple[Durable, ...] = ()
        self.failed = asyncio.Event()  # set once, with `error`
        self.error: TradebotError | None = None
        self.commits = 0
        self._clock, self._queue_rows = clock, queue_rows
        self._durable_within_s, self._close_within_s = durable_within_s, close_within_s
        self._lock = StateLock(self.state_dir)
        listener = Listener(
            begun=partial(self._post, self._begin), refused=partial(self._post, self._refuse),
            committed=partial(self._post, self._committed), failed=partial(self._post, self._fail),
            ended=partial(self._post, self._end),
        )  # fmt: skip
        self._scribe = Scribe(self.path, run=run, lock=self._lock, reserve=reserve, listener=listener)
        self._hand = hand or WriterThread()
        self._held: list[Queued] = []  # rows not handed over yet
        self._lingering: asyncio.TimerHandle | None = None  # while there are some
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []  # heap of (seq, tie break, future)
        self._asked = 0
        self._is_entered = self._is_open = False
        self._appended = self._synced = 0  # seq of the last row queued, and of the last on disk
        self._loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> Journal:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._hand.start(self._scribe.work())
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

    def subscribe(self, listener: Durable) -> None:
        """Call `listener` in the loop after each commit from now on with its rows (seq, kind, message), in order.

        It holds the loop and every waiter of the commit: what takes long is kept for a later turn.
        """
        self._listeners = (*self._listeners, listener)

    @property
    def head(self) -> tuple[int, int]:
        """The numbers of the last row queued and of the last row on disk."""
        return self._appended, self._synced

    def room(self) -> Room:
        """Ask the disk how much room there is. May wait for it, so not in the loop; raises OSError."""
        return Room(
            free=self._hand.free(self.path), reserve=self._scribe.reserve_left, log=log_bytes(self.path)
        )  # fmt: skip

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

    def _hand_over(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        # One after the other without giving the interpreter away: the hand takes them together.
        held, self._held = self._held, []
        for row in held:
            self._hand.put(row)

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

    # ---- what the scribe tells, in the loop

    def _begin(self, seq: int) -> None:
        self._appended = self._synced = seq
        if not self._opened.done():
            self._opened.set_result(None)

    def _refuse(self, error: TradebotError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)

    def _committed(self, group: list[Queued]) -> None:
        self._synced = group[-1].seq
        self.commits += 1
        while self._waiters and self._waiters[0][0] <= self._synced:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                waiter.set_result(None)
        # The waiters wake in a later turn of the loop, so this comes first for them as well.
        rows = [(row.seq, row.kind, row.message) for row in group]
        for listener in self._listeners:
            listener(rows)

    def _end(self) -> None:
        if self._synced < self._appended:
            self._fail(StateError(f"{self.path}: the writer ended before every row was on disk"))
        if not self._is_entered:
            self._lock.release()
        if not self._ended.done():
            self._ended.set_result(None)

    def _post(self, callback: Callable[..., None], *args: Any) -> None:
        # The loop may be gone when the daemon is torn down without leaving the context.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)
