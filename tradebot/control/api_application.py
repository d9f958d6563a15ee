"""The operator's API as a web application: the table of routes behind one guard, every refusal one JSON sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from tradebot.control.api_paths import EVENTS_PATH, LIVE_PATH, METRICS_PATH, OPENAPI_PATH, READY_PATH
from tradebot.control.connection_places import ConnectionPlaces
from tradebot.control.control_apis import ControlApis
from tradebot.control.openapi import openapi_document
from tradebot.control.operator_api import BadRequest
from tradebot.control.request_guard import RequestGuard
from tradebot.control.routes import ROUTES, ApiRoute, parameters_of
from tradebot.errors import TradebotError

MAX_BODY_BYTES = 64 << 10
REQUEST_TIMEOUT_S = 5.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NO_METRICS = "this run has no metrics"
NO_STREAM = "as many readers of events as may be are there already"

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_application(apis: ControlApis, guard: RequestGuard, places: ConnectionPlaces) -> web.Application:
    """Return the application that answers what `guard` lets through; `places` learns who is answered."""

    @web.middleware
    async def guarded(request: web.Request, handler: Answering) -> web.StreamResponse:
        with places.answering(request.protocol):
            if (refused := guard.refusal(request)) is not None:
                return _refused(refused.status, refused.sentence, refused.headers)
            if request.method == "POST" and request.content_type != "application/json":
                return _refused(415, "send application/json")
            return await _within_limits(request, handler)

    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guarded])
    for route in ROUTES:
        for path in route.paths:
            app.router.add_route(route.method, path, _answering(route, apis))
    app.router.add_get(EVENTS_PATH, _event_stream(apis, places), allow_head=False)
    _add_plain_routes(app, apis)
    return app


async def _within_limits(request: web.Request, handler: Answering) -> web.StreamResponse:
    limit_s = None if request.path == EVENTS_PATH else REQUEST_TIMEOUT_S  # a stream has limits of its own
    try:
        async with asyncio.timeout(limit_s):
            return await handler(request)
    except BadRequest as error:
        return _refused(error.status, str(error))
    except web.RequestPayloadError:
        return _refused(400, "the body cannot be read")
    except web.HTTPException as error:
        allowed = error.headers.get("Allow")
        return _refused(error.status, error.reason, {"Allow": allowed} if allowed else {})
    except TimeoutError:
        told = f"not confirmed within {REQUEST_TIMEOUT_S:g} s; it may still take effect: ask `tradebot status`"
        return _refused(504, told)
    except TradebotError as error:
        return _refused(503, str(error))


def _answering(route: ApiRoute, apis: ControlApis) -> Answering:
    async def answer(request: web.Request) -> web.Response:
        if route.method == "POST":
            asked: Any = await _body(request)
        elif request.path == route.path:
            asked = parameters_of(route.takes, list(request.query.items()))
        else:
            asked = route.takes()  # older command lines send no parameters, and what else they send was never read
        return _json(200, await route.answer(apis, asked))

    return answer


def _event_stream(apis: ControlApis, places: ConnectionPlaces) -> Answering:
    async def stream(request: web.Request) -> web.StreamResponse:
        if apis.events is None:
            return _refused(404, "this daemon streams no events")
        if not apis.events.has_place:
            return _refused(429, NO_STREAM, {"Retry-After": "5"})
        with places.streaming(request.protocol):
            return await apis.events.write_stream(request)

    return stream


def _add_plain_routes(app: web.Application, apis: ControlApis) -> None:
    async def live(_: web.Request) -> web.Response:
        return _json(200, {"alive": True})

    async def ready(_: web.Request) -> web.Response:
        found = apis.readiness()
        return _json(200 if found.ready else 503, found)

    async def metrics(_: web.Request) -> web.Response:
        if apis.metrics is None:
            return _refused(404, NO_METRICS)
        return web.Response(body=apis.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def document(_: web.Request) -> web.Response:
        return _json(200, openapi_document())

    for path, handler in ((LIVE_PATH, live), (READY_PATH, ready), (METRICS_PATH, metrics), (OPENAPI_PATH, document)):
        app.router.add_get(path, handler, allow_head=False)


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    encoded = msgspec.json.encode(body) if isinstance(body, msgspec.Struct) else json.dumps(body, default=str).encode()
    return web.Response(status=status, body=encoded, content_type="application/json", headers=headers)


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json(status, {"error": sentence}, headers)
