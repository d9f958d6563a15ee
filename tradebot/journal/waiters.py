"""What waits in the journal: tasks, until their row is on disk, and rows, until a task waits for them."""

from __future__ import annotations

import asyncio
import heapq

from tradebot.errors import TradebotError
from tradebot.journal.writer_thread import QueuedRow, WriteDriver

FLUSH_AFTER_S = (
    0.002  # what nobody waits for, answers and fills mostly, goes with the next order's row or this much later
)


class Waiters:
    """Tasks that wait for rows; each is told once, that its row is on disk or what went wrong. In the loop."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []  # (seq, tie break, future)
        self._asked = 0

    def add_waiter(self, seq: int) -> asyncio.Future[None]:
        """Return what ends when the row `seq` is on disk."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked += 1
        heapq.heappush(self._heap, (seq, self._asked, waiter))
        return waiter

    def wake_up_to(self, seq: int) -> None:
        """Wake those whose row is `seq` or before."""
        while self._heap and self._heap[0][0] <= seq:
            waiter = heapq.heappop(self._heap)[2]
            if not waiter.done():
                waiter.set_result(None)

    def fail_all(self, error: TradebotError) -> None:
        """Tell all of them, each by an error of its own."""
        for _, _, waiter in self._heap:
            if not waiter.done():
                waiter.set_exception(type(error)(str(error)))
        self._heap.clear()


class RowBuffer:
    """Rows that nobody waits for yet: `hand` gets them together, when it is told to or some milliseconds later."""

    def __init__(self, hand: WriteDriver) -> None:
        self._hand, self._rows = hand, list[QueuedRow]()
        self._timer: asyncio.TimerHandle | None = None  # while there are some

    def buffer_row(self, row: QueuedRow) -> None:
        """Take a row without waiting."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self.flush_rows)
        self._rows.append(row)

    def flush_rows(self) -> None:
        """Give the hand what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # One after the other without giving the interpreter away: the hand takes them together.
        rows, self._rows = self._rows, []
        for row in rows:
            self._hand.enqueue_row(row)
