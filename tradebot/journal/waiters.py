"""The journal's waiting tasks, and its buffer of rows for which no task waits yet."""

from __future__ import annotations

import asyncio
import heapq

from tradebot.errors import TradebotError
from tradebot.journal.writer_thread import QueuedRow, WriteDriver

FLUSH_AFTER_S = 0.002  # rows without a waiter, mostly answers and fills, are flushed at the latest after this time


class Waiters:
    """Tasks that wait for rows to be on disk. Each is woken once, by its row or an error. For the event loop."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []  # (seq, tie break, future)
        self._count = 0

    def add_waiter(self, seq: int) -> asyncio.Future[None]:
        """Return a future that is done when the row `seq` is on disk."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._heap, (seq, self._count, waiter))
        return waiter

    def wake_up_to(self, seq: int) -> None:
        """Wake the tasks that wait for row `seq` or an earlier one."""
        while self._heap and self._heap[0][0] <= seq:
            waiter = heapq.heappop(self._heap)[2]
            if not waiter.done():
                waiter.set_result(None)

    def fail_all(self, error: TradebotError) -> None:
        """Raise the error in all waiting tasks, in each a new instance."""
        for _, _, waiter in self._heap:
            if not waiter.done():
                waiter.set_exception(type(error)(str(error)))
        self._heap.clear()


class RowBuffer:
    """Rows for which no task waits yet. They go to `driver` together, on `flush_rows` or some milliseconds later."""

    def __init__(self, driver: WriteDriver) -> None:
        self._driver, self._rows = driver, list[QueuedRow]()
        self.waits_since = 0  # wall ns since which a row has waited for the disk, kept by the journal while any does
        self._timer: asyncio.TimerHandle | None = None  # set while rows are buffered

    def buffer_row(self, row: QueuedRow) -> None:
        """Buffer a row without waiting."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self.flush_rows)
        self._rows.append(row)

    def flush_rows(self) -> None:
        """Pass all buffered rows to the driver."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Without an `await` and without I/O between two rows, so the writing thread finds them as one group.
        rows, self._rows = self._rows, []
        for row in rows:
            self._driver.enqueue_row(row)
