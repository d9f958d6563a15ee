"""Kite's REST server: finds the route, checks login and rate limit, calls the route, logs the response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tradebot.clock import Clock
from tradebot.exchange.access import RegisteredApp
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.rest_faults import RestFaults
from tradebot.exchange.rate_limits import RateLimits
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.venues.kite.server.account_routes import KiteAccountRoutes
from tradebot.venues.kite.server.gtt_routes import KiteGttRoutes
from tradebot.venues.kite.server.login_routes import KiteLoginRoutes
from tradebot.venues.kite.server.market_routes import KiteMarketRoutes
from tradebot.venues.kite.server.refusals import refusal_error
from tradebot.venues.kite.server.rest_call import CsvAnswer, RestCall, Route, read_call, respond
from tradebot.venues.kite.server.session import LoginSessions
from tradebot.venues.kite.server.wire import KiteError, input_error, permission_error

PREFIXES = ("", "/oms")  # the official sandbox prefixes every route with /oms
SECRETS = frozenset({"access_token", "request_token", "checksum", "api_secret", "refresh_token"})
PLACE_GROUPS = ("orders", "place")  # "orders" limits all writes per second, "place" new orders per minute and day
DATA_GROUPS = frozenset({"quote", "historical"})  # what a plan without market data does not include


# Official clients know these routes. They are refused by name.
NOT_OFFERED = {
    "Trigger ranges": ("GET /instruments/trigger_range/{transaction_type}",),
    "Alerts": ("GET /alerts", "POST /alerts", "DELETE /alerts", "GET /alerts/{uuid}", "PUT /alerts/{uuid}"),
    "Auctions": ("GET /portfolio/holdings/auctions",),
    "Authorisations of holdings": ("POST /portfolio/holdings/authorise", "GET /portfolio/holdings/authorise"),
}


class KiteRest:
    """The REST half of the Kite server: handlers for an aiohttp application."""

    def __init__(
        self,
        exchange: Exchange,
        clock: Clock,
        sessions: LoginSessions,
        *,
        limits: RateLimits,
        log: EventLog | None,
        app: RegisteredApp,
        faults: RestFaults[KiteError] | None = None,
    ) -> None:
        self.account_routes = KiteAccountRoutes(exchange, clock)
        self.gtt_routes = KiteGttRoutes(exchange)
        self.market_routes = KiteMarketRoutes(exchange)
        self.login_routes = KiteLoginRoutes(sessions, app, clock, account_id=exchange.account.account_id)
        self._clock = clock
        self._sessions = sessions
        self._limits = limits
        self._log = log
        self._has_market_data = app.has_market_data
        self._faults = faults

    def add_routes(self, app: web.Application) -> None:
        """Add every route, with and without the sandbox's prefix, and errors in the envelope for all other paths."""
        for route in self.list_routes():
            for prefix in PREFIXES:
                app.router.add_route(route.method, prefix + route.path, self._handler(route))
        app.middlewares.append(self._enclose)

    def list_routes(self) -> list[Route]:
        """Return the routes in the order of Kite's documentation."""
        login, desk, gtt, market = self.login_routes, self.account_routes, self.gtt_routes, self.market_routes
        return [
            _route("GET /connect/login", login.login_page, is_open=True),
            _route("POST /connect/login", login.finish_login, is_open=True),
            _route("POST /session/token", login.create_session, is_open=True),
            _route("DELETE /session/token", login.end_session, is_open=True),
            _route("GET /user/profile", lambda _: login.user_profile()),
            _route("GET /user/margins", lambda _: desk.segment_funds()),
            _route("GET /user/margins/{segment}", lambda call: desk.segment_funds(call.path["segment"])),
            _route(
                "POST /orders/{variety}",
                lambda call: desk.place_order(call.path["variety"], call.params),
                *PLACE_GROUPS,
            ),
            _route(
                "PUT /orders/{variety}/{order_id}",
                lambda call: desk.modify_order(call.path["variety"], call.path["order_id"], call.params),
                "orders",
            ),
            _route(
                "DELETE /orders/{variety}/{order_id}",
                lambda call: desk.cancel_order(call.path["variety"], call.path["order_id"]),
                "orders",
            ),
            _route("GET /orders", lambda _: desk.list_orders()),
            _route("GET /orders/{order_id}", lambda call: desk.order_history(call.path["order_id"])),
            _route("GET /orders/{order_id}/trades", lambda call: desk.list_trades(call.path["order_id"])),
            _route("GET /trades", lambda _: desk.list_trades()),
            # No order is placed yet, so these count among all other requests.
            _route("POST /gtt/triggers", lambda call: gtt.create_gtt(call.params)),
            _route("GET /gtt/triggers", lambda _: gtt.list_gtts()),
            _route("GET /gtt/triggers/{trigger_id}", lambda call: gtt.show_gtt(call.path["trigger_id"])),
            _route(
                "PUT /gtt/triggers/{trigger_id}",
                lambda call: gtt.modify_gtt(call.path["trigger_id"], call.params),
            ),
            _route("DELETE /gtt/triggers/{trigger_id}", lambda call: gtt.cancel_gtt(call.path["trigger_id"])),
            _route("GET /portfolio/positions", lambda _: desk.list_positions()),
            _route("PUT /portfolio/positions", lambda call: desk.convert_position(call.params)),
            _route("GET /portfolio/holdings", lambda _: desk.list_holdings()),
            _route("POST /margins/orders", lambda call: desk.order_margins(call.body)),
            _route("POST /margins/basket", lambda call: desk.basket_margins(call.body)),
            _route("POST /charges/orders", lambda call: desk.order_charges(call.body)),
            _route(
                "GET /instruments/historical/{token}/{interval}",
                lambda call: market.list_candles(call.path["token"], call.path["interval"], call.params),
                "historical",
            ),
            _route("GET /instruments", lambda _: CsvAnswer(content=market.instrument_file(None))),
            _route(
                "GET /instruments/{exchange}",
                lambda call: CsvAnswer(content=market.instrument_file(call.path["exchange"])),
            ),
            _route("GET /quote", lambda call: market.list_quotes(call.keys, kind="quote"), "quote"),
            _route("GET /quote/ohlc", lambda call: market.list_quotes(call.keys, kind="ohlc"), "quote"),
            _route("GET /quote/ltp", lambda call: market.list_quotes(call.keys, kind="ltp"), "quote"),
            *(_route(line, _not_offered(what)) for what, lines in NOT_OFFERED.items() for line in lines),
        ]

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        name = f"{route.method} {route.path}"

        async def handle(request: web.Request) -> web.StreamResponse:
            call = RestCall(path=dict(request.match_info), params={})
            fault, data = None, None
            error: KiteError | None = None
            try:
                call = await read_call(request)
                if self._faults is not None:
                    fault = self._faults.draw_fault(
                        name,
                        tag=call.params.get("tag", ""),
                        symbol=call.params.get("tradingsymbol", ""),
                        order_id=_id_in(call.path),
                    )
                if self._faults is not None and fault is not None and fault.prevents_request:
                    error = self._faults.refusal_error(fault, lambda: route.make_answer(call))
                else:
                    self._admit(request, route)
                    data = route.make_answer(call)
            except ExchangeRefusal as refusal:
                error = refusal_error(refusal)
            except KiteError as answer:
                error = answer
            self._write(request, call, data, error)
            if self._faults is None:
                return respond(data, error)
            return await self._faults.send_reply(request, name, fault, data, error, respond=respond)

        return handle

    def _admit(self, request: web.Request, route: Route) -> None:
        if not route.is_open:
            if request.headers.get("X-Kite-Version", "").partition(".")[0] != "3":
                raise input_error("Invalid or missing `X-Kite-Version`; this is version 3.")
            self._sessions.check_authorization(request.headers.get("Authorization"))
        if not self._has_market_data and not DATA_GROUPS.isdisjoint(route.groups):
            raise permission_error()
        if (limit := self._limits.count_request(*route.groups)) is not None:
            raise KiteError(429, "NetworkException", f"Too many requests: at most {limit.count} a {limit.span}.")

    def _write(self, request: web.Request, call: RestCall, data: Any, error: KiteError | None) -> None:
        if self._log is None:
            return
        answered = _id_in(data) if isinstance(data, dict) else ""
        self._log.append_line(
            "request",
            at=self._clock.market_ns(),
            method=request.method,
            path=request.path,
            params={name: value for name, value in call.params.items() if name not in SECRETS},
            status=error.status if error else 200,  # 0: a fault dropped the request before it was handled
            tag=call.params.get("tag", ""),
            order_id=answered or _id_in(call.path),
            error_type=error.error_type if error else "",
            message=error.message if error else "",
        )

    @web.middleware
    async def _enclose(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        # Errors that aiohttp raises before a route is reached are sent in the envelope as well.
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            error = KiteError(404, "GeneralException", "Route not found")
        except web.HTTPMethodNotAllowed:
            error = KiteError(405, "GeneralException", "Method not allowed")
        except web.HTTPRequestEntityTooLarge:
            error = KiteError(413, "InputException", "The body is too large.")
        else:
            return response
        self._write(request, RestCall(path={}, params={}), None, error)
        return respond(None, error)


def _route(line: str, answer: Callable[[RestCall], Any], *groups: str, is_open: bool = False) -> Route:
    method, path = line.split()
    return Route(method=method, path=path, make_answer=answer, groups=groups or ("other",), is_open=is_open)


def _id_in(fields: Mapping[str, Any]) -> str:
    # The order or the GTT order that a route or an answer names, "" for neither.
    return str(fields.get("order_id") or fields.get("trigger_id", ""))


def _not_offered(what: str) -> Callable[[RestCall], Any]:
    def refuse(_: RestCall) -> Any:
        raise KiteError(400, "InputException", f"{what} are not offered by this exchange.")

    return refuse
