"""The bounded queues between the stages, each with its overflow policy, and the inboxes that read them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from tradebot.clock import Clock, TimeSlice
from tradebot.domain.market import Quotes, conflate_quotes
from tradebot.errors import InvariantBroken

TIME_SLICE_NS = 2_000_000  # a stage with messages waiting works this long, then the other tasks run


class BoundedQueue(asyncio.Queue[Any]):
    """A bounded queue that wakes its inbox. When it is full, `put` waits, and `put_nowait` and `put_or_fail` raise.

    A dozen messages pass for every order. So `put_nowait` and `get_nowait` are written out here: those of
    `asyncio.Queue` make eight calls and count unfinished tasks, which nothing here needs.
    """

    _queue: deque[Any]
    _getters: deque[asyncio.Future[None]]
    _putters: deque[asyncio.Future[None]]
    _wakeup_next: Callable[[deque[asyncio.Future[None]]], None]

    def __init__(self, name: str, size: int) -> None:
        super().__init__(size)
        self.name, self._size = name, size
        self.inbox: Inbox | None = None  # the inbox that reads this queue, if one does
        self.merged_count = 0
        self.max_depth = 0

    def put_nowait(self, item: Any) -> None:
        """Put without waiting. Raises QueueFull."""
        waiting = self._queue
        if len(waiting) >= self._size:
            raise asyncio.QueueFull
        waiting.append(item)
        if len(waiting) > self.max_depth:
            self.max_depth = len(waiting)
        if self.inbox is not None and self.inbox.reader_wakeup is not None:
            self.inbox.wake_reader()
        if self._getters:
            self._wakeup_next(self._getters)

    def get_nowait(self) -> Any:
        """Take without waiting. Raises QueueEmpty."""
        if not self._queue:
            raise asyncio.QueueEmpty
        item = self._queue.popleft()
        if self._putters:
            self._wakeup_next(self._putters)
        return item

    def put_or_fail(self, item: Any) -> None:
        """Put without waiting. Raises InvariantBroken when full, because this queue's messages may not be lost."""
        try:
            self.put_nowait(item)
        except asyncio.QueueFull:
            raise InvariantBroken(
                f"queue {self.name} is full at {self.maxsize}; its messages may not be lost"
            ) from None

    def offer_quotes(self, quotes: Quotes) -> None:
        """Put quotes without waiting. When full, merge them into the newest waiting quotes.

        Of each symbol in the two frames only the newest row stays.
        """
        if len(self._queue) < self._size:
            self.put_nowait(quotes)
            return
        # Merge into the newest waiting quotes. If none wait, because the queue is full of ticks, these are dropped.
        waiting = self._queue
        for i in range(len(waiting) - 1, -1, -1):
            if isinstance(waiting[i], Quotes):
                before = len(waiting[i]) + len(quotes)
                waiting[i] = conflate_quotes(waiting[i], quotes)
                self.merged_count += before - len(waiting[i])
                return
        self.merged_count += len(quotes)


class Inbox:
    """The messages of one or several queues, read by one stage.

    Each queue is read first in, first out; all messages of a queue are read before those of the queues listed after it.
    The stage iterates over the inbox for ever. After `TIME_SLICE_NS` of work on waiting messages it yields to the other
    tasks.
    """

    def __init__(self, queues: Sequence[BoundedQueue], clock: Clock) -> None:
        self._queues, self._clock = tuple(queues), clock
        self._turn = TimeSlice(clock, TIME_SLICE_NS)
        self.reader_wakeup: asyncio.Future[None] | None = None  # set while the stage waits for a message
        for queue in queues:
            queue.inbox = self

    def take_nowait(self) -> Any:
        """Return the next waiting message, or None."""
        for queue in self._queues:
            if queue._queue:
                return queue.get_nowait()
        return None

    def __aiter__(self) -> Self:
        self._turn.restart()
        return self

    async def __anext__(self) -> Any:
        if self._clock.monotonic_ns() > self._turn.ends_mono:
            await self._turn.yield_if_due()
        while (message := self.take_nowait()) is None:
            self.reader_wakeup = asyncio.get_running_loop().create_future()
            await self.reader_wakeup
            self._turn.restart()
        return message

    def end_time_slice(self) -> None:
        """Yield to the other tasks before the next message, however short the stage has worked."""
        self._turn.expire()

    def wake_reader(self) -> None:
        """Wake the stage: a queue holds a message."""
        waiting, self.reader_wakeup = self.reader_wakeup, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    @property
    def is_empty(self) -> bool:
        """True when no queue of this inbox holds a message."""
        return all(queue.empty() for queue in self._queues)


class StageQueues:
    """The queues between the stages, and the two inboxes: that of the market stage and that of the desk stage.

    When a queue is full, quotes merge to the newest row a symbol, and the sender of closes or signals waits. Updates
    may not be lost, so a full queue of updates ends the process.
    """

    def __init__(self, clock: Clock) -> None:
        self.market = BoundedQueue("market", 2_000)
        self.closes = BoundedQueue("closes", 64)
        self.updates = BoundedQueue("updates", 10_000)
        self.signals = BoundedQueue("signals", 512)  # a close becomes several messages
        self.quotes = BoundedQueue("quotes", 2_000)
        self.market_inbox = Inbox((self.market,), clock)
        self.desk_inbox = Inbox((self.updates, self.signals, self.quotes), clock)

    def __iter__(self) -> Iterator[BoundedQueue]:
        return iter((self.market, self.closes, self.updates, self.signals, self.quotes))

    @property
    def are_empty(self) -> bool:
        """True when no queue holds a message."""
        return all(queue.empty() for queue in self)
