"""The broker against a server on loopback: every class of answer and failure, and never a request sent twice."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ThreadedResolver, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from tradebot import __version__
from tradebot.clock import SECOND, ManualClock, WallClock, from_iso
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.order import OrderKind, OrderRequest, Purpose, Side
from tradebot.errors import AccessDenied, DataError, LinkLost, OutcomeUnknown
from tradebot.venues.kite.answers import ACCESS_DENIED, Verdict, classify
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.profile import LIMITS
from tradebot.venues.kite.rest import Timeouts
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.kite.wire import parse_trades
from tradebot.venues.limiter import Limiter
from tradebot.venues.link import Throttled
from tradebot.venues.venue import Accepted, NotSent, Refused

pytestmark = pytest.mark.both_loops
MINUTE = 60 * SECOND
NOW = from_iso("2026-01-05T10:00:00+05:30")
REQUEST = OrderRequest(
    order_id="tb26abc0001", symbol="INFY", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
    quantity=Decimal(5), price=Decimal("1573.70"),
)  # fmt: skip
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
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

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.got.append((request.method, request.path, dict(request.query), form, dict(request.headers)))
        return await self.answer(request) if callable(self.answer) else self.answer

    def says(self, answer: Callable[[web.Request], web.Response]) -> None:
        async def late(request: web.Request) -> web.Response:
            return answer(request)

        self.answer = late


@pytest.fixture
async def kite() -> AsyncIterator[Kite]:
    kite = Kite()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", kite.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        kite.address = str(server.make_url("")).rstrip("/")
        yield kite


@asynccontextmanager
async def broker_at(address: str, **settings: Any) -> AsyncIterator[KiteBroker]:
    settings.setdefault("clock", ManualClock(NOW))
    settings.setdefault("timeouts", PATIENT)
    broker = KiteBroker(rest=address, api_key="key", access_token="secret", **settings)
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


async def test_an_order_leaves_with_headers_form_and_tag_and_is_accepted(kite: Kite) -> None:
    kite.answer = success({"order_id": "151220000000000"})
    async with broker_at(kite.address) as broker:
        assert await broker.submit(REQUEST) == Accepted(venue_order_id="151220000000000")
    ((method, path, query, form, headers),) = kite.got
    assert (method, path, query) == ("POST", "/orders/regular", {})
    assert (form["tag"], form["price"], form["quantity"]) == ("tb26abc0001", "1573.70", "5")
    assert (headers["X-Kite-Version"], headers["Authorization"]) == ("3", "token key:secret")
    assert headers["User-Agent"] == f"tradebot/{__version__}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_a_cancel_leaves_as_delete_and_is_accepted(kite: Kite) -> None:
    kite.answer = success({"order_id": "151220000000000"})
    async with broker_at(kite.address, prefix="/oms") as broker:
        reply = await broker.cancel(order_id="tb1", venue_order_id="151220000000000")
    assert reply == Accepted(venue_order_id="151220000000000")
    assert kite.got[0][:2] == ("DELETE", "/oms/orders/regular/151220000000000")


@pytest.mark.parametrize("method", ["submit", "cancel"])
@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (failure(400, "InputException", "bad tick"), Refused(reason="bad tick", code="InputException")),
        (failure(400, "MarginException", "funds"), Refused(reason="funds", code="MarginException")),
        (failure(400, "OrderException", "closed"), Refused(reason="closed", code="OrderException")),
        (failure(428, "HoldingException", "edis"), Refused(reason="edis", code="HoldingException")),
        (failure(404, "GeneralException", "no route"), Refused(reason="no route", code="GeneralException")),
        (failure(429, "NetworkException", "slow"), Refused(reason="slow", code="429")),
        (failure(403, "TokenException", "dead"), Refused(reason="dead", code=ACCESS_DENIED)),
        (failure(403, "PermissionException", "plan"), Refused(reason="plan", code=ACCESS_DENIED)),
        (
            failure(400, "InputException", "No IPs configured for this app."),
            Refused(reason="No IPs configured for this app.", code=ACCESS_DENIED),
        ),
    ],
)
async def test_a_definite_answer_is_a_refusal_as_data(
    kite: Kite, method: str, answer: web.Response, reply: Refused
) -> None:
    body, status = answer.body, answer.status
    kite.says(lambda _: web.Response(body=body, status=status, content_type="application/json"))
    async with broker_at(kite.address) as broker:
        assert await write(broker, method) == reply


async def write(broker: KiteBroker, method: str) -> object:
    if method == "submit":
        return await broker.submit(REQUEST)
    return await broker.cancel(order_id=REQUEST.order_id, venue_order_id="7")


@pytest.mark.parametrize("method", ["submit", "cancel"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, json.dumps({"status": "error", "message": TIMED_OUT, "error_type": "OrderException"})),
        (400, json.dumps({"status": "error", "message": "odd", "error_type": "NeverSeenException"})),
        (408, json.dumps({"status": "error", "message": "slow", "error_type": "InputException"})),
        (500, json.dumps({"status": "error", "message": "x", "error_type": "GeneralException"})),
        (500, json.dumps({"status": "error", "message": "x", "error_type": "OrderException"})),
        (502, "<html>bad gateway</html>"),
        (503, json.dumps({"status": "error", "message": "x", "error_type": "NetworkException"})),
        (504, ""),
        (400, "<html>what</html>"),
        (403, "<html>firewall</html>"),
        (200, ""),
        (200, "{"),
        (200, "<html>"),
        (200, "[]"),
        (200, json.dumps({"status": "success"})),
        (200, json.dumps({"status": "success", "data": None})),
        (200, json.dumps({"status": "success", "data": {"order_id": 7}})),
        (200, json.dumps({"status": "success", "data": {"order_id": ""}})),
        (200, json.dumps({"status": "error", "message": "x", "error_type": "InputException"})),
        (302, ""),
        (200, "[" * 100_000),
        (200, "x" * (1 << 21)),
    ],
)
async def test_anything_else_leaves_the_outcome_unknown(kite: Kite, method: str, status: int, body: str) -> None:
    kite.says(lambda _: web.Response(status=status, text=body, headers={"Location": "/elsewhere"}))
    async with broker_at(kite.address) as broker:
        with pytest.raises(OutcomeUnknown):
            await write(broker, method)
    assert len(kite.got) == 1


async def test_an_answer_for_another_order_leaves_the_cancel_unknown(kite: Kite) -> None:
    kite.answer = success({"order_id": "8"})
    async with broker_at(kite.address) as broker:
        with pytest.raises(OutcomeUnknown, match="instead of 7"):
            await broker.cancel(order_id="tb1", venue_order_id="7")


@pytest.mark.parametrize("method", ["submit", "cancel"])
async def test_a_server_that_reads_and_drops_the_connection_gets_exactly_one_request(method: str) -> None:
    async with raw_server(b"") as (address, requests), broker_at(address) as broker:
        with pytest.raises(OutcomeUnknown):
            await write(broker, method)
        assert len(requests) == 1


async def test_a_kept_connection_that_is_dropped_gets_no_second_request(kite: Kite) -> None:
    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    kite.answer = success({"order_id": "7"})
    async with broker_at(kite.address) as broker:
        await broker.cancel(order_id="tb1", venue_order_id="7")
        kite.answer = drop
        with pytest.raises(OutcomeUnknown):
            await broker.cancel(order_id="tb1", venue_order_id="7")
        with pytest.raises(LinkLost):
            await broker.orders()
    assert [got[0] for got in kite.got] == ["DELETE", "DELETE", "GET"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"st",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    ],
)  # fmt: skip
async def test_broken_http_leaves_the_outcome_unknown_after_one_request(answer: bytes) -> None:
    async with raw_server(answer) as (address, requests), broker_at(address) as broker:
        with pytest.raises(OutcomeUnknown):
            await broker.submit(REQUEST)
        assert len(requests) == 1


async def test_a_server_that_never_answers_leaves_the_outcome_unknown_in_time() -> None:
    async with raw_server(b"", close_early=False) as (address, requests), broker_at(address, timeouts=QUICK) as broker:
        async with asyncio.timeout(PATIENT.write_s):
            with pytest.raises(OutcomeUnknown):
                await broker.submit(REQUEST)
        assert len(requests) == 1


@pytest.mark.parametrize("method", ["submit", "cancel"])
async def test_a_refused_connection_is_not_sent(method: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with broker_at(f"http://127.0.0.1:{taken.getsockname()[1]}") as broker:
            assert isinstance(await write(broker, method), NotSent)


async def test_a_name_that_cannot_be_resolved_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[object]:
        raise OSError("Name or service not known")

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    async with broker_at("http://no-such-host.invalid") as broker:
        assert isinstance(await broker.submit(REQUEST), NotSent)


async def test_a_failed_tls_handshake_is_not_sent(kite: Kite) -> None:
    async with broker_at(kite.address.replace("http:", "https:")) as broker:
        assert isinstance(await broker.submit(REQUEST), NotSent)
    assert kite.got == []


async def test_an_order_that_kite_could_not_read_is_not_sent(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        reply = await broker.submit(
            OrderRequest(
                order_id="tb1", symbol="A", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=Decimal(1)
            )
        )
        assert isinstance(reply, NotSent)
        assert isinstance(await broker.cancel(order_id="tb1", venue_order_id="7/../8"), NotSent)
    assert kite.got == []


async def test_entries_wait_no_longer_than_a_second_for_their_place_and_exits_keep_theirs(kite: Kite) -> None:
    clock = ManualClock(NOW)
    limiter = Limiter(LIMITS, clock, used_today=4400)
    async with broker_at(kite.address, clock=clock, limiter=limiter) as broker:
        assert isinstance(await broker.submit(REQUEST), NotSent)
        exit_ = OrderRequest(
            order_id="tb2", symbol="INFY", exchange="NSE", side=Side.SELL, kind=OrderKind.MARKET, quantity=Decimal(1),
            purpose=Purpose.EXIT,
        )  # fmt: skip
        assert isinstance(await broker.submit(exit_), Accepted)
    assert [got[3]["tag"] for got in kite.got] == ["tb2"]


READS = ("login", "orders", "executions", "positions", "cash")


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"status": "error", "message": "x", "error_type": "TokenException"}, AccessDenied),
        (429, {"status": "error", "message": "x", "error_type": "NetworkException"}, Throttled),
        (503, {"status": "error", "message": "x", "error_type": "NetworkException"}, LinkLost),
        (500, {"status": "error", "message": "x", "error_type": "GeneralException"}, LinkLost),
        (400, {"status": "error", "message": "x", "error_type": "InputException"}, LinkLost),
        (200, {"status": "success", "data": None}, LinkLost),
        (200, {"status": "success"}, LinkLost),
        (200, {"status": "error", "message": "no session"}, LinkLost),
        (200, {"status": "success", "data": [{}]}, LinkLost),
        (200, {"status": "success", "data": {"net": None}}, LinkLost),
    ],
)
async def test_a_read_that_gives_no_whole_book_raises(
    kite: Kite, name: str, status: int, body: dict[str, object], error: type[Exception]
) -> None:
    kite.says(lambda _: web.json_response(body, status=status))
    async with broker_at(kite.address) as broker:
        with pytest.raises(error):
            await getattr(broker, name)()
    assert len(kite.got) == 1


@pytest.mark.parametrize("name", READS)
async def test_a_read_is_never_repeated_and_never_taken_for_empty(name: str) -> None:
    async with raw_server(b"") as (address, requests), broker_at(address) as broker:
        with pytest.raises(LinkLost):
            await getattr(broker, name)()
        assert len(requests) == 1


async def test_books_of_a_healthy_server_are_read(kite: Kite) -> None:
    books = {
        "/user/profile": {"user_id": "AB1234"},
        "/orders": [],
        "/trades": [],
        "/portfolio/positions": {"net": [], "day": []},
    }
    text = '{"status":"success","data":{"equity":{"net":99725.05000000002}}}'
    kite.says(
        lambda request: (
            web.Response(text=text, content_type="application/json")
            if request.path == "/user/margins"
            else success(books[request.path])
        )
    )
    async with broker_at(kite.address) as broker:
        assert await broker.login() == "AB1234"
        assert (await broker.orders(), await broker.executions(), await broker.positions()) == ([], [], [])
        assert await broker.cash() == Decimal("99725.05000000002")


async def test_a_long_list_of_fills_is_read_whole_and_beside_the_loop(
    kite: Kite, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade = {
        "exchange": "NSE", "order_id": "1", "tradingsymbol": "INFY", "product": "MIS", "quantity": 1,
        "average_price": 1573.15, "transaction_type": "BUY", "fill_timestamp": "2021-05-31 09:16:39",
    }  # fmt: skip
    threads = []

    def parse(data: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return parse_trades(data)

    monkeypatch.setattr("tradebot.venues.kite.broker.parse_trades", parse)
    async with broker_at(kite.address) as broker:
        for count in (1, 1000):
            kite.answer = success([trade | {"trade_id": str(number)} for number in range(count)])
            assert len(await broker.executions()) == count
    assert threads == [True, False]


CSV = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    "tick_size,lot_size,instrument_type,segment,exchange\n"
)
DUMPS = {
    "/instruments/NSE": CSV + "1,1,TCS,T,0,,0,0.1,1,EQ,NSE,NSE\n2,2,INFY,I,0,,0,0.05,1,EQ,NSE,NSE\n",
    "/instruments/BSE": CSV + "3,3,INFY,I,0,,0,0.05,1,EQ,BSE,BSE\n",
    "/instruments/NFO": CSV + "9,9,INFY26DECFUT,INFY,0,2026-12-29,0,0.05,400,FUT,NFO-FUT,NFO\n"
    "10,10,TCS26DEC3000CE,TCS,0,2026-12-29,3000,0.05,175,CE,NFO-OPT,NFO\n",
}


async def test_instruments_come_in_the_order_asked_one_dump_an_exchange(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address, prefix="/oms") as broker:
        found = await broker.instruments(["INFY", "TCS", "BSE:INFY"])
    assert [(i.exchange, i.symbol, i.token) for i in found] == [
        ("NSE", "INFY", 2),
        ("NSE", "TCS", 1),
        ("BSE", "INFY", 3),
    ]
    assert [got[1] for got in kite.got] == ["/instruments/NSE", "/instruments/BSE", "/instruments/NFO"]


async def test_the_list_of_contracts_says_which_shares_have_futures(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        found = await broker.instruments(["INFY", "TCS", "BSE:INFY", "NFO:INFY26DECFUT"])
    assert [i.has_derivatives for i in found] == [True, False, True, None]


async def test_a_list_of_contracts_without_futures_says_nothing_of_the_shares(kite: Kite) -> None:
    dumps = DUMPS | {"/instruments/NFO": CSV}
    kite.says(lambda request: web.Response(text=dumps[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        found = await broker.instruments(["INFY", "TCS"])
    assert [i.has_derivatives for i in found] == [None, None]


async def test_contracts_alone_need_no_second_list(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        await broker.instruments(["NFO:INFY26DECFUT"])
    assert [got[1] for got in kite.got] == ["/instruments/NFO"]


async def test_every_unknown_symbol_is_named_with_a_hint(kite: Kite) -> None:
    kite.says(lambda request: web.Response(text=DUMPS[request.path], content_type="text/csv"))
    async with broker_at(kite.address) as broker:
        with pytest.raises(DataError, match=r"NSE:INFYY \(did you mean INFY\?\), NSE:ZZZ$"):
            await broker.instruments(["TCS", "INFYY", "ZZZ"])


@pytest.mark.parametrize("text", ["", "<html>", CSV + "x"])
async def test_a_broken_dump_is_a_lost_link(kite: Kite, text: str) -> None:
    kite.says(lambda _: web.Response(text=text))
    async with broker_at(kite.address) as broker:
        with pytest.raises(LinkLost):
            await broker.instruments(["INFY"])


INFY = Instrument(symbol="INFY", token=408065)


def candle(text: str) -> list[object]:
    return [f"{text}:00+0530", 10.05, 11, 9.95, 10, 100]


async def test_history_asks_in_indian_time_and_drops_the_unfinished_candle(kite: Kite) -> None:
    days = ["2026-01-05T09:57", "2026-01-05T09:58", "2026-01-05T09:59", "2026-01-05T10:00"]
    kite.says(lambda _: success({"candles": [candle(text) for text in days]}))
    async with broker_at(kite.address, clock=ManualClock(NOW + 30 * SECOND)) as broker:
        series = await broker.history(INFY, interval=MINUTE, start=NOW - 3 * MINUTE, end=NOW + 10 * MINUTE)
    assert series.starts.tolist() == [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]
    assert series.close.tolist() == [1000, 1000, 1000]
    _, path, query, _, _ = kite.got[0]
    assert path == "/instruments/historical/408065/minute"
    assert (query["from"], query["to"]) == ("2026-01-05 09:57:00", "2026-01-05 10:09:59")


async def test_a_long_history_is_asked_in_pieces_of_the_longest_span(kite: Kite) -> None:
    kite.says(lambda request: success({"candles": [candle(request.query["from"].replace(" ", "T")[:16])]}))
    async with broker_at(kite.address) as broker:
        series = await broker.history(INFY, interval=MINUTE, start=NOW - 150 * 1440 * MINUTE, end=NOW)
    assert len(kite.got) == 3
    assert len(series) == 3
    assert all(early < late for early, late in zip(series.starts, series.starts[1:], strict=False))


async def test_an_interval_kite_does_not_have_is_refused_with_those_it_has(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        with pytest.raises(DataError, match="7 s; it has minute"):
            await broker.history(INFY, interval=7 * SECOND, start=0, end=NOW)
    assert kite.got == []


async def test_no_history_at_all_is_an_empty_series(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        assert len(await broker.history(INFY, interval=MINUTE, start=NOW, end=NOW)) == 0


async def test_rest_quotes_come_in_batches_one_a_second_with_symbols_escaped(kite: Kite) -> None:
    clock = ManualClock(NOW)
    universe = Universe(
        [Instrument(symbol="M&M", token=1), *(Instrument(symbol=f"S{i}", token=i + 2) for i in range(1100))]
    )
    kite.says(
        lambda request: success(
            {
                k: {"last_price": 10.5, "timestamp": "2026-01-05 10:00:00"}
                for k in request.query.getall("i")
                if k != "NSE:S5"
            }
        )
    )
    async with broker_at(kite.address, clock=clock) as broker:
        quotes = await broker.quotes(universe)
    assert quotes.ids.tolist() == [i for i in range(1101) if i != 6]
    assert set(quotes.last.tolist()) == {1050}
    assert quotes.sent_at[0] == NOW
    assert len(kite.got) == 3
    assert clock.now - NOW >= 2 * SECOND


async def test_quotes_of_nothing_ask_nothing(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        assert len(await broker.quotes(Universe([]))) == 0
    assert kite.got == []


async def test_a_venue_opens_a_feed_and_closes_its_broker(kite: Kite) -> None:
    kite.answer = success({"user_id": "AB1234"})
    async with KiteVenue(
        rest=kite.address, ticker="ws://127.0.0.1:1", api_key="key", access_token="secret", clock=WallClock()
    ) as venue:
        assert await venue.broker.login() == "AB1234"
        assert venue.feed(Universe([INFY])).sources == ("kite",)
        assert venue.profile.tag_length == 20


@pytest.mark.parametrize("name", READS)
async def test_no_error_text_carries_the_secret(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with broker_at(f"http://127.0.0.1:{taken.getsockname()[1]}") as broker:
            with pytest.raises(LinkLost) as caught:
                await getattr(broker, name)()
            assert "secret" not in f"{caught.value}{caught.value.__cause__!r}{broker!r}{vars(broker)!r}"


@given(st.integers(100, 599), st.binary(max_size=80) | st.dictionaries(
    st.sampled_from(["status", "data", "message", "error_type"]),
    st.sampled_from(["success", "error", "TokenException", "x", "timed out", None, 1, {}]),
).map(lambda body: json.dumps(body).encode()))  # fmt: skip
def test_classify_never_raises_and_calls_a_write_done_or_refused_only_on_kites_word(status: int, body: bytes) -> None:
    answer = classify(status, body)
    if answer.verdict is Verdict.DONE:
        assert 200 <= status < 300
        assert b'"success"' in body
    if answer.verdict in (Verdict.REFUSED, Verdict.DENIED):
        assert 400 <= status < 500
        assert json.loads(body)["status"] in ("error", "success")
    if status >= 500:
        assert answer.verdict is Verdict.UNKNOWN
