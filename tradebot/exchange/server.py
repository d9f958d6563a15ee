"""The exchange behind a socket: one port of HTTP and websocket, with the market clock for other processes."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from tradebot.clock import IST, Clock, iso
from tradebot.domain.message import Message
from tradebot.errors import VenueUnavailable
from tradebot.exchange.door import SET_KEYS, Keys, guarded
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faces.kite_rest import KiteRest
from tradebot.exchange.faces.kite_session import Sessions
from tradebot.exchange.faces.kite_ticker import KiteTicker
from tradebot.exchange.faults.account import AccountFaults
from tradebot.exchange.faults.people import People
from tradebot.exchange.faults.plan import FaultPlan
from tradebot.exchange.faults.rest import RestFaults
from tradebot.exchange.faults.stream import TickerFaults
from tradebot.exchange.limits import RateLimits

MAX_BODY_BYTES = 1 << 20
CLOSING_S = 2.0


class Addresses(Message, frozen=True):
    """Where the exchange listens, what opens it, and its market time at the monotonic instant `monotonic`.

    A process on the same machine has the same market clock as
    `MarketClock(origin=market, anchor=monotonic, speed=speed)`.
    """

    rest: str
    ticker: str
    api_key: str
    api_secret: str
    access_token: str
    market: int
    monotonic: int
    speed: float

    def render(self) -> dict[str, Any]:
        """Return the addresses as a JSON object."""
        return {
            "kite": {
                "rest": self.rest,
                "ticker": self.ticker,
                "api_key": self.api_key,
                "api_secret": self.api_secret,
                "access_token": self.access_token,
            },
            "clock": {
                "market": self.market,
                "monotonic": self.monotonic,
                "speed": self.speed,
                "iso": iso(self.market, IST),
            },
        }


@asynccontextmanager
async def serve(
    exchange: Exchange,
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    keys: Keys = SET_KEYS,
    token_expires: bool = True,
    redirect_url: str | None = None,
    limits: RateLimits | None = None,
    log: EventLog | None = None,
    faults: FaultPlan | None = None,
) -> AsyncIterator[Addresses]:
    """Open the Kite face of `exchange` on one port (0: any free one) and close it at the end.

    Time does not move by itself: the caller runs `exchange.run()` in its own task group, or steps by hand.
    `keys` open it; where others can reach the port they are drawn. `token_expires` False keeps the access token alive
    past 06:00 IST; `redirect_url` is where a login sends the browser. `faults` are committed and written to the log;
    the plan's time begins here. Raises VenueUnavailable when the address cannot be bound.
    """
    sessions = Sessions(
        clock, api_key=keys.api_key, api_secret=keys.api_secret, access_token=keys.access_token, expires=token_expires
    )
    rest_faults, ticker_faults = _faulty(faults, exchange, sessions, clock, log)
    rest = KiteRest(
        exchange,
        clock,
        sessions,
        limits=limits or RateLimits(clock),
        log=log,
        redirect_url=redirect_url,
        faults=rest_faults,
    )
    ticker = KiteTicker(exchange, sessions, rest.desk.record, log, ticker_faults)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=(guarded(host),))
    rest.add_to(app)
    app.router.add_get("/", ticker.handle)
    app.router.add_get("/clock", partial(_clock, clock))
    app.on_shutdown.append(ticker.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_S)
    await runner.setup()
    exchange.on_snapshots.append(ticker.publish)
    exchange.on_order.append(ticker.note_order)
    try:
        bound = await _listen(runner, host, port)
        yield Addresses(
            rest=f"http://{host}:{bound}",
            ticker=f"ws://{host}:{bound}",
            api_key=keys.api_key,
            api_secret=keys.api_secret,
            access_token=keys.access_token,
            market=clock.market(),
            monotonic=clock.monotonic(),
            speed=clock.speed,
        )
    finally:
        exchange.on_snapshots.remove(ticker.publish)
        exchange.on_order.remove(ticker.note_order)
        await runner.cleanup()


def _faulty(
    faults: FaultPlan | None, exchange: Exchange, sessions: Sessions, clock: Clock, log: EventLog | None
) -> tuple[RestFaults | None, TickerFaults | None]:
    if faults is None:
        return None, None
    faults.start(clock)
    if log is not None:
        faults.on_strike.append(lambda line: log.write("fault", **line))
    AccountFaults(faults, exchange, clock)
    People(faults, exchange)
    return RestFaults(faults, exchange, sessions, clock), TickerFaults(faults, clock)


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise VenueUnavailable(f"the exchange cannot listen on {host}:{port}: {why}; choose another port") from error
    bound: int = runner.addresses[0][1]
    return bound


async def _clock(clock: Clock, _: web.Request) -> web.Response:
    return web.json_response({"market_ns": clock.market(), "monotonic_ns": clock.monotonic(), "speed": clock.speed})
