"""The control socket: JSON over HTTP on a Unix socket that only the daemon's user may open; `ControlApis` answers.

Requests are limited in size, time and number. An error in one request does not affect others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from tradebot.clock import SECOND
from tradebot.control.login_api import LoginApi
from tradebot.control.operator_api import BadRequest, OperatorApi
from tradebot.control.socket_address import SOCKET_NAME, socket_path
from tradebot.control.start_api import StartApi
from tradebot.errors import StateError, TradebotError
from tradebot.ops.reminder import Reminder

MAX_BODY_BYTES = 64 << 10
MAX_CONNECTIONS = 20
ACCEPT_BACKLOG = 128  # connections waiting to be accepted; further clients have to try again
REQUEST_TIMEOUT_S = 5.0
CONNECTION_TIMEOUT_S = 10.0  # a connection is closed after this time
ALLOWED_HOSTS = frozenset({"localhost", "tradebot"})
CLOSE_TIMEOUT_S = 1.0
MALFORMED_LOG_INTERVAL_S = 60.0  # how often the log reports the number of requests that are not HTTP

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlApis:
    """Who answers the operator now: `operator` is that of the start until the run's own takes over."""

    def __init__(self, operator: OperatorApi | StartApi, login: LoginApi | None = None) -> None:
        self.operator, self.login = operator, login or LoginApi()


@asynccontextmanager
async def serve_control_socket(state_dir: Path, apis: ControlApis) -> AsyncIterator[None]:
    """Listen on `<state_dir>/control.sock` while the context is open; a socket left by a crash is replaced.

    The caller holds the lock of the state directory. Raises StateError.
    """
    answering: set[object] = set()  # connections with a complete request that is not answered yet
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_noted_in(answering), _bounded])
    _add_routes(app, apis)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=CLOSE_TIMEOUT_S,
        keepalive_timeout=REQUEST_TIMEOUT_S,
        logger=_quiet_logger(),
    )
    await runner.setup()
    protocols = runner.server
    assert protocols is not None, "setup makes the server"
    loop = asyncio.get_running_loop()

    def accept() -> asyncio.BaseProtocol:
        if len(protocols.connections) >= MAX_CONNECTIONS:
            # Close a connection without a complete request: an operator's request comes whole and at once.
            idle = next((one for one in protocols.connections if one not in answering), None)
            if idle is None:
                return _RejectConnection()
            idle.force_close()
        protocol: web.RequestHandler = protocols()
        loop.call_later(CONNECTION_TIMEOUT_S, protocol.force_close)
        return protocol

    path = Path(state_dir) / SOCKET_NAME
    listening = _listen(state_dir)
    server = await loop.create_unix_server(accept, sock=listening, backlog=ACCEPT_BACKLOG)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        await runner.cleanup()


def _listen(state_dir: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    try:
        with socket_path(state_dir) as path:
            if os.path.lexists(path):
                if not stat.S_ISSOCK(os.lstat(path).st_mode):
                    raise StateError(f"{Path(state_dir) / SOCKET_NAME} is in the way and is no socket; remove it")
                os.unlink(path)
            # The socket has the right mode from the start. Every file of this process is for its user alone anyway.
            before = os.umask(0o177)
            try:
                listening.bind(path)
            finally:
                os.umask(before)
    except StateError:
        listening.close()
        raise
    except OSError as error:
        listening.close()
        raise StateError(f"{Path(state_dir) / SOCKET_NAME} cannot be listened on: {error.strerror or error}") from error
    return listening


class _RejectConnection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer 503 and close the connection."""
        to = cast(asyncio.WriteTransport, transport)
        body = b'{"error": "too many connections"}'
        head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        to.write(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
        # Closing at once could reset a client that is still sending, before it reads the answer.
        self._close = to.close
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, to.close)

    def data_received(self, data: bytes) -> None:
        """Close the connection, because its client has sent its request."""
        self._close()


def _noted_in(answering: set[object]) -> Middleware:
    @web.middleware
    async def note(request: web.Request, handler: Answering) -> web.StreamResponse:
        answering.add(request.protocol)
        try:
            return await handler(request)
        finally:
            answering.discard(request.protocol)

    return note


def _quiet_logger() -> logging.Logger:
    # A request that is not HTTP would log an error with a traceback each time, and a client may send thousands.
    logger = logging.Logger("tradebot.control")
    logger.parent = logging.getLogger()
    reminder = Reminder(first_s=MALFORMED_LOG_INTERVAL_S, longest_s=MALFORMED_LOG_INTERVAL_S)

    def is_told(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        if not (times := reminder.due_count("malformed", int(record.created * SECOND))):
            return False
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        record.msg, record.args = f"{times} malformed request(s) on the control socket", None
        return True

    logger.addFilter(is_told)
    return logger


@web.middleware
async def _bounded(request: web.Request, handler: Answering) -> web.StreamResponse:
    # Refuse browsers: they name another host, or send an Origin.
    hosts = [host.partition(":")[0] for host in request.headers.getall("Host", [])]
    if len(hosts) != 1 or hosts[0] not in ALLOWED_HOSTS or "Origin" in request.headers:
        return _error(403, "this socket answers the command line only")
    if request.method == "POST" and request.content_type != "application/json":
        return _error(415, "send application/json")
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            return await handler(request)
    except BadRequest as error:
        return _error(error.status, str(error))
    except web.HTTPException as error:
        return _error(error.status, error.reason)
    except TimeoutError:
        return _error(
            504, f"not confirmed within {REQUEST_TIMEOUT_S:g} s; it may still take effect: ask `tradebot status`"
        )
    except TradebotError as error:
        return _error(503, str(error))


def _add_routes(app: web.Application, apis: ControlApis) -> None:
    async def status(_: web.Request) -> web.Response:
        return _json(200, apis.operator.current_status())

    async def login_link(_: web.Request) -> web.Response:
        return _json(200, apis.login.current_login())

    def post(action: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Answering:
        async def answer(request: web.Request) -> web.Response:
            return _json(200, await action(await _body(request)))

        return answer

    app.router.add_get("/status", status, allow_head=False)
    app.router.add_get("/login", login_link, allow_head=False)
    actions: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
        "halt": lambda body: apis.operator.halt(body),
        "resume": lambda body: apis.operator.resume(body),
        "flatten": lambda body: apis.operator.flatten(body),
        "stop": lambda body: apis.operator.stop(body),
        "login": lambda body: apis.login.login(body),
    }
    for name, action in actions.items():
        app.router.add_post(f"/{name}", post(action))


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, default=str))


def _error(status: int, sentence: str) -> web.Response:
    return _json(status, {"error": sentence})
