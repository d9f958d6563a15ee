"""A chat over a stand-in of the server, with an operator that keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.notify.bot_server import CHAT, TOKEN, BotServer, bot_server
from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.errors import RequestRefused
from tradebot.notify.bot_api import BotApi
from tradebot.notify.chat import Chat, ChatTerms
from tradebot.notify.chat_commands import ChatCommands
from tradebot.notify.chat_offset import ChatOffset

NOW_S = 1_764_563_400
STATUS: dict[str, Any] = {
    "mode": "live", "state": "trading", "venue": "kite", "run_id": "T1", "halts": [],
    "feed": {"age_s": 0.4, "is_stale": False, "down": {}}, "session": {"is_open": True, "closes_at": None},
    "positions": [
        {"symbol": "TCS", "quantity": 10, "average_price": 3400, "last": 3412, "profit": 120, "product": "MIS",
         "owner": "ours"},
        {"symbol": "INFY", "quantity": 5, "average_price": 1500, "last": None, "profit": None, "product": "CNC",
         "owner": "external"},
    ],
    "orders": [], "day_profit": 115,
    "money": {f"{span}_{name}": 1 for span in ("day", "run") for name in ("orders", "fills", "charges", "pnl_net")},
}  # fmt: skip


class KeptOperator:
    """Keeps each command; `refuses` makes it refuse with that sentence."""

    def __init__(self) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.refuses = ""
        self.status: dict[str, Any] = STATUS

    def current_status(self) -> Mapping[str, Any]:
        return self.status

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._do("halt", body, {"halted": body["reason"], "scope": "all"})

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._do("resume", body, {"resumed": "all", "lifted": ""})

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._do("flatten", body, {"closing": [{"symbol": "TCS", "quantity": 10}]})

    def login_link(self) -> Mapping[str, Any]:
        return {"state": "NEED_LOGIN", "address": "https://broker.test/login?api_key=x"}

    async def take_login(self, text: str) -> Mapping[str, Any]:
        return self._do("login", {"text": text}, {"state": "LOGGED_IN"})

    def _do(self, verb: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            raise RequestRefused(self.refuses)
        self.done.append((verb, body))
        return answer


class PausingClock(ManualClock):
    """Sleeping moves time by as much, and yields often enough for the stand-in to work."""

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        self.slept.append(seconds)
        await asyncio.sleep(0.001)

    def __init__(self, start_at: int) -> None:
        super().__init__(start_at)
        self.slept: list[float] = []


class ChatRig:
    """A running chat: what a person writes, what is answered, what was done."""

    def __init__(self, server: BotServer, operator: KeptOperator, clock: PausingClock, told: Told) -> None:
        self.server, self.operator, self.clock, self.told = server, operator, clock, told

    async def ask(self, text: str, *, age_s: int = 0, chat: int = CHAT) -> str:
        """Write a message and return the next answer."""
        have = len(self.server.sent)
        self.server.write(text, date=self.clock.now_ns // SECOND - age_s, chat=chat)
        return (await self.server.answers(have + 1))[have]


@asynccontextmanager
async def chat_rig(
    state_dir: Path, *, server: BotServer | None = None, operator: KeptOperator | None = None, token: str = TOKEN
) -> AsyncIterator[ChatRig]:
    """Run a chat while the context is open; `server` may be that of an earlier one."""
    async with bot_server() as fresh, aiohttp.ClientSession() as http:
        served = server or fresh
        clock, told, kept = PausingClock(NOW_S * SECOND), Told(), operator or KeptOperator()
        offset = ChatOffset(state_dir, token, clock=clock, tell=told)
        commands = ChatCommands(kept, clock=clock, draw_code=lambda below: 1234)
        terms = ChatTerms(CHAT, offset.read_offset, offset.keep_offset, lambda text: text.replace("hidden", "****"))
        bot = BotApi(http, server=served.address, token=token)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(Chat(bot, commands, terms, clock=clock, tell=told).answer_chat())
            try:
                yield ChatRig(served, kept, clock, told)
            finally:
                task.cancel()
