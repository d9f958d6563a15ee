"""The queues between the stages: bounded lanes with a written overflow policy, and the inboxes that read them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from tradebot.clock import Clock, TimeSlice
from tradebot.domain.market_data import Quotes, conflate_quotes
from tradebot.errors import InvariantBroken

TIME_SLICE_NS = 2_000_000  # ns a stage works on what is there already before the others have their turn


class BoundedQueue(asyncio.Queue[Any]):
    """A bounded queue that wakes its inbox. When it is full the sender waits (`put`) or fails (`put_nowait`, `put_or_fail`).

    A dozen messages pass for every order, so taking and giving without waiting are written out: `asyncio.Queue` makes
    eight calls of them and counts unfinished tasks, for which nobody asks here.
    """

    _queue: deque[Any]
    _getters: deque[asyncio.Future[None]]
    _putters: deque[asyncio.Future[None]]
    _wakeup_next: Callable[[deque[asyncio.Future[None]]], None]

    def __init__(self, name: str, size: int) -> None:
        super().__init__(size)
        self.name, self._size = name, size
        self.inbox: Inbox | None = None  # through which it is read, if it is
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
        """Put without waiting. Raises InvariantBroken when full: what travels here may not be lost."""
        try:
            self.put_nowait(item)
        except asyncio.QueueFull:
            raise InvariantBroken(
                f"queue {self.name} is full at {self.maxsize}; its messages may not be lost"
            ) from None

    def offer_quotes(self, quotes: Quotes) -> None:
        """Put quotes without waiting; when full, the last frame waiting is merged with them, newest per symbol."""
        if len(self._queue) < self._size:
            self.put_nowait(quotes)
            return
        waiting = self._queue
        for i in range(len(waiting) - 1, -1, -1):
            if isinstance(waiting[i], Quotes):
                before = len(waiting[i]) + len(quotes)
                waiting[i] = conflate_quotes(waiting[i], quotes)
                self.merged_count += before - len(waiting[i])
                return
        self.merged_count += len(quotes)


class Inbox:
    """What one stage reads, one lane or several: the first lane that holds something first, each first in first out.

    Its stage iterates over it for ever. After a `TIME_SLICE_NS` of work on what is there already the other tasks go first.
    """

    def __init__(self, queues: Sequence[BoundedQueue], clock: Clock) -> None:
        self._lanes, self._clock = tuple(queues), clock
        self._turn = TimeSlice(clock, TIME_SLICE_NS)
        self.reader_wakeup: asyncio.Future[None] | None = None  # while the stage does
        for lane in queues:
            lane.inbox = self

    def take_nowait(self) -> Any:
        """Return the next message that is there, None without one."""
        for lane in self._lanes:
            if lane._queue:
                return lane.get_nowait()
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
        """Let the other tasks go before the next message, however short the stage has worked."""
        self._turn.expire()

    def wake_reader(self) -> None:
        """Go on: a lane holds something."""
        waiting, self.reader_wakeup = self.reader_wakeup, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    @property
    def is_empty(self) -> bool:
        return all(lane.empty() for lane in self._lanes)


class StageQueues:
    """The lanes between the stages, and the two inboxes: the one that the bars read and the desk's.

    When one is full: quotes merge to the newest per symbol, closes and signals make the sender wait, updates may not be
    lost, so the process ends.
    """

    def __init__(self, clock: Clock) -> None:
        self.market = BoundedQueue("market", 2_000)
        self.closes = BoundedQueue("closes", 64)
        self.updates = BoundedQueue("updates", 10_000)
        self.signals = BoundedQueue("signals", 512)  # pieces of a close
        self.quotes = BoundedQueue("quotes", 2_000)
        self.market_inbox = Inbox((self.market,), clock)
        self.desk_inbox = Inbox((self.updates, self.signals, self.quotes), clock)

    def __iter__(self) -> Iterator[BoundedQueue]:
        return iter((self.market, self.closes, self.updates, self.signals, self.quotes))

    @property
    def are_empty(self) -> bool:
        """True when no stage has anything left to take."""
        return all(lane.empty() for lane in self)
