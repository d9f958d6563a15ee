"""The newest events of a run, numbered, for readers that may be slow: one bounded memory, and a place in it per reader.

A reader has no queue of its own. It asks for what came after the number that it knows, and learns how many events were
forgotten before it came to them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import NamedTuple, Protocol

from tradebot.clock import Clock
from tradebot.ops.events.event import Event

MEMORY_EVENTS = 2_000  # events kept


class EventRenderer(Protocol):
    """Renders events as the log does."""

    def is_logged(self, event: Event) -> bool:
        """Return whether the log takes events of this level."""
        ...

    def render_line(self, event: Event, at: int) -> bytes:
        """Return an event that came at the wall time `at` (ns) as one line of JSON."""
        ...


class NumberedEvent:
    """An event with its number in the run; its line is rendered for the first reader and kept for the others."""

    __slots__ = ("_at", "_event", "_line", "number")

    def __init__(self, number: int, event: Event, at: int) -> None:
        self.number, self._event, self._at = number, event, at
        self._line = b""

    @property
    def name(self) -> str:
        """Return the name of the event."""
        return self._event.name

    def line(self, renderer: EventRenderer) -> bytes:
        """Return the line of the log."""
        if not self._line:
            self._line = renderer.render_line(self._event, self._at)
        return self._line


class EventPage(NamedTuple):
    """Events in their order, and how many before them are forgotten."""

    events: list[NumberedEvent]
    missed: int


class EventMemory:
    """Keeps the newest events that the log takes; `record_event` is a listener of the bus, for any thread.

    Numbers begin with 1 and go up by 1; those of another run are told apart by `run_id`.
    """

    def __init__(self, run_id: str, renderer: EventRenderer, clock: Clock, *, size: int = MEMORY_EVENTS) -> None:
        self.run_id, self.renderer = run_id, renderer
        self._clock, self._lock = clock, threading.Lock()
        self._events: deque[NumberedEvent] = deque(maxlen=size)
        self._newest, self._waiting = 0, 0  # the number of the newest event; readers that wait for one
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._is_waking = False
        self.has_ended = False

    @property
    def newest(self) -> int:
        """Return the number of the newest event, 0 before the first."""
        return self._newest

    def record_event(self, event: Event) -> None:
        """Keep an event. Costs a few microseconds: it is rendered when a reader asks for it."""
        if not self.renderer.is_logged(event):
            return
        at = self._clock.wall_ns()
        with self._lock:
            self._newest += 1
            self._events.append(NumberedEvent(self._newest, event, at))
            must_wake = self._waiting > 0 and not self._is_waking
            self._is_waking = self._is_waking or must_wake
        if must_wake and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nothing reads any more
                self._loop.call_soon_threadsafe(self._wake)

    def read_after(self, number: int, *, most: int) -> EventPage:
        """Return at most `most` events after the one with this number."""
        with self._lock:
            oldest = self._events[0].number if self._events else self._newest + 1
            missed = max(0, oldest - number - 1)
            start = number + missed + 1 - oldest
            return EventPage(list(islice(self._events, start, start + most)), missed)

    async def wait_after(self, number: int, *, within_s: float) -> bool:
        """Wait until there is an event after this number; return False after `within_s` seconds or at the end."""
        self._loop = asyncio.get_running_loop()
        with self._lock:
            self._waiting += 1
        try:
            async with asyncio.timeout(within_s):
                while self._newest <= number and not self.has_ended:
                    await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting -= 1
        return self._newest > number

    def end_waits(self) -> None:
        """Let every reader that waits go; called in the loop when the API closes."""
        self.has_ended = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            self._is_waking = False
        self._changed.set()
        self._changed = asyncio.Event()
