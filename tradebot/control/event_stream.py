"""The events of a run as server-sent events: from where a reader left off, at its own pace, and for a bounded number.

id: T1abc-17
event: feed_lost
data: {"timestamp": "...", "level": "warning", "event": "feed_lost", "source": "a", ...}
"""

from __future__ import annotations

import asyncio
import json
import re

from aiohttp import web

from tradebot.clock import MILLISECOND, SECOND, Clock
from tradebot.control.event_memory import EventMemory, EventPage
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.process import EventReadersDropped
from tradebot.ops.reminder import Reminder

HEARTBEAT_S = 15.0  # seconds of silence after which a comment is sent
WRITE_WITHIN_S = 10.0  # a reader that takes nothing for this long is closed
MAX_READERS = 16
ROUND_NS = 50 * MILLISECOND  # in each round of this time every reader has its turn, one after the other
PAGE_EVENTS = 100  # events of one write
EVENT_ID = re.compile(r"([A-Za-z0-9._]{1,64})-(\d{1,18})")
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStreams:
    """Writes the events of a memory to its readers. `reader_count` are those of now, `closed_count` were too slow."""

    def __init__(self, memory: EventMemory, clock: Clock, tell: EventListener) -> None:
        self._memory, self._clock, self._tell = memory, clock, tell
        self._reminder, self._turns = Reminder(), set[int]()
        self.closed_count = self.missed_count = 0

    @property
    def reader_count(self) -> int:
        """Return the number of readers of now."""
        return len(self._turns)

    @property
    def has_place(self) -> bool:
        """Return whether one more reader may come."""
        return self.reader_count < MAX_READERS

    async def write_stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with the events from the one after `Last-Event-ID`, else with those from now on, until either ends."""
        response = web.StreamResponse(headers=HEADERS)
        response.force_close()  # the connection ends with the stream
        turn = min(set(range(MAX_READERS)) - self._turns)
        self._turns.add(turn)
        try:
            await response.prepare(request)
            await self._write_events(request, response, turn)
        except TimeoutError:
            # What waits to be sent would keep the connection for as long as its reader takes nothing.
            self.closed_count += 1
            if request.transport is not None:
                request.transport.abort()
            if times := self._reminder.due_count("dropped", self._clock.monotonic_ns()):
                self._tell(EventReadersDropped(times=times, missed=self.missed_count))
        except ConnectionError:
            pass  # the reader went
        finally:
            self._turns.remove(turn)
        return response

    async def _write_events(self, request: web.Request, response: web.StreamResponse, turn: int) -> None:
        memory = self._memory
        number = self._start(request.headers.get("Last-Event-ID", ""))
        # A first line at once: a client knows then that it reads, and from which number on it may resume.
        await _write(response, f"id: {memory.run_id}-{number}\n: events of run {memory.run_id}\n\n".encode())
        while True:
            if await memory.wait_after(number, within_s=HEARTBEAT_S):
                await self._until_turn(turn)
                page = memory.read_after(number, most=PAGE_EVENTS)
                number = page.events[-1].number
                self.missed_count += page.missed
                await _write(response, self._rendered(page))
            elif memory.has_ended:
                await _write(response, b": the run ends\n\n")
                return
            else:
                await _write(response, b": nothing new\n\n")

    def _start(self, told: str) -> int:
        # An id of another run: of this one everything is new. A number that was never given is as good as none.
        match = EVENT_ID.fullmatch(told)
        if match is None:
            return self._memory.newest
        return min(int(match[2]), self._memory.newest) if match[1] == self._memory.run_id else 0

    async def _until_turn(self, turn: int) -> None:
        # Readers that wait for one event are woken at once. Their writes together would hold an order up.
        left_ns = (turn * ROUND_NS // MAX_READERS - self._clock.monotonic_ns()) % ROUND_NS
        await self._clock.sleep(left_ns / SECOND)

    def _rendered(self, page: EventPage) -> bytes:
        parts = []
        run_id = self._memory.run_id
        if page.missed:
            before = page.events[0].number - 1
            told = json.dumps({"event": "missed", "count": page.missed, "run_id": run_id})
            parts.append(f"id: {run_id}-{before}\nevent: missed\ndata: {told}\n\n".encode())
        for one in page.events:
            head = f"id: {run_id}-{one.number}\nevent: {one.name}\ndata: ".encode()
            parts += (head, one.line(self._memory.renderer), b"\n\n")
        return b"".join(parts)


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    async with asyncio.timeout(WRITE_WITHIN_S):
        await response.write(chunk)
