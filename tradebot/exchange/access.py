"""Access to the exchange: keys that cannot be guessed, and a filter against requests from web pages in a browser."""

from __future__ import annotations

import hashlib
import secrets
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tradebot.domain.message import Message

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class AccessKeys(Message, frozen=True):
    """The keys of the exchange. A user of this machine who was not given them cannot trade.

    With an empty `access_token` no token is valid before a login.
    """

    api_key: str
    api_secret: str
    access_token: str

    @classmethod
    def new_random(cls) -> Self:
        """Return random keys for this run alone."""
        return cls(api_key=secrets.token_hex(8), api_secret=secrets.token_hex(16), access_token=secrets.token_hex(16))


class RegisteredApp(Message, frozen=True):
    """What a venue knows about the client's app.

    `redirect_url` is where a login sends the browser, None for an answer in JSON. Without `has_market_data` quotes,
    past bars and the stream are refused, as on a plan that does not include them. `demat_consent` is how the owner of
    the account lets the broker debit the demat account, by the venue's word; "empty" is not at all.
    """

    redirect_url: str | None = None
    has_market_data: bool = True
    demat_consent: str = "physical"


class LoginRecord(Message, frozen=True):
    """One login in the log of the exchange: the key, the digest of its access token, "" for none, and its market ns."""

    api_key: str
    token_digest: str
    born_at: int


def token_digest(access_token: str) -> str:
    """Return the SHA-256 of an access token in hexadecimal digits, "" for no token."""
    return hashlib.sha256(access_token.encode()).hexdigest() if access_token else ""


# For tests and simulated days.
FIXED_KEYS = AccessKeys(api_key="simkey", api_secret="simsecret", access_token="simtoken")


def local_requests_only(host: str) -> Middleware:
    """Return middleware that answers 403 unless a request names this server and comes from no foreign page.

    A page loaded in a browser may send requests here: under its own Origin, or under its own Host after its name was
    pointed at this machine.
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
    # Strips the port.
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdigit() else host.lower()
