"""A load on the API of a running daemon: so many requests a second on a few connections, and their answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from tests.control.api_rig import head_of
from tradebot.clock import WallClock

CONNECTIONS = 10
TICK_S = 0.05


async def offer_requests(port: int, token: str, *, per_second: int, seconds: float) -> Counter[int]:
    """Offer requests at a steady rate and return status -> number of answers; 0 are those that got none."""
    clock, statuses = WallClock(), Counter[int]()
    request = head_of("GET", "/api/v1/positions", port, token=token)
    connections = min(CONNECTIONS, max(1, round(per_second * TICK_S)))
    each = round(per_second * TICK_S / connections)

    async def one() -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        until = clock.monotonic_ns() + int(seconds * 1e9)
        due = clock.monotonic_ns()
        while due < until:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request * each)
                for _ in range(each):
                    statuses[await _status(reader)] += 1
            except (OSError, asyncio.IncompleteReadError):  # the daemon ends each connection after ten seconds
                statuses[0] += 1
                if writer is not None:
                    writer.transport.abort()
                reader = writer = None
            due += int(TICK_S * 1e9)
            await clock.sleep(max(0.0, (due - clock.monotonic_ns()) / 1e9))
        if writer is not None:
            writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(one(), name=f"load-{number}")
    return statuses


async def read_events(port: int, token: str, *, seconds: float) -> int:
    """Read the stream of events for so long and return how many came."""
    count = 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head_of("GET", "/api/v1/events", port, token=token))
    try:
        async with asyncio.timeout(seconds):
            while line := await reader.readline():
                count += line.startswith(b"data: ")
    except TimeoutError:
        pass
    writer.transport.abort()
    return count


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def token_of(folder: Path) -> str:
    """Return the token of the daemon of a state directory."""
    return (folder / "api.token").read_text(encoding="ascii").strip()
