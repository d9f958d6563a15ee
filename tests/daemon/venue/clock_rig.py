"""An exchange's clock on a loopback port that a test moves, stops and starts again, and the clock that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tests.told import Told
from tradebot.clock import SECOND, Clock, RehearsalClock, WallClock
from tradebot.daemon.start_retry import StartRetry
from tradebot.daemon.venue.exchange_clock import follow_exchange_clock
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.credentials import Credentials


class ExchangeOnLoopback:
    """Answers `GET /clock` with `answer()`; it may be stopped and started again at the same port."""

    def __init__(self, market_at: int, *, speed: float = 60.0) -> None:
        self.host: Clock = WallClock()
        self.port, self.speed = unused_port(), speed
        self._base = (market_at, self.host.monotonic_ns())
        self.answer: Callable[[], web.Response] = self.tell_time
        self.asked = asyncio.Event()
        self._server: TestServer | None = None

    def market_ns(self) -> int:
        """Return its market time now."""
        return self._base[0] + int((self.host.monotonic_ns() - self._base[1]) * self.speed)

    def jump_to(self, market_at: int) -> None:
        """Set its market time."""
        self._base = (market_at, self.host.monotonic_ns())

    def tell_time(self) -> web.Response:
        """Return what an exchange of ours answers."""
        mono = self.host.monotonic_ns()
        market_at = self._base[0] + int((mono - self._base[1]) * self.speed)
        return web.json_response({"market_ns": market_at, "monotonic_ns": mono, "speed": self.speed})

    async def start(self) -> None:
        """Listen."""

        async def clock(_: web.Request) -> web.Response:
            self.asked.set()
            return self.answer()

        app = web.Application()
        app.router.add_get("/clock", clock)
        self._server = TestServer(app, host="127.0.0.1", port=self.port)
        await self._server.start_server()

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def asked_times(self, times: int) -> None:
        """Wait until it was asked so often from now on, and the last but one answer was taken."""
        for _ in range(times):
            self.asked.clear()
            await self.asked.wait()


class Heard(Told):
    """Keeps the events, and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, event: Any) -> None:
        super().__call__(event)
        self._more.set()

    async def until(self, name: str, times: int = 1) -> dict[str, Any]:
        """Return the fields of the last of so many events of a name, once they were told."""
        while len(self.of(name)) < times:
            self._more.clear()
            await self._more.wait()
        return self.of(name)[times - 1]


@asynccontextmanager
async def followed(
    exchange: ExchangeOnLoopback, told: Heard, *, within_s: float = 5.0, path: str = ""
) -> AsyncIterator[RehearsalClock]:
    """Yield the clock that follows an exchange, for at most ten seconds."""
    access = VenueAccess(
        addresses={"rest": f"http://127.0.0.1:{exchange.port}{path}", "ticker": f"ws://127.0.0.1:{exchange.port}"},
        credentials=Credentials(api_key="key"),
    )
    start_retry = StartRetry(within_s=within_s, clock=exchange.host, tell=told)
    async with (
        asyncio.timeout(10),
        follow_exchange_clock(
            access, host=exchange.host, market=HOME_MARKET, start_retry=start_retry, tell=told
        ) as clock,
    ):
        yield clock


def apart_s(clock: RehearsalClock, exchange: ExchangeOnLoopback) -> float:
    """Return by how many market seconds the follower is apart from the exchange."""
    return abs(clock.market_ns() - exchange.market_ns()) / SECOND
