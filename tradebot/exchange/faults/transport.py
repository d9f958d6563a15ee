"""What a fault does to a connection itself: resets it, closes it, stays silent, sends byte by byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import cast

from aiohttp import web

from tradebot.clock import SECOND, Clock

LONGEST_SILENCE_S = 60.0
SILENCE_POLL_S = 0.05
CLIENT_READ_S = 0.02  # time for the client to read what was sent before the reset
LINGER_OFF = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: a close sends RST, not FIN


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with RST."""
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
    cast(asyncio.WriteTransport, transport).abort()  # uvloop's transports are not asyncio's classes


async def stay_silent(request: web.Request, clock: Clock, *, longest_s: float = LONGEST_SILENCE_S) -> None:
    """Send nothing until the client goes away; after `longest_s` wall seconds the connection is reset."""
    until = clock.monotonic_ns() + int(longest_s * SECOND)
    while clock.monotonic_ns() < until:
        if request.transport is None or request.transport.is_closing():
            return
        await clock.sleep(SILENCE_POLL_S)
    reset_connection(request.transport)


def raw_response(response: web.Response) -> bytes:
    """Return the bytes of a response as they are sent on a connection that closes after it."""
    body = response.body if isinstance(response.body, bytes) else b""
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def send_then_reset(request: web.Request, content: bytes, clock: Clock) -> None:
    """Send `content`, then reset the connection."""
    if request.transport is not None and not request.transport.is_closing():
        cast(asyncio.WriteTransport, request.transport).write(content)
        await clock.sleep(CLIENT_READ_S)
    reset_connection(request.transport)


async def send_bytewise(request: web.Request, content: bytes, clock: Clock, *, within_s: float) -> None:
    """Send `content` one byte at a time over `within_s` wall seconds, then close the connection."""
    # Without this the socket would gather the small writes and send them together.
    if request.transport is not None and not request.transport.is_closing():
        request.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(content)):
        transport = request.transport
        if transport is None or transport.is_closing():
            return
        cast(asyncio.WriteTransport, transport).write(content[i : i + 1])
        await clock.sleep(within_s / len(content))
    if request.transport is not None:
        request.transport.close()
