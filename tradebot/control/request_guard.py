"""Who may ask the operator's API, and how often: one guard for the control socket, one for loopback HTTP.

The socket is the user's alone by its mode. Over HTTP a token says who asks, and the names of this machine are listed: a
page in a browser of this machine reaches loopback too, and names its own host or sends an Origin.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from tradebot.clock import Clock
from tradebot.control.api_paths import LIVE_PATH
from tradebot.control.api_token import is_token
from tradebot.control.request_rate import RequestBucket

SOCKET_HOSTS = frozenset({"localhost", "tradebot"})
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SOCKET_PER_S, SOCKET_BURST = 200.0, 400  # the command line of one user, scripts included
HTTP_PER_S, HTTP_BURST = 20.0, 40


class RequestRefusal(NamedTuple):
    """Why a request is refused before it is read, with the status and a header of the answer."""

    status: int
    sentence: str
    headers: dict[str, str] = {}


class RequestGuard:
    """Refuses requests by host, origin, token and rate. `hosts` are the allowed names, `is_exact` with their port.

    Commands have a rate of their own, so that no flood of reads keeps a `halt` out. So have wrong tokens: they use up
    nothing of what the holder of the right one may ask.
    """

    def __init__(
        self, clock: Clock, *, hosts: frozenset[str], is_exact: bool, per_second: float, burst: int, token: str = ""
    ) -> None:
        self._hosts, self._is_exact, self._token = hosts, is_exact, token
        self._reads, self._commands, self._strangers = (
            RequestBucket(clock, per_second=per_second, burst=burst) for _ in range(3)
        )

    @classmethod
    def for_socket(cls, clock: Clock) -> RequestGuard:
        """Return the guard of the control socket."""
        return cls(clock, hosts=SOCKET_HOSTS, is_exact=False, per_second=SOCKET_PER_S, burst=SOCKET_BURST)

    @classmethod
    def for_loopback(cls, clock: Clock, *, port: int, token: str) -> RequestGuard:
        """Return the guard of loopback HTTP at `port`."""
        hosts = frozenset(f"{name}:{port}" for name in LOOPBACK_NAMES)
        return cls(clock, hosts=hosts, is_exact=True, per_second=HTTP_PER_S, burst=HTTP_BURST, token=token)

    def refusal(self, request: web.Request) -> RequestRefusal | None:
        """Return why the request is refused, None where it may go on."""
        given = request.headers.getall("Host", [])
        hosts = [host.lower() if self._is_exact else host.partition(":")[0] for host in given]
        if len(hosts) != 1 or hosts[0] not in self._hosts or "Origin" in request.headers:
            return RequestRefusal(403, "only a program of this machine is answered, and no page in a browser")
        bucket = self._commands if request.method == "POST" else self._reads
        if self._token and request.path != LIVE_PATH and not self._has_token(request):
            if wait_s := self._strangers.take_token():
                return _too_often(wait_s)
            told = "the token is missing or wrong; `tradebot api token` says where it stands"
            return RequestRefusal(401, told, {"WWW-Authenticate": "Bearer"})
        wait_s = bucket.take_token()
        return _too_often(wait_s) if wait_s else None

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.getall("Authorization", [])
        return len(given) == 1 and is_token(given[0], self._token)


def _too_often(wait_s: int) -> RequestRefusal:
    return RequestRefusal(429, f"too many requests; ask again in {wait_s} s", {"Retry-After": str(wait_s)})
