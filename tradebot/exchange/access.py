"""The door of the exchange: keys that nobody can guess, and requests that a page in a browser cannot make."""

from __future__ import annotations

import secrets
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tradebot.domain.message import Message

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class AccessKeys(Message, frozen=True):
    """What opens the exchange: whoever is on this machine and was not told them trades nothing."""

    api_key: str
    api_secret: str
    access_token: str

    @classmethod
    def new_random(cls) -> Self:
        """Return keys of this run alone."""
        return cls(api_key=secrets.token_hex(8), api_secret=secrets.token_hex(16), access_token=secrets.token_hex(16))


FIXED_KEYS = AccessKeys(
    api_key="simkey", api_secret="simsecret", access_token="simtoken"
)  # of tests and simulated days


def local_requests_only(host: str) -> Middleware:
    """Return the middleware that answers 403 unless a request names this server and comes from no foreign page.

    A page that a browser loaded may send requests here, under its own Origin or, after its name was pointed at this
    machine, under its own Host.
    """
    names = {*LOOPBACK, host, f"[{host}]"}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts, origins = request.headers.getall("Host", []), request.headers.getall("Origin", [])
        is_ours = len(hosts) == 1 and _name(hosts[0]) in names
        if not is_ours or any(_name(origin.partition("://")[2]) not in names for origin in origins):
            raise web.HTTPForbidden(text="this exchange answers programs of its own machine")
        return await handler(request)

    return guard


def _name(host: str) -> str:
    # Without its port.
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdigit() else host.lower()
