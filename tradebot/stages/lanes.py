"""The queues between the stages: bounded asyncio queues with a written overflow policy, and an inbox of lanes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tradebot.domain.market import Quotes, merge
from tradebot.errors import InvariantBroken


class Lane(asyncio.Queue[Any]):
    """A bounded queue that wakes its inbox; `full` policy: the sender waits (`put`) or fails (`put_nowait`).

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
        self.wake: asyncio.Event | None = None
        self.merged = 0
        self.deepest = 0

    def put_nowait(self, item: Any) -> None:
        """Put without waiting. Raises QueueFull."""
        waiting = self._queue
        if len(waiting) >= self._size:
            raise asyncio.QueueFull
        waiting.append(item)
        if len(waiting) > self.deepest:
            self.deepest = len(waiting)
        if self.wake is not None:
            self.wake.set()
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

    def post(self, item: Any) -> None:
        """Put without waiting. Raises InvariantBroken when full: what travels here may not be lost."""
        try:
            self.put_nowait(item)
        except asyncio.QueueFull:
            raise InvariantBroken(
                f"queue {self.name} is full at {self.maxsize}; its messages may not be lost"
            ) from None

    def offer(self, quotes: Quotes) -> None:
        """Put quotes without waiting; when full, the last frame waiting is merged with them, newest per symbol."""
        if len(self._queue) < self._size:
            self.put_nowait(quotes)
            return
        waiting = self._queue
        for i in range(len(waiting) - 1, -1, -1):
            if isinstance(waiting[i], Quotes):
                before = len(waiting[i]) + len(quotes)
                waiting[i] = merge(waiting[i], quotes)
                self.merged += before - len(waiting[i])
                return
        self.merged += len(quotes)


class Inbox:
    """Several lanes read as one, the first lane that holds something first; within a lane, first in first out."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = tuple(lanes)
        self._wake = asyncio.Event()
        for lane in lanes:
            lane.wake = self._wake

    def take(self) -> Any:
        """Return the next message that is there, None without one."""
        for lane in self._lanes:
            if lane._queue:
                return lane.get_nowait()
        return None

    async def get(self) -> Any:
        """Return the next message, waiting for one."""
        while (message := self.take()) is None:
            self._wake.clear()
            await self._wake.wait()
        return message

    @property
    def is_empty(self) -> bool:
        return all(lane.empty() for lane in self._lanes)
