"""The stream of events over real sockets: as the log has them, from where a reader left off, at any pace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.control.api_rig import RUN_ID, ApiRig, fetch_json, head_of, read_answer, send_bytes, serving
from tradebot.clock import MILLISECOND, WallClock
from tradebot.control import event_stream
from tradebot.control.event_client import follow_events
from tradebot.control.event_memory import EventMemory, EventPage
from tradebot.control.event_stream import EventStreams
from tradebot.ops.event_lines import EventLines
from tradebot.ops.events.event import Event
from tradebot.ops.events.market import FeedLost
from tradebot.ops.events.process import LogLinesDropped
from tradebot.ops.logs import LogThreshold

SECRET = "s3cr3t-canary-0123456789"


def lost(number: int, reason: str = "1006") -> Event:
    return FeedLost(source=f"feed{number}", reason=reason)


class Reader:
    """One reader of the stream: its blocks, as name of a field -> value."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._text = b""

    async def block(self) -> dict[str, str]:
        while b"\n\n" not in self._text:
            size = int((await self._reader.readline()).strip() or b"0", 16)
            assert size, "the stream ended"
            self._text += (await self._reader.readexactly(size + 2))[:-2]
        block, _, self._text = self._text.partition(b"\n\n")
        lines = (line.partition(": ") for line in block.decode().split("\n"))
        return {name: value for name, _, value in lines}

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return the data of the next events, with their ids; comments are left out."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            block = await self.block()
            if "data" in block:
                found.append(json.loads(block["data"]) | {"id": block["id"]})
        return found


@contextlib.asynccontextmanager
async def reading(port: int, *more: str) -> AsyncIterator[Reader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head_of("GET", "/api/v1/events", port, *more))
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"text/event-stream" in head
        try:
            yield Reader(reader, writer)
        finally:
            writer.transport.abort()


@pytest.fixture
def rig(tmp_path: Path) -> ApiRig:
    return ApiRig(tmp_path, secrets=[SECRET], events=50)


@pytest.mark.both_loops
async def test_events_come_as_the_log_has_them_with_numbers_and_without_secrets(rig: ApiRig) -> None:
    async with serving(rig) as port, reading(port) as reader:
        assert (await reader.block())["id"] == f"{RUN_ID}-0"
        rig.memory.record_event(lost(1, f"refused {SECRET}"))
        rig.memory.record_event(LogLinesDropped(count=3))
        first, second = await reader.events(2)
    assert (first["event"], first["level"], first["source"], first["run_id"]) == (
        "feed_lost",
        "warning",
        "feed1",
        RUN_ID,
    )
    assert first["reason"] == "refused ********"
    assert (first["id"], second["id"], second["event"]) == (f"{RUN_ID}-1", f"{RUN_ID}-2", "log_lines_dropped")


async def test_a_reader_goes_on_where_it_left_off_and_one_of_another_run_gets_all_of_this_one(rig: ApiRig) -> None:
    for number in range(1, 6):
        rig.memory.record_event(lost(number))
    async with serving(rig) as port:
        async with reading(port, f"Last-Event-ID: {RUN_ID}-3") as reader:
            assert [one["source"] for one in await reader.events(2)] == ["feed4", "feed5"]
        async with reading(port, "Last-Event-ID: T0-3") as reader:
            assert len(await reader.events(5)) == 5
        for odd in (f"{RUN_ID}-9999", "rubbish", f"{RUN_ID}-x"):
            async with reading(port, f"Last-Event-ID: {odd}") as reader:
                assert (await reader.block())["id"] == f"{RUN_ID}-5", "from now on"


async def test_what_is_forgotten_is_told_with_its_number(rig: ApiRig) -> None:
    for number in range(1, 121):
        rig.memory.record_event(lost(number))
    async with serving(rig) as port, reading(port, f"Last-Event-ID: {RUN_ID}-20") as reader:
        missed, first = await reader.events(2)
    assert (missed["event"], missed["count"], missed["id"]) == ("missed", 50, f"{RUN_ID}-70")
    assert (first["source"], first["id"]) == ("feed71", f"{RUN_ID}-71")
    assert rig.streams.missed_count == 50


async def test_a_silent_run_sends_a_comment(rig: ApiRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    async with serving(rig) as port, reading(port) as reader:
        await reader.block()
        assert [await reader.block() for _ in range(2)] == [{"": "nothing new"}] * 2


async def test_a_stream_outlives_the_time_of_other_connections(rig: ApiRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.control.connection_places.CONNECTION_TIMEOUT_S", 0.05)
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.1)
    async with serving(rig) as port, reading(port) as reader:
        for _ in range(3):
            await reader.block()
        rig.memory.record_event(lost(1))
        assert await reader.events(1)


async def test_only_so_many_readers_and_they_take_no_place_of_others(
    rig: ApiRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.control.connection_places.MAX_CONNECTIONS", 5)
    rig.begin_run()
    async with serving(rig) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(event_stream.MAX_READERS):
            await (await stack.enter_async_context(reading(port))).block()
        more = await send_bytes(port, head_of("GET", "/api/v1/events", port))
        assert (more.status, more.headers["retry-after"]) == (429, "5")
        for _ in range(10):
            assert (await fetch_json(port, "/api/v1/positions"))["positions"] == []


async def test_ten_readers_that_never_read_are_bounded_closed_and_cost_the_others_nothing(
    rig: ApiRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "WRITE_WITHIN_S", 0.3)
    long = "x" * 4000
    async with serving(rig) as port:
        deaf = [await asyncio.open_connection("127.0.0.1", port, limit=256) for _ in range(10)]
        for _, writer in deaf:
            writer.write(head_of("GET", "/api/v1/events", port))
        async with reading(port) as reader:
            await reader.block()
            number = 0
            while rig.streams.closed_count < 10:
                number += 1
                rig.memory.record_event(lost(number, long))
                (one,) = await reader.events(1)
                assert one["source"] == f"feed{number}", "the one who reads misses nothing"
            assert rig.streams.reader_count == 1
        assert [row["times"] for row in rig.told.of("event_readers_dropped")] == [1], "the others are counted, later"
        assert len(rig.memory.read_after(0, most=10_000).events) == 50
        rest, writer = deaf[0]
        with contextlib.suppress(ConnectionError):
            assert not (await rest.read()).endswith(b"0\r\n\r\n"), "what waited to be sent went with its connection"
        for _, writer in deaf:
            writer.transport.abort()


async def test_a_slow_reader_is_told_how_much_it_missed(rig: ApiRig) -> None:
    long, number = "x" * 4000, 0
    async with serving(rig) as port, reading(port) as slow, reading(port) as quick:
        await slow.block()
        await quick.block()
        while number < 3_000:  # more than the kernel takes for the slow one
            number += 1
            rig.memory.record_event(lost(number, long))
            await quick.events(1)
        seen, missed = 0, 0
        while seen + missed < number:
            (one,) = await slow.events(1)
            seen, missed = (seen, missed + one["count"]) if one["event"] == "missed" else (seen + 1, missed)
    assert (missed > 0, seen + missed) == (True, number)


async def test_each_reader_has_its_turn_and_reads_what_came_since_at_once(
    rig: ApiRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, pages = WallClock(), list[tuple[float, int]]()
    rendered = EventStreams._rendered

    def timed(self: EventStreams, page: EventPage) -> bytes:
        pages.append((clock.monotonic_ns() % event_stream.ROUND_NS / MILLISECOND, len(page.events)))
        return rendered(self, page)

    monkeypatch.setattr(EventStreams, "_rendered", timed)
    monkeypatch.setattr(rig.streams, "_clock", clock)
    async with serving(rig) as port, reading(port) as one, reading(port) as other:
        await one.block()
        await other.block()
        for number in range(200):
            rig.memory.record_event(lost(number))
            await asyncio.sleep(0.001)
        for reader in (one, other):
            assert [event["source"] for event in await reader.events(200)] == [f"feed{n}" for n in range(200)]
    assert sum(size for _, size in pages) == 400
    assert len(pages) < 60, "events are written some at a time"
    begins = sorted(at for at, _ in pages)
    assert begins[0] < begins[-1], "one after the other"


async def test_the_end_of_the_api_ends_the_streams(rig: ApiRig) -> None:
    async with serving(rig) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head_of("GET", "/api/v1/events", port))
        await reader.readuntil(b"\n\n")
    async with asyncio.timeout(5):
        assert b"the run ends" in await reader.read()
    writer.close()


async def test_the_command_line_follows_over_the_socket(rig: ApiRig) -> None:
    async with serving(rig):
        rig.memory.record_event(lost(1))

        def first() -> tuple[str, str]:
            event = next(iter(follow_events(rig.folder, after="T0-0")))
            return event.id, event.line["source"]

        assert await asyncio.to_thread(first) == (f"{RUN_ID}-1", "feed1")


def test_events_below_the_level_of_the_log_are_not_kept_and_other_threads_may_tell(rig: ApiRig) -> None:
    memory = EventMemory(RUN_ID, EventLines(threshold=LogThreshold("error")), rig.clock)
    memory.record_event(lost(1))
    assert (memory.newest, memory.read_after(0, most=9).missed) == (0, 0)


async def test_an_event_of_a_thread_wakes_a_reader_that_waits(rig: ApiRig) -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        waits = tasks.create_task(rig.memory.wait_after(0, within_s=4.0), name="reader")
        await asyncio.sleep(0)
        await asyncio.to_thread(rig.memory.record_event, lost(1))
        assert await waits


def test_a_line_has_the_time_of_its_event_and_no_control_characters() -> None:
    line = json.loads(
        EventLines(run_id="T1", mode="paper").render_line(lost(1, "a\x1b[2Jb\n"), 1_700_000_000_123_456_789)
    )
    assert (line["timestamp"], line["mode"]) == ("2023-11-14T22:13:20.123456Z", "paper")
    assert line["reason"] == "a\\x1b[2Jb\\n"


async def test_without_a_memory_there_is_no_stream(rig: ApiRig) -> None:
    rig.apis.events = None
    async with serving(rig) as port:
        assert (await send_bytes(port, head_of("GET", "/api/v1/events", port))).status == 404
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head_of("GET", "/api/v1/events", port) + head_of("GET", "/healthz", port))
        assert [(await read_answer(reader)).status for _ in range(2)] == [404, 200]
        writer.close()
