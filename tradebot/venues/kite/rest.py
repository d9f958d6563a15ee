"""Sends one HTTP request to Kite, at most once on the wire; the broker above it interprets the response."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote_plus

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from tradebot import __version__
from tradebot.domain.message import Message
from tradebot.errors import LinkLost
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.rules import HEADERS
from tradebot.venues.tls import trusted_ssl_context

MAX_CONNECTIONS = 32  # more than the rate limits allow at the same time
CLOSE_TIMEOUT_S = 2.0
MAX_CHANGE_S = 5.0
# Forms are rendered here, because aiohttp's own form takes as much time as the rest of an order's request.
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


_needs_no_quoting = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


def render_form(form: Mapping[str, str]) -> bytes:
    """Return the same bytes as `urllib.parse.urlencode`, in a tenth of its time where no value needs quoting."""
    pairs = [f"{name}={text if _needs_no_quoting(text) else quote_plus(text)}" for name, text in form.items()]
    return "&".join(pairs).encode()


class Timeouts(Message, frozen=True):
    """The time limits in wall seconds: for a connection, and in total for a read, a write and an instrument file."""

    connect_s: float = 2.0
    query_s: float = 5.0
    write_s: float = 8.0  # for a new order: a shorter limit only leaves more orders with an unknown outcome
    dump_s: float = 60.0

    @property
    def change_s(self) -> float:
        """Return the limit in s for a cancel or a change; it is shorter because these may be requested again."""
        return min(self.write_s, MAX_CHANGE_S)


class NotSentError(LinkLost):
    """The request failed before its first byte was given to a connection."""


class _SecondSendError(aiohttp.ClientError):
    pass


class _TrackedRequest(aiohttp.ClientRequest):
    may_have_been_sent = False  # True once a byte may have left this machine

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        self.may_have_been_sent = True
        return await super().send(conn)


class _SendOnce:
    # When the server drops the connection, aiohttp sends GET, PUT and DELETE again by itself. This middleware refuses
    # the second send of every call. It also records whether a byte may have left.

    __slots__ = ("_request",)

    def __init__(self) -> None:
        self._request: aiohttp.ClientRequest | None = None

    @property
    def may_have_been_sent(self) -> bool:
        return self._request is not None and (
            not isinstance(self._request, _TrackedRequest) or self._request.may_have_been_sent
        )

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._request is not None:
            raise _SecondSendError("the connection was dropped without an answer")
        self._request = request
        return await handler(request)


class RestLink:
    """A pool of connections to one REST address; `root` may contain a path. It opens on first use, in the running loop.

    It follows no redirects, uses no proxies from the environment and keeps no cookies. Without `has_login` no access
    token is sent: for the login itself.
    """

    def __init__(
        self,
        root: str,
        *,
        credentials: Credentials,
        timeouts: Timeouts | None = None,
        bind_address: str | None = None,
        ca_bundle: str = "",
        has_login: bool = True,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self._root = root.rstrip("/")
        self._credentials = credentials
        self._version = -1  # version of the credentials in the pool's headers
        self._limits: dict[float, aiohttp.ClientTimeout] = {}  # total_s -> the timeout for aiohttp
        self._bind_address, self._ca_bundle = bind_address, ca_bundle
        self._has_login = has_login
        self._session: aiohttp.ClientSession | None = None

    async def send_request(
        self,
        method: str,
        path: str,
        *,
        total_s: float,
        max_bytes: int,
        params: Iterable[tuple[str, str]] = (),
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send one request and return the HTTP status and the body of at most `max_bytes`, with our secrets redacted.

        Raises NotSentError if no byte has left, else LinkLost, after which the venue may have acted.
        """
        passage = _SendOnce()
        url = URL(self._root + path)
        limit = self._limits.get(total_s)
        if limit is None:
            limit = self._limits[total_s] = aiohttp.ClientTimeout(total=total_s, connect=self.timeouts.connect_s)
        try:
            async with self._open().request(
                method,
                url.with_query(list(params)) if params else url,
                data=None if form is None else render_form(form),
                headers=None if form is None else FORM_HEADERS,
                allow_redirects=False,
                timeout=limit,
                middlewares=(passage,),
            ) as response:
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > max_bytes:
                        raise LinkLost(f"{method} {path}: the answer is longer than {max_bytes} bytes")
                # A gateway may quote our request in its error; the token must not get into the journal or the tables.
                return response.status, self._credentials.redactor(bytes(body))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            text = f"{method} {path}: {self._credentials.redactor.mask_text(error) or type(error).__name__}"
            raise (LinkLost(text) if passage.may_have_been_sent else NotSentError(text)) from error

    async def close(self) -> None:
        """Close the pool within at most two seconds."""
        session, self._session = self._session, None
        if session is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await session.close()
            except TimeoutError:
                return  # the process is about to end; the operating system closes the rest

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MAX_CONNECTIONS,
                    ttl_dns_cache=60,
                    ssl=trusted_ssl_context(self._ca_bundle) if self._root.startswith("https:") else True,
                    local_addr=(self._bind_address, 0) if self._bind_address else None,
                ),
                headers={**HEADERS, "User-Agent": f"tradebot/{__version__}", **self._authorization()},
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_TrackedRequest,
                trust_env=False,
            )
        elif self._version != self._credentials.version:
            self._session.headers.update(self._authorization())
        return self._session

    def _authorization(self) -> dict[str, str]:
        keys = self._credentials
        self._version = keys.version
        return {"Authorization": f"token {keys['api_key']}:{keys['access_token']}"} if self._has_login else {}
