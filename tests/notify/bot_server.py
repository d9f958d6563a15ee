"""A stand-in for Telegram's server on loopback: speaks getUpdates and sendMessage, and errs as it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "424242:AAcanary-Telegram_bot-Token0000001"
CHAT = 77


class BotServer:
    """Holds updates for the bot and what it sent. `errors` are given, one a call, before anything else happens."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []  # (chat, text)
        self.offsets: list[int] = []  # of each poll
        self.errors: deque[tuple[str, int, dict[str, Any]]] = deque()  # (call, code, further fields); code 0 hangs up
        self._updates: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._answered = asyncio.Event()
        self.address = ""

    def write(self, text: str | None, *, date: int, chat: int = CHAT) -> None:
        """Let a person write `text` in a chat at `date`, unix seconds; None is a picture."""
        message: dict[str, Any] = {"message_id": 1, "date": date, "chat": {"id": chat, "type": "private"}}
        message["photo" if text is None else "text"] = [] if text is None else text
        self._updates.append({"update_id": 100 + len(self._updates), "message": message})
        self._news.set()

    def put_update(self, update: Any) -> None:
        """Let the server hand out anything as an update."""
        self._updates.append(update)
        self._news.set()

    async def answers(self, count: int) -> list[str]:
        """Wait until the bot has sent `count` messages and return their texts."""
        async with asyncio.timeout(10):
            while len(self.sent) < count:
                self._answered.clear()
                await self._answered.wait()
        return [text for _, text in self.sent]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = request.match_info["call"]
        if request.match_info["token"] != TOKEN:
            return failed(401, "Unauthorized")
        if self.errors and self.errors[0][0] == call:
            _, code, fields = self.errors.popleft()
            if not code:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return failed(code, "as told", **fields)
        return await (self._poll(request) if call == "getUpdates" else self._send(request))

    async def _poll(self, request: web.Request) -> web.Response:
        offset, timeout = int(request.query["offset"]), float(request.query["timeout"])
        self.offsets.append(offset)
        if not (found := self._from(offset)):
            self._news.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait()
            except TimeoutError:
                pass
            found = self._from(offset)
        return web.json_response({"ok": True, "result": found})

    def _from(self, offset: int) -> list[Any]:
        return [one for one in self._updates if not isinstance(one, dict) or one.get("update_id", offset) >= offset]

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.json()
        if len(body["text"]) > 4096:
            return failed(400, "message is too long")
        self.sent.append((body["chat_id"], body["text"]))
        self._answered.set()
        return web.json_response({"ok": True, "result": {"message_id": len(self.sent)}})


def failed(code: int, told: str, **fields: Any) -> web.Response:
    answer = {"ok": False, "error_code": code, "description": told} | fields
    return web.json_response(answer, status=code)


@asynccontextmanager
async def bot_server() -> AsyncIterator[BotServer]:
    """Serve a stand-in on loopback while the context is open."""
    bot = BotServer()
    app = web.Application()
    app.router.add_route("*", "/bot{token:[^/]+}/{call}", bot.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    bot.address = f"http://127.0.0.1:{server.port}"
    try:
        yield bot
    finally:
        bot._news.set()
        await server.close()
