"""Serves the exchange on one port of HTTP and websocket, with the market clock for other processes."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from tradebot.clock import Clock, format_iso
from tradebot.domain.message import Message
from tradebot.errors import VenueUnavailable
from tradebot.exchange.access import FIXED_KEYS, AccessKeys, LoginRecord, RegisteredApp, local_requests_only
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.account_faults import AccountFaults
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.faults.people_faults import PeopleFaults
from tradebot.exchange.protocol_server import ProtocolServer, ProtocolServerFactory, ServerContext
from tradebot.markets.market import HOME_MARKET

MAX_BODY_BYTES = 1 << 20
SHUTDOWN_TIMEOUT_S = 2.0


class ExchangeAddresses(Message, frozen=True):
    """Where the exchange listens, what a client needs to enter, and its market time at one monotonic instant.

    `market_at` is the market time (ns UTC) at `read_at_mono` (monotonic ns). `entry` is what a client of `venue` needs:
    addresses and keys by name. A process on the same machine has the same market clock as
    `MarketClock(origin=market_at, anchor=read_at_mono, speed=speed)`.
    """

    venue: str
    entry: Mapping[str, str]
    market_at: int
    read_at_mono: int
    speed: float

    def to_json(self) -> dict[str, Any]:
        """Return the addresses as a JSON object."""
        clock = {"market": self.market_at, "monotonic": self.read_at_mono, "speed": self.speed}
        return {self.venue: dict(self.entry), "clock": clock | {"iso": format_iso(self.market_at, HOME_MARKET.tzinfo)}}


@asynccontextmanager
async def serve_exchange(
    exchange: Exchange,
    clock: Clock,
    make_server: ProtocolServerFactory,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    keys: AccessKeys = FIXED_KEYS,
    token_expires: bool = True,
    log: EventLog | None = None,
    faults: FaultPlan | None = None,
    app: RegisteredApp | None = None,
    earlier_login: LoginRecord | None = None,
) -> AsyncIterator[ExchangeAddresses]:
    """Serve `exchange` by one protocol on one port (0: any free one) and close it at the end.

    Time does not move by itself: the caller runs `exchange.run_session()` in its own task group, or calls
    `exchange.advance_to()`. `keys` grant access; where others can reach the port they should be random. `token_expires`
    False keeps the first login alive past the hour at which the venue ends it. `app` is what the venue knows about the
    client's app, `earlier_login` the last login of the runs that this one continues. `faults` are injected and written
    to the log, except those that the protocol cannot commit; the plan's time starts here. Raises VenueUnavailable when
    the address cannot be bound.
    """
    context = ServerContext(exchange, clock, keys, token_expires, log, faults, app or RegisteredApp(), earlier_login)
    face = make_server(context)
    if faults is not None:
        _start(faults, face, exchange, clock, log)
    application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=(local_requests_only(host),))
    face.add_routes(application)
    application.router.add_get("/clock", partial(_clock, clock))
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    exchange.snapshot_listeners.append(face.publish_snapshots)
    exchange.order_listeners.append(face.publish_order)
    try:
        bound = await _listen(runner, host, port)
        yield ExchangeAddresses(
            venue=face.venue,
            entry=face.client_entry(host, bound),
            market_at=clock.market_ns(),
            read_at_mono=clock.monotonic_ns(),
            speed=clock.speed,
        )
    finally:
        exchange.snapshot_listeners.remove(face.publish_snapshots)
        exchange.order_listeners.remove(face.publish_order)
        await runner.cleanup()


def _start(faults: FaultPlan, face: ProtocolServer, exchange: Exchange, clock: Clock, log: EventLog | None) -> None:
    faults.exclude_kinds(face.unsupported_faults)
    faults.start_clock(clock)
    if log is not None:
        faults.strike_listeners.append(lambda line: log.append_line("fault", **line))
    AccountFaults(faults, exchange, clock)
    PeopleFaults(faults, exchange)


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        why = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise VenueUnavailable(f"the exchange cannot listen on {host}:{port}: {why}; choose another port") from error
    bound: int = runner.addresses[0][1]
    return bound


async def _clock(clock: Clock, _: web.Request) -> web.Response:
    return web.json_response(
        {"market_ns": clock.market_ns(), "monotonic_ns": clock.monotonic_ns(), "speed": clock.speed}
    )
