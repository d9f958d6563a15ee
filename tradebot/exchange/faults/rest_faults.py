"""Faults of requests: draws from the plan for each request, and replaces its answer where a fault strikes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol

from aiohttp import web

from tradebot.clock import SECOND, Clock
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.catalogue import FaultStage
from tradebot.exchange.faults.dialect import Error, RestDialect
from tradebot.exchange.faults.fault_plan import FaultPlan, InjectedFault
from tradebot.exchange.faults.transport import (
    raw_response,
    reset_connection,
    send_bytewise,
    send_then_reset,
    stay_silent,
)
from tradebot.exchange.refusals import ExchangeRefusal

ERROR_PAGE = b"<html><head><title>%d</title></head><body><h1>We will be back shortly.</h1></body></html>"
PAGE_STATUSES = {  # faults that answer with a proxy's HTML page -> its status
    "unavailable": 503,
    "firewall-403": 403,
    "lost-timeout": 408,
    "late-accept": 504,
    "html": 200,
    "408-after-accept": 408,
    "429-after-accept": 429,
}
GATEWAY_ERRORS = (500, 502, 503, 504)
RESET_WITHIN_BYTES = 300  # bytes of an answer in which a reset may fall: status line, headers, start of the body
NESTED_ARRAYS = 100_000


class LoginState(Protocol):
    """The login session that a dead token ends."""

    dead_until_mono: int  # monotonic ns until which no token is valid

    def replace_token(self) -> None:
        """End the session for good by a login from elsewhere."""
        ...


class RestFaults(Generic[Error]):
    """The faults of one server's requests, in the words of its dialect."""

    def __init__(
        self, plan: FaultPlan, dialect: RestDialect[Error], *, exchange: Exchange, login: LoginState, clock: Clock
    ) -> None:
        self._plan, self._dialect, self._exchange, self._login, self._clock = plan, dialect, exchange, login, clock
        self._last: dict[str, Any] = {}  # point -> data of the previous query

    def draw_fault(self, route: str, *, tag: str = "", symbol: str = "", order_id: str = "") -> InjectedFault | None:
        """Return the fault that strikes a request of `route`, None without one.

        The keywords name the order it concerns.
        """
        point = self._dialect.points.get(route)
        if point is None:
            return None
        symbol = symbol if point == "orders.create" else ""
        return self._plan.draw_fault(point, tag=tag, symbol=symbol, order_id=order_id)

    def refusal_error(self, fault: InjectedFault, answer: Callable[[], Any]) -> Error:
        """Return the error recorded for a request that is not carried out.

        A late one is carried out later by `answer`.
        """
        if fault.name == "late-accept":
            late = lambda: self._carry_out_late(answer)  # noqa: E731
            self._exchange.schedule_call(max(fault.duration_s * fault.draw, 0.5), late)
        if fault.name == "token-death":
            self._login.dead_until_mono = self._clock.monotonic_ns() + int(fault.duration_s * SECOND)
        if fault.name == "token-replaced":
            self._login.replace_token()
        known = self._dialect.refusals.get(fault.name)
        return known or self._dialect.placeholder_error(PAGE_STATUSES.get(fault.name, 0), f"fault {fault.name}")

    def _carry_out_late(self, answer: Callable[[], Any]) -> None:
        with suppress(ExchangeRefusal, *self._dialect.errors):  # it may be refused by then, and no client waits
            answer()

    async def send_reply(
        self,
        request: web.Request,
        route: str,
        fault: InjectedFault | None,
        data: Any,
        error: Error | None,
        *,
        respond: Callable[[Any, Error | None], web.Response],
    ) -> web.StreamResponse:
        """Answer a request with its data or its error, as `respond` words them, or with what a fault makes of them."""
        if error is None:
            data = self._answered_data(fault, route, data)
        if fault is None:
            return respond(data, error)
        truth = web.Response() if fault.prevents_request else respond(data, error)
        return await self._answer(fault, request, truth)

    def _answered_data(self, fault: InjectedFault | None, route: str, data: Any) -> Any:
        # The data for the client; stored for a later answer that is stale.
        point = self._dialect.points.get(route, "")
        before = self._last.get(point, [] if point == "orders.list" else data)
        self._last[point] = data
        if fault is None or fault.kind.stage is not FaultStage.FALSE_DATA:
            return data
        if fault.name in ("stale-orders", "stale-positions"):
            return before
        return self._dialect.falsify_data(fault.name, point, data, draw=fault.draw)

    async def _answer(self, fault: InjectedFault, request: web.Request, truth: web.Response) -> web.StreamResponse:
        # Answers a request that was struck; `truth` is the answer without the fault.
        name, clock = fault.name, self._clock
        if fault.kind.stage is FaultStage.FALSE_DATA:
            return truth
        if (error := self._dialect.refusals.get(name)) is not None:
            body, status = self._dialect.refusal_body(error), error.status
            return _json(body, status=status, wait="1" if status == 429 else "")
        if name in PAGE_STATUSES or name == "accept-then-5xx":
            status = PAGE_STATUSES.get(name) or GATEWAY_ERRORS[int(fault.draw * len(GATEWAY_ERRORS))]
            return web.Response(body=ERROR_PAGE % status, status=status, content_type="text/html")
        bodies, group = self._dialect.bodies, fault.point.partition(".")[0]
        if (content := bodies.get(f"{name}:{group}") or bodies.get(name)) is not None:
            return _json(content)
        body = truth.body if isinstance(truth.body, bytes) else b""
        match name:
            case "redirect-307":
                return web.Response(status=307, headers={"Location": request.path_qs})
            case "half-json":
                return _json(body[: len(body) // 2])
            case "empty-body":
                return _json(b"")
            case "wrong-charset":
                return _json(body.decode().encode("utf-16"))
            case "deep-json":
                return _json(b"[" * NESTED_ARRAYS + b"]" * NESTED_ARRAYS)
            case "slow-reply":
                await clock.sleep(fault.duration_s * fault.draw)
                return truth
            case "fill-before-reply":
                await self._await_end(truth, fault.duration_s)
                return truth
        await _disturb(fault, request, truth, clock)
        return truth  # the connection is gone, so this is not read

    async def _await_end(self, truth: web.Response, within_s: float) -> None:
        until = self._clock.monotonic_ns() + int(within_s * SECOND)
        text = truth.body.decode() if isinstance(truth.body, bytes) else ""
        while self._clock.monotonic_ns() < until:
            # The reply names one order. All numbers have the same length, so none is found inside another.
            if any(order.is_ended and f'"{order.order_id}"' in text for order in self._exchange.latest_orders()):
                await self._clock.sleep(0.1)  # its last frame goes out first
                return
            await self._clock.sleep(0.02)


async def _disturb(fault: InjectedFault, request: web.Request, truth: web.Response, clock: Clock) -> None:
    match fault.name:
        case "lost-before" | "accept-then-reset":
            reset_connection(request.transport)
        case "dropped-before" | "accept-then-close":
            if request.transport is not None:
                request.transport.close()
        case "hang-before" | "accept-then-hang":
            await stay_silent(request, clock)
        case "reset-at-byte":
            content = raw_response(truth)
            await send_then_reset(
                request, content[: 1 + int(fault.draw * min(len(content) - 2, RESET_WITHIN_BYTES))], clock
            )
        case "slow-bytes":
            await send_bytewise(request, raw_response(truth), clock, within_s=fault.duration_s * fault.draw)
        case name:
            raise AssertionError(f"nobody commits {name}")


def _json(body: bytes, *, status: int = 200, wait: str = "") -> web.Response:
    headers = {"Retry-After": wait} if wait else None
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
