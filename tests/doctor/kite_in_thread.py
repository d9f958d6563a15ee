"""A Kite on loopback in a thread of its own, for checks that run a loop of their own; it answers by path."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from aiohttp import web

from tests.in_thread import in_thread
from tests.venues.kite.kite_on_loopback import failure, served_on_loopback, success

TOKEN = "token-of-this-morning"
PROFILE = {
    "user_id": "AB1234", "user_name": "A", "user_shortname": "A", "email": "a@example.com", "user_type": "individual",
    "broker": "ZERODHA", "exchanges": ["NSE", "BSE"], "products": ["CNC", "MIS"], "order_types": ["MARKET"],
    "meta": {"demat_consent": "consent"},
}  # fmt: skip


class KiteInThread:
    """`answers` maps a path to data, or to a function of the request; `asked` keeps the paths in their order."""

    def __init__(self) -> None:
        self.address = ""
        self.accepted = {TOKEN}
        self.answers: dict[str, Any] = {
            "/user/profile": PROFILE, "/quote": {}, "/orders": [], "/gtt/triggers": [],
        }  # fmt: skip
        self.asked: list[str] = []

    def answer(self, request: web.Request) -> web.Response:
        """Answer as Kite does; the root needs no token."""
        self.asked.append(request.path)
        found = self.answers.get(request.path)
        if found is None:
            return failure(404, "GeneralException", "Route not found")
        if request.headers.get("Authorization", "").rpartition(":")[2] not in self.accepted:
            return failure(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        return found(request) if isinstance(found, Callable) else success(found)  # type: ignore[arg-type]


def kite_in_thread() -> AbstractContextManager[KiteInThread]:
    """Serve a Kite in a thread while the context is open."""
    return in_thread(served_on_loopback(KiteInThread()), "kite")
