"""Kite's protocol server of the simulated exchange: the REST routes, the ticker, and the faults of both."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from tradebot.exchange.faults.rest_faults import RestFaults
from tradebot.exchange.faults.stream_faults import TickerFaults
from tradebot.exchange.protocol_server import ServerContext
from tradebot.exchange.rate_limits import RateLimits
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder
from tradebot.markets.market import market_of
from tradebot.venues.kite.rules import KITE_RULES
from tradebot.venues.kite.server.dialect import KiteRestDialect, KiteStreamDialect
from tradebot.venues.kite.server.limits import KITE_LIMITS
from tradebot.venues.kite.server.rest import KiteRest
from tradebot.venues.kite.server.session import LoginSessions
from tradebot.venues.kite.server.ticker import KiteTicker


class KiteServer:
    """Kite Connect over one exchange."""

    venue = "kite"
    unsupported_faults: frozenset[str] = frozenset()

    def __init__(self, backing: ServerContext, *, limits: RateLimits | None = None) -> None:
        exchange, clock, keys, log = backing.exchange, backing.clock, backing.keys, backing.log
        self._keys = keys
        sessions = LoginSessions(
            clock,
            api_key=keys.api_key,
            api_secret=keys.api_secret,
            access_token=keys.access_token,
            expires=backing.token_expires,
            earlier=backing.earlier_login,
            log=log,
        )
        rest_faults = ticker_faults = None
        if backing.faults is not None:
            rest_faults = RestFaults(backing.faults, KiteRestDialect(), exchange=exchange, login=sessions, clock=clock)
            ticker_faults = TickerFaults(backing.faults, KiteStreamDialect(), clock)
        self._rest = KiteRest(
            exchange,
            clock,
            sessions,
            limits=limits or RateLimits(clock, KITE_LIMITS, market=market_of(KITE_RULES.exchange)),
            log=log,
            app=backing.app,
            faults=rest_faults,
        )
        self._ticker = KiteTicker(
            exchange,
            sessions,
            self._rest.account_routes.render_order,
            log,
            ticker_faults,
            has_market_data=backing.app.has_market_data,
        )

    def add_routes(self, app: web.Application) -> None:
        """Add the REST routes and the stream to `app`."""
        self._rest.add_routes(app)
        app.router.add_get("/", self._ticker.serve_client)
        app.on_shutdown.append(self._ticker.close_clients)

    def publish_snapshots(self, snapshots: Snapshots) -> None:
        """Queue quote packets for every client."""
        self._ticker.queue_snapshots(snapshots)

    def publish_order(self, order: BookOrder) -> None:
        """Queue the new version of an order for every client."""
        self._ticker.queue_order(order)

    def client_entry(self, host: str, port: int) -> Mapping[str, str]:
        """Return the addresses and keys that a client needs, by the names of the adapter."""
        keys = self._keys
        return {
            "rest": f"http://{host}:{port}",
            "ticker": f"ws://{host}:{port}",
            "api_key": keys.api_key,
            "api_secret": keys.api_secret,
            "access_token": keys.access_token,
        }
