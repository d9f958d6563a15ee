"""The control socket of a start: real sockets, a start's own API, and a login that answers what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tradebot.control.client import send_request
from tradebot.control.control_apis import ControlApis
from tradebot.control.login_api import LoginApi
from tradebot.control.server import serve_control_socket
from tradebot.control.start_api import StartApi
from tradebot.errors import AccessDenied

RUN = {"mode": "live", "run_id": "T1", "pid": 7, "venue": "kite", "symbols": ["TCS"]}
LINK = "https://kite.zerodha.com/connect/login?v=3&api_key=k"
REDIRECT = "http://127.0.0.1:8790/kite"
WAITING: dict[str, Any] = {
    "state": "NEED_LOGIN", "reason": "there is no login of today yet", "account": None, "issued_at": None,
    "ends_at": None, "consent": None,
}  # fmt: skip
LOGGED_IN: dict[str, Any] = {
    "state": "LOGGED_IN", "reason": None, "account": "AB1234", "issued_at": 1_767_582_600_000_000_000,
    "ends_at": 1_767_659_400_000_000_000, "consent": "physical",
}  # fmt: skip


class StartRig:
    """A start in its folder. `answer` is what the next login gives or raises; `texts` are those that came."""

    def __init__(self, folder: Path, redirect: str = REDIRECT) -> None:
        self.folder = folder
        self.login: dict[str, Any] | None = WAITING
        self.answer: dict[str, Any] | Exception = LOGGED_IN
        self.texts: list[str] = []
        self.stops: list[str] = []
        self.redirect = redirect
        self.apis = ControlApis(StartApi(RUN, login=lambda: self.login, ask_to_stop=self.stops.append), LoginApi())
        self.has_secret = True

    def has_login(self) -> None:
        """Hand out a login, as a start at a real venue does."""
        assert self.apis.login is not None
        self.apis.login.link, self.apis.login.log_in = self._link, self._log_in

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request as the command line does."""
        return await asyncio.to_thread(send_request, self.folder, method, path, body)

    def _link(self) -> dict[str, Any]:
        if not self.has_secret:
            raise AccessDenied("this daemon cannot log in: it has no kite.api_secret")
        return WAITING | {"venue": "kite", "address": LINK, "redirect": self.redirect}

    async def _log_in(self, text: str) -> dict[str, Any]:
        self.texts.append(text)
        if isinstance(self.answer, Exception):
            raise self.answer
        self.login = self.answer
        return self.answer


@asynccontextmanager
async def listening_start(folder: Path, *, redirect: str = REDIRECT, has_login: bool = True) -> AsyncIterator[StartRig]:
    """Serve the control socket of a start."""
    rig = StartRig(folder, redirect)
    if has_login:
        rig.has_login()
    async with serve_control_socket(folder, rig.apis):
        yield rig
