"""The REST session under the broker: every class of answer and failure, and never a request sent twice."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ThreadedResolver, web
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kite.kite_on_loopback import (
    NOW,
    PATIENT,
    QUICK,
    REQUEST,
    Kite,
    broker_at,
    failure,
    raw_server,
    success,
)
from tradebot.clock import ManualClock
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Refusal, Side
from tradebot.errors import AccessDenied, LinkLost, LoginLost, OutcomeUnknown
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.responses import ResponseKind, classify_response
from tradebot.venues.kite.rules import CLIENT_LIMITS
from tradebot.venues.kite.wire import parse_trades
from tradebot.venues.limiter import Limiter
from tradebot.venues.link import Throttled
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, NotSent, Refused

pytestmark = pytest.mark.both_loops
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
SLASHED = Credentials(api_key="apikey0123456789", access_token="token+/0123456789abcdef")


@pytest.mark.parametrize("method", ["submit", "cancel"])
@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (failure(400, "InputException", "bad tick"), Refused(reason="bad tick", code="InputException")),
        (
            failure(400, "MarginException", "funds"),
            Refused(reason="funds", code="MarginException", refusal=Refusal.FUNDS),
        ),
        (failure(400, "OrderException", "closed"), Refused(reason="closed", code="OrderException")),
        (failure(428, "HoldingException", "edis"), Refused(reason="edis", code="HoldingException")),
        (failure(404, "GeneralException", "no route"), Refused(reason="no route", code="GeneralException")),
        (failure(429, "NetworkException", "slow"), Refused(reason="slow", code="429")),
        (failure(403, "TokenException", "dead"), Refused(reason="dead", code=LOGIN_LOST)),
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
            await broker.fetch_orders()
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


async def test_entries_wait_no_longer_than_a_second_for_their_place_and_exits_keep_theirs(kite: Kite) -> None:
    clock = ManualClock(NOW)
    limiter = Limiter(CLIENT_LIMITS, clock, used_today=4400)
    async with broker_at(kite.address, clock=clock, limiter=limiter) as broker:
        assert isinstance(await broker.submit(REQUEST), NotSent)
        exit_ = OrderRequest(
            order_id="tb2", symbol="INFY", exchange="NSE", side=Side.SELL, kind=OrderKind.MARKET, quantity=Decimal(1),
            purpose=OrderPurpose.EXIT,
        )  # fmt: skip
        assert isinstance(await broker.submit(exit_), Accepted)
    assert [got[3]["tag"] for got in kite.got] == ["tb2"]


READS = ("fetch_account_id", "fetch_orders", "fetch_fills", "fetch_positions", "fetch_cash")


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"status": "error", "message": "x", "error_type": "TokenException"}, LoginLost),
        (403, {"status": "error", "message": "x", "error_type": "PermissionException"}, AccessDenied),
        (403, {"what": "a page of somebody else"}, LinkLost),
        (429, {"status": "error", "message": "x", "error_type": "NetworkException"}, Throttled),
        (503, {"status": "error", "message": "x", "error_type": "NetworkException"}, LinkLost),
        (500, {"status": "error", "message": "x", "error_type": "GeneralException"}, LinkLost),
        (400, {"status": "error", "message": "x", "error_type": "InputException"}, LinkLost),
        (200, {"status": "success", "data": None}, LinkLost),
        (200, {"status": "success"}, LinkLost),
        (200, {"status": "error", "message": "no session"}, LinkLost),
        (200, {"status": "success", "data": 7}, LinkLost),
        (200, {"status": "success", "data": {"net": None}}, LinkLost),
    ],
)
async def test_a_read_that_gives_no_whole_book_raises(
    kite: Kite, name: str, status: int, body: dict[str, object], error: type[Exception]
) -> None:
    kite.says(lambda _: web.json_response(body, status=status))
    async with broker_at(kite.address) as broker:
        with pytest.raises(error) as caught:
            await getattr(broker, name)()
    assert type(caught.value) is error
    assert len(kite.got) == 1


@pytest.mark.parametrize("name", READS)
async def test_a_read_is_never_repeated_and_never_taken_for_empty(name: str) -> None:
    async with raw_server(b"") as (address, requests), broker_at(address) as broker:
        with pytest.raises(LinkLost):
            await getattr(broker, name)()
        assert len(requests) == 1


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
            assert len(await broker.fetch_fills()) == count
    assert threads == [True, False]


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
    answer = classify_response(status, body)
    if answer.kind is ResponseKind.DONE:
        assert 200 <= status < 300
        assert b'"success"' in body
    if answer.kind in (ResponseKind.REFUSED, ResponseKind.DENIED, ResponseKind.LOGGED_OUT):
        assert 400 <= status < 500
        assert json.loads(body)["status"] in ("error", "success")
    if status >= 500:
        assert answer.kind is ResponseKind.UNKNOWN


async def test_a_renewed_token_is_carried_by_the_next_request_of_the_same_broker(kite: Kite) -> None:
    keys = Credentials(api_key="key", access_token="yesterday")
    kite.says(lambda request: success({"order_id": "1"} if request.method == "POST" else []))
    broker = KiteBroker(rest=kite.address, credentials=keys, clock=ManualClock(NOW), timeouts=PATIENT)
    try:
        await broker.fetch_orders()
        keys.renew_keys(access_token="today")
        await broker.fetch_orders()
        await broker.submit(REQUEST)
    finally:
        await broker.close()
    said = [(path, headers["Authorization"]) for _, path, *_, headers in kite.got if path != "/gtt/triggers"]
    yesterday, today = "token key:yesterday", "token key:today"
    assert said == [("/orders", yesterday), ("/orders", today), ("/orders/regular", today)]


QUOTED = "bad header: Authorization: token apikey0123456789:token+/0123456789abcdef"


@pytest.mark.parametrize("slash", ["/", "\\/", "%2F"])
async def test_a_venue_that_quotes_our_request_does_not_bring_its_token_back(kite: Kite, slash: str) -> None:
    quoted = QUOTED if slash != "%2F" else QUOTED.replace("+/", "%2B%2F")

    def says(answer: web.Response) -> None:
        body = (answer.text or "").replace("/", slash if slash != "%2F" else "/")
        kite.says(lambda _: web.Response(status=answer.status, text=body, content_type="application/json"))

    broker = KiteBroker(rest=kite.address, credentials=SLASHED,
                        clock=ManualClock(NOW), timeouts=PATIENT)  # fmt: skip
    words = []
    try:
        for status, kind in ((400, "InputException"), (403, "PermissionException"), (400, "NewException")):
            says(failure(status, kind, quoted))
            try:
                words.append(str(await broker.submit(REQUEST)))
            except OutcomeUnknown as error:
                words.append(str(error))
            with pytest.raises((LinkLost, AccessDenied)) as caught:
                await broker.fetch_orders()
            words.append(str(caught.value))
        says(success([{"order_id": "1", "status": "REJECTED", "status_message": quoted}]))
        words.append(str(await broker.fetch_orders()))
    finally:
        await broker.close()
    async with raw_server(f"HTTP/1.1 400 no\r\n{QUOTED}\0\r\n\r\n".encode()) as (address, _):
        broker = KiteBroker(rest=address, credentials=SLASHED,
                            clock=ManualClock(NOW), timeouts=PATIENT)  # fmt: skip
        with pytest.raises(LinkLost) as broken:
            await broker.fetch_orders()
        words.append(str(broken.value))
        await broker.close()
    assert all("********" in text for text in words[:6])
    assert not any("0123456789" in text for text in words)
