"""A Kite on loopback that answers what a test wants, and a broker at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from aiohttp import web
from aiohttp.test_utils import TestServer

from tradebot.clock import ManualClock, parse_iso
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.rest import Timeouts

NOW = parse_iso("2026-01-05T10:00:00+05:30")
REQUEST = OrderRequest(
    order_id="tb26abc0001", symbol="INFY", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
    quantity=Decimal(5), price=Decimal("1573.70"),
)  # fmt: skip
PATIENT = Timeouts(connect_s=20.0, query_s=20.0, write_s=20.0, dump_s=20.0)  # a loaded machine answers late
QUICK = Timeouts(connect_s=20.0, write_s=0.3)


def success(data: object) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def failure(status: int, error_type: str, message: str = "no") -> web.Response:
    return web.json_response(
        {"status": "error", "message": message, "error_type": error_type, "data": None}, status=status
    )


class Kite:
    """A server that answers every request with what the test set, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], dict[str, str], dict[str, str]]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | web.Response = success({"order_id": "1"})
        self.address = ""

    async def serve_client(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.got.append((request.method, request.path, dict(request.query), form, dict(request.headers)))
        return await self.answer(request) if callable(self.answer) else self.answer

    def says(self, answer: Callable[[web.Request], web.Response]) -> None:
        async def late(request: web.Request) -> web.Response:
            return answer(request)

        self.answer = late


@asynccontextmanager
async def kite_on_loopback() -> AsyncIterator[Kite]:
    """Serve a Kite that answers what a test sets."""
    kite = Kite()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", kite.serve_client)
    async with TestServer(app, host="127.0.0.1") as server:
        kite.address = str(server.make_url("")).rstrip("/")
        yield kite


class AnsweringKite(Protocol):
    """Answers every request as Kite does; `address` is set once it is served."""

    address: str

    def answer(self, request: web.Request) -> web.Response: ...


Answering = TypeVar("Answering", bound=AnsweringKite)


@asynccontextmanager
async def served_on_loopback(answering: Answering) -> AsyncIterator[Answering]:
    """Let `answering` answer on loopback while the context is open."""
    async with kite_on_loopback() as kite:
        kite.says(answering.answer)
        answering.address = kite.address
        yield answering


@asynccontextmanager
async def broker_at(address: str, **settings: Any) -> AsyncIterator[KiteBroker]:
    settings.setdefault("clock", ManualClock(NOW))
    settings.setdefault("timeouts", PATIENT)
    broker = KiteBroker(rest=address, credentials=Credentials(api_key="key", access_token="secret"), **settings)
    try:
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def raw_server(answer: bytes, *, close_early: bool = True) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve every connection by reading one request, writing `answer` and closing; yields address and requests."""
    requests: list[bytes] = []
    served: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.Event()
        served.append(end)
        try:
            await play(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            end.set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
        requests.append(head + await reader.readexactly(length))
        writer.write(answer)
        if not close_early:
            await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", requests
    finally:
        server.close()
        async with asyncio.timeout(5):
            for end in served:
                await end.wait()
