"""A receiver of alerts on loopback, for apprise's json:// and for heartbeats: keeps what came, errs where told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class HttpReceiver:
    """Answers `status` to everything; while `hangs` it answers nothing."""

    def __init__(self) -> None:
        self.status, self.hangs = 200, False
        self.bodies: list[dict[str, Any]] = []  # of POSTs that were taken
        self.gets = 0
        self.requests = 0
        self.port = 0
        self._news = asyncio.Event()

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/canary-Hook-Secret-0001"

    async def handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.hangs:
            await asyncio.Event().wait()
        raw = await request.read()
        if self.status < 300:
            if request.method == "GET":
                self.gets += 1
            else:
                self.bodies.append(json.loads(raw))
        self._news.set()
        return web.Response(status=self.status)

    async def messages(self, count: int) -> list[str]:
        """Wait until `count` messages came and return each as title and body."""
        async with asyncio.timeout(20):
            while len(self.bodies) < count:
                self._news.clear()
                await self._news.wait()
        return [f"{one['title']}\n{one['message']}" for one in self.bodies]


@asynccontextmanager
async def http_receiver() -> AsyncIterator[HttpReceiver]:
    """Serve a receiver on loopback while the context is open."""
    receiver = HttpReceiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    assert server.port is not None
    receiver.port = server.port
    try:
        yield receiver
    finally:
        await server.close()
