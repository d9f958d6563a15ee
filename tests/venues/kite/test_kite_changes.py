"""Changes of working orders at Kite: what is rendered, and that a PUT leaves once whatever becomes of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest

from tradebot.clock import ManualClock, parse_iso
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.errors import OutcomeUnknown
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.responses import ResponseKind, classify_response
from tradebot.venues.kite.rest import Timeouts
from tradebot.venues.kite.wire import WireError, render_change
from tradebot.venues.venue import Accepted, NotSent, Refused

pytestmark = pytest.mark.both_loops
REQUEST = OrderRequest(
    order_id="tb26abc0001", symbol="INFY", exchange="NSE", side=Side.SELL, kind=OrderKind.LIMIT,
    quantity=Decimal(5), price=Decimal("1573.70"),
)  # fmt: skip
DONE = b'{"status":"success","data":{"order_id":"151220000000000"}}'


@asynccontextmanager
async def venue(answer: bytes) -> AsyncIterator[tuple[KiteBroker, list[bytes]]]:
    """A broker at a server that reads each request whole, writes `answer` and hangs up."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        got.append(head + await reader.readexactly(length))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        clock = ManualClock(parse_iso("2026-01-05T10:00:00+05:30"))
        broker = KiteBroker(rest=address, credentials=Credentials(api_key="key", access_token="secret"), clock=clock,
                            timeouts=Timeouts(connect_s=2.0, query_s=2.0, write_s=2.0))  # fmt: skip
        try:
            yield broker, got
        finally:
            await broker.close()


def http(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


async def test_a_change_is_one_put_with_the_new_terms() -> None:
    async with venue(http("200 OK", DONE)) as (broker, got):
        reply = await broker.modify(REQUEST, venue_order_id="151220000000000")
    assert reply == Accepted(venue_order_id="151220000000000")
    (sent,) = got
    assert sent.startswith(b"PUT /orders/regular/151220000000000 HTTP/1.1\r\n")
    assert sent.endswith(b"order_type=LIMIT&quantity=5&validity=DAY&price=1573.70")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", http("502 Bad Gateway", b"<html>"),
                                    http("200 OK", b'{"status":"success","data":{"order_id":"9"}}')])  # fmt: skip
async def test_without_a_clear_answer_a_change_is_in_doubt_and_leaves_once(answer: bytes) -> None:
    async with venue(answer) as (broker, got):
        with pytest.raises(OutcomeUnknown):
            await broker.modify(REQUEST, venue_order_id="151220000000000")
    assert len(got) == 1


async def test_a_refusal_is_data_and_what_cannot_be_rendered_never_leaves() -> None:
    refusal = (
        b'{"status":"error","error_type":"OrderException","message":"Maximum allowed order modifications exceeded."}'
    )
    async with venue(http("400 Bad Request", refusal)) as (broker, got):
        reply = await broker.modify(REQUEST, venue_order_id="151220000000000")
        assert isinstance(reply, Refused)
        half = msgspec.structs.replace(REQUEST, quantity=Decimal("0.5"))
        assert isinstance(await broker.modify(half, venue_order_id="151220000000000"), NotSent)
        assert isinstance(await broker.modify(REQUEST, venue_order_id="../user"), NotSent)
    assert len(got) == 1


def test_a_stop_brings_its_trigger_and_a_market_order_its_protection() -> None:
    stop = msgspec.structs.replace(REQUEST, kind=OrderKind.STOP_LIMIT, trigger_price=Decimal("1574"))
    assert render_change(stop)["trigger_price"] == "1574"
    market = msgspec.structs.replace(REQUEST, kind=OrderKind.MARKET, price=None, protection_pct=Decimal("0.5"))
    assert render_change(market)["market_protection"] == "0.5"
    with pytest.raises(WireError, match="price"):
        render_change(msgspec.structs.replace(REQUEST, price=None))


def test_missing_funds_are_a_refusal_whatever_else_the_text_advises() -> None:
    text = (
        "Insufficient funds. Required margin is 1.00 but available margin is 0.00. Check the orderbook for open orders."
    )
    body = b'{"status":"error","error_type":"%s","message":"%s","data":null}'
    assert classify_response(400, body % (b"MarginException", text.encode())).kind is ResponseKind.REFUSED
    assert classify_response(400, body % (b"OrderException", text.encode())).kind is ResponseKind.UNKNOWN
