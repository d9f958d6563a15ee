"""The connections of one listener: how many there may be, who has to go for a fresh one, for how long each may stay.

A connection without a complete request makes room: an operator's request comes whole and at once. A stream of events
is counted by itself and stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tradebot.clock import SECOND
from tradebot.ops.reminder import Reminder

MAX_CONNECTIONS = 20
ACCEPT_BACKLOG = 128  # connections waiting to be accepted; further clients have to try again
CONNECTION_TIMEOUT_S = 10.0  # a connection is closed after this time
KEEPALIVE_S = 5.0
LINGERING_S = 1.0  # how long what is left of a refused request is read
CLOSE_TIMEOUT_S = 1.0
MALFORMED_LOG_INTERVAL_S = 60.0  # how often the log reports the number of requests that are not HTTP

Listen = Callable[[Callable[[], asyncio.BaseProtocol]], Awaitable[asyncio.Server]]


class ConnectionPlaces:
    """Which connections of a listener are answered now, and which of them are streams."""

    def __init__(self) -> None:
        self._answering: set[object] = set()  # connections with a complete request that is not answered yet
        self._streaming: set[object] = set()

    @contextmanager
    def answering(self, protocol: object) -> Iterator[None]:
        """Keep a connection while its request is answered."""
        self._answering.add(protocol)
        try:
            yield
        finally:
            self._answering.discard(protocol)

    @contextmanager
    def streaming(self, protocol: object) -> Iterator[None]:
        """Let a connection stay for as long as the context is open, outside of the places of the others."""
        self._streaming.add(protocol)
        try:
            yield
        finally:
            self._streaming.discard(protocol)

    def accept(self, protocols: web.Server) -> asyncio.BaseProtocol:
        """Return who talks to a new connection: the API, or one that tells it that there are too many."""
        taken = [one for one in protocols.connections if one not in self._streaming]
        if len(taken) >= MAX_CONNECTIONS:
            idle = next((one for one in taken if one not in self._answering), None)
            if idle is None:
                return _RejectConnection()
            _let_go(idle)
        protocol: web.RequestHandler = protocols()
        asyncio.get_running_loop().call_later(CONNECTION_TIMEOUT_S, self._end_connection, protocol)
        return protocol

    def _end_connection(self, protocol: web.RequestHandler) -> None:
        if protocol not in self._streaming:
            _let_go(protocol)


@asynccontextmanager
async def serve_application(app: web.Application, places: ConnectionPlaces, listen: Listen) -> AsyncIterator[None]:
    """Serve an application while the context is open; `listen` opens the listener for a factory of protocols."""
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=CLOSE_TIMEOUT_S,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGERING_S,
        logger=_quiet_logger(),
    )
    await runner.setup()
    protocols = runner.server
    assert protocols is not None, "setup makes the server"
    try:
        server = await listen(lambda: places.accept(protocols))
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _let_go(protocol: web.RequestHandler) -> None:
    # A transport that still has something to send closes only once it is sent, for a client that never reads never.
    transport = cast(asyncio.WriteTransport | None, protocol.transport)
    protocol.force_close()
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()


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
        record.msg, record.args = f"{times} malformed request(s) to the operator's API", None
        return True

    logger.addFilter(is_told)
    return logger
