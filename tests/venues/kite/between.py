"""A proxy of our own between a program and the exchange, which changes one answer: the rig for what a day brings.

`refuse` may answer a request, which then never reaches the exchange; `alter` changes an answer of it; `upgrade` may
refuse a stream; `cut` ends those that are open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web


class Answer(NamedTuple):
    """An HTTP answer as it goes to the program."""

    status: int
    body: bytes
    kind: str = "application/json"


HTML_403 = Answer(403, b"<html><body>403 Forbidden</body></html>", "text/html")
TOKEN_DEAD = Answer(
    403,
    json.dumps(
        {"status": "error", "message": "Incorrect `api_key` or `access_token`.", "error_type": "TokenException"}
    ).encode(),
)


class Between:
    """Stands at `rest` and `ticker`; `asked` keeps (method, path) of every request that came."""

    def __init__(self, rest: str, ticker: str) -> None:
        self._rest, self._ticker = rest, ticker
        self.rest = self.ticker = ""
        self.asked: list[tuple[str, str]] = []
        self.refuse: Callable[[str, str], Answer | None] = lambda method, path: None
        self.alter: Callable[[str, str, Answer], Answer] = lambda method, path, answer: answer
        self.upgrade: Callable[[], Answer | None] = lambda: None
        self.streams: set[web.WebSocketResponse] = set()

    def count(self, method: str, path: str) -> int:
        """Return how often a route was asked."""
        return self.asked.count((method, path))

    async def cut(self) -> None:
        """End the streams that are open."""
        for stream in list(self.streams):
            await stream.close(code=1012)

    async def say(self, text: str) -> None:
        """Send a text frame down every stream."""
        for stream in list(self.streams):
            await stream.send_str(text)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            refused = self.upgrade()
            return _response(refused) if refused else await self._stream(request)
        self.asked.append((request.method, request.path))
        if (answer := self.refuse(request.method, request.path)) is not None:
            return _response(answer)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        async with (
            aiohttp.ClientSession() as out,
            out.request(
                request.method, self._rest + request.path_qs, headers=headers, data=await request.read()
            ) as theirs,
        ):
            told = Answer(theirs.status, await theirs.read(), theirs.content_type)
        return _response(self.alter(request.method, request.path, told))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse(compress=False)
        await near.prepare(request)
        self.streams.add(near)
        address = f"{self._ticker}/?{request.query_string}"
        try:
            async with aiohttp.ClientSession() as out, out.ws_connect(address) as far, asyncio.TaskGroup() as tasks:
                down = tasks.create_task(_pass(far, near))
                await _pass(near, far)
                down.cancel()
        finally:
            self.streams.discard(near)
        return near


async def _pass(from_: Any, to: Any) -> None:
    async for message in from_:
        if message.type is aiohttp.WSMsgType.TEXT:
            await to.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await to.send_bytes(message.data)
    await to.close()


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=answer.kind)


def changed(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """Return an answer with the `data` of its envelope changed."""
    envelope = json.loads(answer.body)
    return answer._replace(body=json.dumps(envelope | {"data": change(envelope["data"])}).encode())


@asynccontextmanager
async def between(rest: str, ticker: str) -> AsyncIterator[Between]:
    """Serve a proxy to an exchange at `rest` and `ticker`."""
    proxy = Between(rest, ticker)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", proxy.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    proxy.rest, proxy.ticker = f"http://{host}:{port}", f"ws://{host}:{port}"
    try:
        yield proxy
    finally:
        await proxy.cut()
        await runner.cleanup()
