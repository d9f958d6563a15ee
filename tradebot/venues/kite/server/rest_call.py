"""One call of Kite's REST server: what is read from a request, the kinds of answers, and their responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from tradebot.domain.message import Message
from tradebot.venues.kite.server.wire import KiteError, input_error, render_error, render_success


class RestCall(Message, frozen=True):
    """One request: parts of the path, parameters of query and form (the first of a name), every `i`, the JSON body.

    `wants_page` is True where the client is a browser, which shows what it gets to a person.
    """

    path: Mapping[str, str]
    params: Mapping[str, str]
    keys: tuple[str, ...] = ()
    body: Any = None
    wants_page: bool = False


class CsvAnswer(Message, frozen=True):
    """A response that is a file, without an envelope."""

    content: bytes


class Redirect(Message, frozen=True):
    """A response that redirects the browser."""

    location: str


class PageAnswer(Message, frozen=True):
    """A response that is a page of HTML for a person."""

    html: str


class Route(Message, frozen=True):
    """One route: `groups` are the rate limits it counts toward; with `is_open` it needs no login."""

    method: str
    path: str
    make_answer: Callable[[RestCall], Any]
    groups: tuple[str, ...]
    is_open: bool


async def read_call(request: web.Request) -> RestCall:
    """Return what a request says. Raises KiteError for a body that is not the JSON it claims to be."""
    query = request.query
    params: dict[str, str] = {name: query[name] for name in query}
    body = None
    if request.method in ("POST", "PUT"):
        if request.content_type == "application/json":
            try:
                body = orjson.loads(await request.read())
            except orjson.JSONDecodeError:
                raise input_error("The body is not JSON.") from None
        else:
            form = await request.post()
            params |= {name: value for name in form if isinstance(value := form[name], str)}
    return RestCall(
        path=dict(request.match_info),
        params=params,
        keys=tuple(query.getall("i", ())),
        body=body,
        wants_page="text/html" in request.headers.get("Accept", ""),
    )


def respond(data: Any, error: KiteError | None) -> web.Response:
    """Return the response to a call: its error, if there is one, else its data."""
    if error is not None:
        return web.Response(body=render_error(error), status=error.status, content_type="application/json")
    if isinstance(data, CsvAnswer):
        return web.Response(body=data.content, content_type="text/csv")
    if isinstance(data, Redirect):
        return web.Response(status=302, headers={"Location": data.location, "Cache-Control": "no-store"})
    if isinstance(data, PageAnswer):
        return web.Response(text=data.html, content_type="text/html", headers={"Cache-Control": "no-store"})
    return web.Response(body=render_success(data), content_type="application/json")
