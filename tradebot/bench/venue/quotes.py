"""The venue's server for fetching: quotes of the requested symbols, each answer `latency_s` seconds late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from zlib import crc32

from aiohttp import web

from tradebot.bench.venue.venue import open_venue
from tradebot.clock import WallClock

BACKLOG = 2048  # more simultaneous connections than any rival opens


def quote_price(symbol: str) -> float:
    """Return the venue's price of a symbol, the same in every process."""
    return crc32(symbol.encode()) % 1_000_000 * 5 / 100.0


@contextmanager
def open_quote_server(latency_s: float) -> Iterator[int]:
    """Run the venue and yield its port on the loopback. Raises TimeoutError, EOFError.

    `GET /quote?i=A&i=B` gives `{"A": price, "B": price}`.
    """
    # On asyncio's own loop, as a slow venue would be; its own time is part of each figure.
    with open_venue(_QuoteServer(latency_s), asyncio.new_event_loop) as wire:
        yield int(wire.addresses[0])


class _QuoteServer:
    def __init__(self, latency_s: float) -> None:
        self._latency_s, self._clock = latency_s, WallClock()

    @asynccontextmanager
    async def open_sockets(self) -> AsyncIterator[tuple[str, ...]]:
        """Open the server; the context is its port on the loopback."""
        app = web.Application()
        app.router.add_get("/quote", self._quote)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
        yield (str(runner.addresses[0][1]),)

    async def answer_parent(self, asked: Any) -> Any:
        """Return None: the clients request what they want."""

    async def _quote(self, request: web.Request) -> web.Response:
        await self._clock.sleep(self._latency_s)
        return web.json_response({symbol: quote_price(symbol) for symbol in request.query.getall("i")})
