"""A load on the API of a running daemon: requests at a steady rate, readers of its events, and readers that never read.

In the benchmark it runs in a process of its own, so that it takes nothing of the daemon's event loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection

import uvloop

from tradebot.clock import SECOND, WallClock
from tradebot.control.api_paths import EVENTS_PATH, PREFIX
from tradebot.domain.message import Message

HOST = "127.0.0.1"
CONNECTIONS = 10
TICK_S = 0.05  # how often each connection sends
# Each interval has its request at another moment: those of a fixed beat would meet every order, or none.
GOLDEN = (5**0.5 - 1) / 2
CHUNK_BYTES = 1 << 16
EVENT_MARK = b"\ndata: "
# A reader that never reads is one behind a network: on loopback's own segments the kernel takes megabytes for it first.
SILENT_SEGMENT, SILENT_BUFFER = 536, 4_096


class ApiLoad(Message, frozen=True):
    """A load: so many requests a second, readers of events that read, and `silent_readers` that never do."""

    per_second: int = 0
    readers: int = 0
    silent_readers: int = 0


class LoadResult(Message, frozen=True):
    """What came of a load: requests offered, status -> answers, the events that each reader read, and its seconds.

    Requests without an answer are those whose connection ended before it came.
    """

    offered: int
    answers: dict[int, int]
    events: tuple[int, ...]
    seconds: float

    @property
    def unanswered(self) -> int:
        """Return the number of requests without an answer."""
        return self.offered - sum(self.answers.values())


def serve_load(port: int, token: str, pipe: Connection) -> None:
    """Answer each ApiLoad with a LoadResult until the pipe closes; whatever comes next ends a load."""
    uvloop.run(_serve(port, token, pipe))


async def _serve(port: int, token: str, pipe: Connection) -> None:
    with suppress(EOFError):
        while True:
            asked: ApiLoad = await asyncio.to_thread(pipe.recv)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                loading = tasks.create_task(run_load(port, token, asked, stop), name="load")
                await asyncio.to_thread(pipe.recv)
                stop.set()
            pipe.send(loading.result())


async def run_load(port: int, token: str, load: ApiLoad, stop: asyncio.Event) -> LoadResult:
    """Put a load on the API at a port of loopback until `stop`. Raises OSError where a reader is refused."""
    clock, answers = WallClock(), Counter[int]()
    begin = clock.monotonic_ns()
    connections = min(CONNECTIONS, max(1, round(load.per_second * TICK_S))) if load.per_second else 0
    requests = _Requests(port, token, stop, answers)
    async with _silent_readers(port, token, load.silent_readers), asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(_read_events(port, token, stop), name=f"reader-{n}") for n in range(load.readers)]
        offering = [
            tasks.create_task(requests.offer(load.per_second, number, connections), name=f"requests-{number}")
            for number in range(connections)
        ]
        await stop.wait()
        seconds = (clock.monotonic_ns() - begin) / SECOND
    return LoadResult(
        offered=sum(task.result() for task in offering),
        answers=dict(answers),
        events=tuple(task.result() for task in reading),
        seconds=seconds,
    )


class _Requests:
    def __init__(self, port: int, token: str, stop: asyncio.Event, answers: Counter[int]) -> None:
        self._port, self._stop, self._answers, self._clock = port, stop, answers, WallClock()
        self._request = _head(f"{PREFIX}/positions", port, token)

    async def offer(self, per_second: int, number: int, connections: int) -> int:
        """Offer the share of one connection until the stop, and return how many requests that were."""
        clock, offered = self._clock, 0
        each = max(1, round(per_second * TICK_S / connections))
        every = each * connections / per_second * SECOND
        begin = clock.monotonic_ns() + every * number / connections  # the connections take turns
        due, sent = begin, 0
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while await self._is_due(due):
            try:
                if reader is None or writer is None or reader.at_eof():
                    if writer is not None:
                        writer.transport.abort()
                    reader, writer = await asyncio.open_connection(HOST, self._port)
                offered += each
                writer.write(self._request * each)
                for _ in range(each):
                    self._answers[await _status(reader)] += 1
            except (OSError, asyncio.IncompleteReadError):  # the daemon ends each connection after ten seconds
                if writer is not None:
                    writer.transport.abort()
                reader = writer = None
            sent += 1
            due = begin + every * (sent + sent * GOLDEN % 1)
        if writer is not None:
            writer.transport.abort()
        return offered

    async def _is_due(self, due: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (due - self._clock.monotonic_ns()) / SECOND)):
                await self._stop.wait()
        return not self._stop.is_set()


async def _read_events(port: int, token: str, stop: asyncio.Event) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(_head(EVENTS_PATH, port, token))
    try:
        if b" 200 " not in (head := await reader.readline()):
            raise ConnectionError(f"a reader of events was refused: {head.decode().strip()}")
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(_count_events(reader), name="count")
            await stop.wait()
            writer.transport.abort()
    finally:
        writer.transport.abort()
    return counting.result()


async def _count_events(reader: asyncio.StreamReader) -> int:
    count, rest = 0, b""
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            read = rest + chunk
            count += read.count(EVENT_MARK)
            rest = read[1 - len(EVENT_MARK) :]
    return count


@asynccontextmanager
async def _silent_readers(port: int, token: str, count: int) -> AsyncIterator[None]:
    loop, sockets = asyncio.get_running_loop(), list[socket.socket]()
    try:
        for _ in range(count):
            sockets.append(one := socket.socket())
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SILENT_BUFFER)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SILENT_SEGMENT)
            await loop.sock_connect(one, (HOST, port))
            # A number of another run asks for every event that the daemon still knows.
            await loop.sock_sendall(one, _head(EVENTS_PATH, port, token, "Last-Event-ID: other-0"))
        yield
    finally:
        for one in sockets:
            one.close()


def _head(path: str, port: int, token: str, *more: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}:{port}", f"Authorization: Bearer {token}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
