"""The quote server of the fetch benchmark: in a process of its own, every answer comes `latency` seconds late."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from zlib import crc32

from aiohttp import web

from tradebot.clock import WallClock

START_S = 30.0
BACKLOG = 2048  # more connections at a time than any rival opens


def price(symbol: str) -> float:
    """Return the price the server gives for a symbol: the same in every process."""
    return crc32(symbol.encode()) % 1_000_000 * 5 / 100.0


@contextmanager
def running(latency_s: float) -> Iterator[int]:
    """Run the server in its own process and yield its port on the loopback. Raises TimeoutError, EOFError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(latency_s, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise TimeoutError(f"the quote server did not start within {START_S:g} s")
        yield int(ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(latency_s: float, ready: Connection) -> None:
    asyncio.run(_run(latency_s, ready))


async def _run(latency_s: float, ready: Connection) -> None:
    clock = WallClock()

    async def quote(request: web.Request) -> web.Response:
        await clock.sleep(latency_s)
        return web.json_response({symbol: price(symbol) for symbol in request.query.getall("i")})

    app = web.Application()
    app.router.add_get("/quote", quote)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    ready.send(runner.addresses[0][1])
    await asyncio.Event().wait()
