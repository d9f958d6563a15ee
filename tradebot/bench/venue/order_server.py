"""The venue's order server, with only the HTTP needed to place an order, and a server that counts the orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import parse_qs

from tradebot.clock import SECOND, WallClock
from tradebot.domain.message import Message


class OrderSink(Protocol):
    """Receives the orders of an order server."""

    def accept_order(self, name: str, form: dict[str, list[str]], at_mono: int) -> str:
        """Take an order of client `name`, received at `at_mono` (monotonic ns); return its order id."""
        ...


@asynccontextmanager
async def open_order_server(orders: OrderSink) -> AsyncIterator[str]:
    """Open an HTTP server for orders; the context is its address."""
    server = await asyncio.get_running_loop().create_server(lambda: _OrderConnection(orders), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class _OrderConnection(asyncio.Protocol):
    def __init__(self, orders: OrderSink) -> None:
        self._orders, self._clock, self._got = orders, WallClock(), b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        at = self._clock.monotonic_ns()
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in head.split(b"\r\n"))}
        length = int(fields.get(b"content-length", b"0"))
        if not end or len(rest) < length:
            return
        self._got = rest[length:]
        name = fields[b"authorization"].decode().split()[-1].partition(":")[0]
        if head.startswith(b"POST /orders/regular "):
            number = self._orders.accept_order(name, parse_qs(rest[:length].decode()), at)
            self._answer(200, b'{"status":"success","data":{"order_id":"%s"}}' % number.encode())
        else:
            self._answer(404, b'{"status":"error","error_type":"GeneralException","message":"only orders are taken"}')

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


class OrdersDue(Message, frozen=True):
    """Asks whether `total` orders have come since the start; the server waits up to `within_s` seconds for them."""

    total: int
    within_s: float


class OrderCounter:
    """Counts orders and keeps the time of the last one."""

    def __init__(self) -> None:
        self._count, self._last, self._clock = 0, 0, WallClock()

    @asynccontextmanager
    async def open_sockets(self) -> AsyncIterator[tuple[str, ...]]:
        """Open the order server; the context is its address."""
        async with open_order_server(self) as rest:
            yield (rest,)

    def accept_order(self, name: str, form: dict[str, list[str]], at_mono: int) -> str:
        """Count an order received at `at_mono`, monotonic ns; return its order id."""
        self._count, self._last = self._count + 1, at_mono
        return f"{self._count:015d}"

    async def answer_parent(self, asked: OrdersDue) -> tuple[int, int]:
        """Wait for the orders; return their number and the time of the last one, monotonic ns."""
        deadline = self._clock.monotonic_ns() + int(asked.within_s * SECOND)
        while self._count < asked.total and self._clock.monotonic_ns() < deadline:
            await self._clock.sleep(0.002)
        return self._count, self._last
