"""Faults of the REST counter: asks the plan about each request, and answers in place of the truth where it says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from tradebot.clock import SECOND, Clock
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faces.kite_session import Sessions
from tradebot.exchange.faces.kite_wire import KiteError, render_error
from tradebot.exchange.faults.catalogue import Stage
from tradebot.exchange.faults.plan import Fault, FaultPlan
from tradebot.exchange.faults.replies import Replies
from tradebot.exchange.faults.transport import raw, reset, send_part, send_slowly, stay_silent
from tradebot.exchange.ticket import Refusal

ROUTES = {
    "POST /session/token": "session", "GET /user/profile": "profile", "GET /user/margins": "margins",
    "GET /user/margins/{segment}": "margins", "POST /orders/{variety}": "orders.create",
    "PUT /orders/{variety}/{order_id}": "orders.modify", "DELETE /orders/{variety}/{order_id}": "orders.cancel",
    "GET /orders": "orders.list", "GET /orders/{order_id}": "orders.history", "GET /orders/{order_id}/trades": "trades",
    "GET /trades": "trades", "GET /portfolio/positions": "positions", "GET /portfolio/holdings": "holdings",
    "GET /instruments/historical/{token}/{interval}": "history", "GET /instruments": "instruments",
    "GET /instruments/{exchange}": "instruments", "GET /quote": "quotes", "GET /quote/ohlc": "quotes",
    "GET /quote/ltp": "quotes",
}  # fmt: skip
PAGE = b"<html><head><title>%d</title></head><body><h1>We will be back shortly.</h1></body></html>"
GATEWAY_ERRORS = (500, 502, 503, 504)
FIRST_WORDS = 300  # bytes of an answer within which a reset may fall: status line, headers, the begin of the body
NESTED = 100_000
STRANGE = KiteError(400, "SurveillanceException", "RMS:Rule: entity block type 7 for account across exchange")
REFUSALS = {  # what is said in Kite's own envelope
    "429": KiteError(429, "NetworkException", "Too many requests."),
    "unknown-refusal-text": STRANGE,
    "accept-then-unknown-text": STRANGE,
    "definite-reject": KiteError(400, "MarginException", "Insufficient funds. Required margin is 1.00 but available "
                                 "margin is 0.00. Check the orderbook for open orders."),
    "closed-market-reject": KiteError(400, "OrderException", "Markets are closed right now."),
    "refuse-then-fill": KiteError(400, "OrderException", "Markets are closed right now."),
    "address-refused": KiteError(403, "PermissionException", "IP address is not allowed to place orders."),
    "cancel-unknown": KiteError(400, "OrderException", "Couldn't find that `order_id`."),
    "no-right": KiteError(403, "PermissionException", "Insufficient permission for that call."),
    "token-death": KiteError(403, "TokenException", "Incorrect `api_key` or `access_token`."),
    "error-200": KiteError(200, "GeneralException", "Something unexpected happened."),
}  # fmt: skip
PAGES = {  # what a proxy says in HTML
    "unavailable": 503, "firewall-403": 403, "lost-timeout": 408, "late-accept": 504, "html": 200,
    "408-after-accept": 408, "429-after-accept": 429,
}  # fmt: skip


class RestFaults:
    """The faults of one REST face."""

    def __init__(self, plan: FaultPlan, exchange: Exchange, sessions: Sessions, clock: Clock) -> None:
        self._plan, self._exchange, self._sessions, self._clock = plan, exchange, sessions, clock
        self._replies = Replies()

    def strike(self, route: str, *, params: Mapping[str, str], path: Mapping[str, str]) -> Fault | None:
        """Return what strikes a request of `route`, such as `GET /orders/{order_id}`."""
        point = ROUTES.get(route)
        if point is None:
            return None
        return self._plan.strike(
            point,
            tag=params.get("tag", ""),
            symbol=params.get("tradingsymbol", "") if point == "orders.create" else "",
            order_id=path.get("order_id", ""),
        )

    def refusal(self, fault: Fault, answer: Callable[[], Any]) -> KiteError:
        """Return how a request that is not carried out is recorded; `answer` carries out one that is only late.

        A status of 0 stands for a request that gets no answer.
        """
        if fault.name == "late-accept":
            self._exchange.schedule(max(fault.lasts_s * fault.draw, 0.5), lambda: _late(answer))
        if fault.name == "token-death":
            self._sessions.dead_until = self._clock.monotonic() + int(fault.lasts_s * SECOND)
        known = REFUSALS.get(fault.name)
        return known or KiteError(PAGES.get(fault.name, 0), "", f"fault {fault.name}")

    def data(self, fault: Fault | None, route: str, data: Any) -> Any:
        """Return the data that the client is told."""
        is_lie = fault is not None and fault.kind.stage is Stage.LIE
        return self._replies.tell(fault if is_lie else None, ROUTES.get(route, ""), data)

    async def answer(self, fault: Fault, request: web.Request, truth: web.Response) -> web.StreamResponse:
        """Answer a request that was struck; `truth` is what would have been said."""
        name, clock = fault.name, self._clock
        if fault.kind.stage is Stage.LIE:
            return truth
        if name in REFUSALS:
            error = REFUSALS[name]
            return _json(render_error(error), status=error.status, wait="1" if error.status == 429 else "")
        if name in PAGES or name == "accept-then-5xx":
            status = PAGES.get(name) or GATEWAY_ERRORS[int(fault.draw * len(GATEWAY_ERRORS))]
            return web.Response(body=PAGE % status, status=status, content_type="text/html")
        body = truth.body if isinstance(truth.body, bytes) else b""
        match name:
            case "redirect-307":
                return web.Response(status=307, headers={"Location": request.path_qs})
            case "half-json":
                return _json(body[: len(body) // 2])
            case "empty-body":
                return _json(b"")
            case "wrong-type":
                return _json(b'{"status":"success","data":7}')
            case "null-data":
                return _json(b'{"status":"success","data":null}')
            case "wrong-charset":
                return _json(body.decode().encode("utf-16"))
            case "deep-json":
                return _json(b"[" * NESTED + b"]" * NESTED)
            case "wrong-order-id":
                return _json(b'{"status":"success","data":{"order_id":"990101000000001"}}')
            case "slow-reply":
                await clock.sleep(fault.lasts_s * fault.draw)
                return truth
            case "fill-before-reply":
                await self._await_end(truth, fault.lasts_s)
                return truth
        await _disturb(fault, request, truth, clock)
        return truth  # nobody is there to read it

    async def _await_end(self, truth: web.Response, within_s: float) -> None:
        until = self._clock.monotonic() + int(within_s * SECOND)
        text = truth.body.decode() if isinstance(truth.body, bytes) else ""
        while self._clock.monotonic() < until:
            # The reply names one order; numbers have one length, so none is found inside another.
            if any(order.is_ended and f'"{order.order_id}"' in text for order in self._exchange.orders()):
                await self._clock.sleep(0.1)  # its last frame goes out first
                return
            await self._clock.sleep(0.02)


async def _disturb(fault: Fault, request: web.Request, truth: web.Response, clock: Clock) -> None:
    match fault.name:
        case "lost-before" | "accept-then-reset":
            reset(request.transport)
        case "dropped-before" | "accept-then-close":
            if request.transport is not None:
                request.transport.close()
        case "hang-before" | "accept-then-hang":
            await stay_silent(request, clock)
        case "reset-at-byte":
            content = raw(truth)
            await send_part(request, content[: 1 + int(fault.draw * min(len(content) - 2, FIRST_WORDS))], clock)
        case "slow-bytes":
            await send_slowly(request, raw(truth), clock, within_s=fault.lasts_s * fault.draw)
        case name:
            raise AssertionError(f"nobody commits {name}")


def _json(body: bytes, *, status: int = 200, wait: str = "") -> web.Response:
    headers = {"Retry-After": wait} if wait else None
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _late(answer: Callable[[], Any]) -> None:
    with suppress(Refusal, KiteError):  # by then the exchange may refuse it, and nobody would hear
        answer()
