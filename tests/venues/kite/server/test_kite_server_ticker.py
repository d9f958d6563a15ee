"""The ticker: control frames, what a slow client gets, and the whole over real websockets."""

from __future__ import annotations

import asyncio
import json
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

import tradebot.venues.kite.server.ticker as ticker_module
from tests.venues.kite.server.kite_rig import Rig, rig, split
from tradebot.clock import IST, SECOND, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.order import OrderKind, Side
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS, Snapshots, empty_columns
from tradebot.exchange.ticket import Ticket
from tradebot.venues.kite.server.packets import PacketRenderer
from tradebot.venues.kite.server.ticker import MAX_FRAMES, MAX_ORDER_FRAMES, MAX_SUBSCRIPTIONS, TickerClient
from tradebot.venues.kite.server.wire import KITE_STATUSES

TICKET = Ticket(
    exchange="NSE",
    symbol="TCS",
    side=Side.BUY,
    kind=OrderKind.MARKET,
    quantity=Decimal(1),
    protection_pct=Decimal(1),
)
UNIVERSE = Universe(
    [
        Instrument(symbol="A", token=257),
        Instrument(symbol="B", token=513),
        Instrument(symbol="I", token=265, kind=InstrumentKind.INDEX),
    ]
)


class Feed:
    """A connection with the state it reads."""

    def __init__(self) -> None:
        self.state = empty_columns(UNIVERSE)
        self.connection = TickerClient(PacketRenderer(UNIVERSE), self.state)

    def say(self, action: str, value: Any) -> None:
        self.connection.apply_control_frame(json.dumps({"a": action, "v": value}))

    def trade(self, row: int, last: int) -> None:
        self.state["last"][row] = last
        columns = {name: self.state[name][[row]] for name in SNAPSHOT_COLUMNS}
        self.connection.queue_snapshots(Snapshots(at=1, **(columns | {"ids": np.array([row])})))

    def texts_and_packets(self) -> tuple[list[dict[str, Any]], list[bytes]]:
        texts, bodies = [], []
        while (frame := self.connection.next_frame()) is not None:
            if isinstance(frame, str):
                texts.append(json.loads(frame))
            else:
                bodies += split(frame)
        return texts, bodies

    def packets(self) -> list[tuple[int, int, int]]:
        texts, bodies = self.texts_and_packets()
        assert texts == []
        return [(*struct.unpack_from(">Ii", body), len(body)) for body in bodies]


def test_a_subscription_starts_in_quote_mode_with_the_current_state() -> None:
    feed = Feed()
    feed.state["last"][0] = 100
    feed.say("subscribe", [257, 265])
    assert feed.packets() == [(257, 100, 44), (265, 0, 28)]


def test_only_subscribed_instruments_are_sent_in_their_mode() -> None:
    feed = Feed()
    feed.say("subscribe", [257, 513])
    feed.say("mode", ["ltp", [513]])
    feed.say("mode", ["full", [265]])
    feed.packets()
    for row in range(3):
        feed.trade(row, 7)
    assert feed.packets() == [(257, 7, 44), (513, 7, 8)]
    feed.say("unsubscribe", [257])
    feed.trade(0, 8)
    assert feed.packets() == []


def test_every_snapshot_reaches_a_client_that_keeps_up() -> None:
    feed = Feed()
    feed.say("subscribe", [257])
    for last in range(1, 100):
        feed.trade(0, last)
    assert [last for _, last, _ in feed.packets()] == list(range(100))


def test_a_slow_client_gets_the_newest_of_each_instrument_after_what_was_queued() -> None:
    feed = Feed()
    feed.say("subscribe", [257, 513])
    feed.packets()
    for last in range(1, MAX_FRAMES + 50):
        feed.trade(0, last)
    feed.trade(1, 5)
    got = feed.packets()
    assert [last for token, last, _ in got if token == 257] == [*range(1, MAX_FRAMES + 1), MAX_FRAMES + 49]
    assert [last for token, last, _ in got if token == 513] == [5]
    feed.trade(0, 9_999)
    assert feed.packets() == [(257, 9_999, 44)]


def test_a_connection_counts_what_it_gave_by_mode_what_waits_and_what_was_merged() -> None:
    feed = Feed()
    feed.say("subscribe", [257, 513, 265])
    feed.say("mode", ["full", [257]])
    assert feed.connection.row_counts() == {"rows": {"ltp": 0, "quote": 3, "full": 1}, "unsent": 4, "merged": 0}
    feed.packets()
    for last in range(1, MAX_FRAMES + 11):  # ten too many: the first of them stands for the rest
        feed.trade(0, last)
    assert feed.connection.row_counts()["merged"] == 9
    got = feed.packets()
    assert feed.connection.row_counts() == {
        "rows": {"ltp": 0, "quote": 3, "full": 1 + len(got)},
        "unsent": 0,
        "merged": 9,
    }


def test_text_frames_overtake_packets_and_are_never_dropped() -> None:
    feed = Feed()
    feed.say("subscribe", [257])
    for k in range(MAX_ORDER_FRAMES):
        feed.trade(0, k)
        feed.connection.queue_message({"type": "order", "data": k})
    assert not feed.connection.is_overrun
    feed.connection.queue_message({"type": "order", "data": MAX_ORDER_FRAMES})
    assert feed.connection.is_overrun
    assert isinstance(feed.connection.next_frame(), str)
    texts, _ = feed.texts_and_packets()
    assert [text["data"] for text in texts] == list(range(1, MAX_ORDER_FRAMES + 1))


def test_more_subscriptions_than_allowed_are_an_error_frame_and_change_nothing() -> None:
    feed = Feed()
    feed.say("subscribe", [257])
    feed.packets()
    feed.say("subscribe", list(range(100_000, 100_000 + MAX_SUBSCRIPTIONS)))
    texts, bodies = feed.texts_and_packets()
    assert (texts[0]["type"], bodies) == ("error", [])
    assert feed.connection.subscription_count == 1
    feed.say("subscribe", list(range(100_000, 100_000 + MAX_SUBSCRIPTIONS - 1)))
    assert feed.connection.subscription_count == MAX_SUBSCRIPTIONS
    assert feed.connection.next_frame() is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"a":"subscribe"}',
        '{"a":"subscribe","v":"257"}',
        '{"a":"subscribe","v":[null]}',
        '{"a":"subscribe","v":[257.5]}',
        '{"a":"mode","v":["loud",[257]]}',
        '{"a":"mode","v":5}',
        '{"a":"dance","v":[257]}',
        '{"a":["x"],"v":[1]}',
    ],
)
def test_a_bad_control_frame_is_answered_by_an_error_frame(text: str) -> None:
    feed = Feed()
    feed.connection.apply_control_frame(text)
    texts, bodies = feed.texts_and_packets()
    assert ([t["type"] for t in texts], bodies) == (["error"], [])


async def connect(r: Rig, token: str | None = None) -> aiohttp.ClientWebSocketResponse:
    return await r.client.ws_connect(f"{r.at.ticker}/?api_key={r.at.api_key}&access_token={token or r.at.access_token}")


async def test_full_packets_over_the_socket_equal_the_state_of_the_exchange() -> None:
    async with rig() as r:
        ws = await connect(r)
        universe, state = r.exchange.universe, r.exchange.latest_columns
        tcs = universe.instrument_of("TCS")
        await ws.send_str(json.dumps({"a": "subscribe", "v": [tcs.token]}))
        assert len(split(await ws.receive_bytes())[0]) == 44
        await ws.send_str(json.dumps({"a": "mode", "v": ["full", [tcs.token]]}))
        assert len(split(await ws.receive_bytes())[0]) == 184
        last = 0
        while not last:
            r.step(1)
            (body,) = split(await ws.receive_bytes())
            last = struct.unpack_from(">i", body, 4)[0]
        row = universe.id_of("TCS")
        assert last == state["last"][row]
        assert struct.unpack_from(">I", body, 60)[0] == state["stamps"][row] // SECOND
        assert struct.unpack_from(">IIHH", body, 64)[:2] == (state["bid_quantities"][row][0], state["bids"][row][0])
        await ws.close()


async def test_the_log_says_what_a_connection_got_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        async with rig(log=log) as r:
            ws = await connect(r)
            await ws.send_str(json.dumps({"a": "subscribe", "v": [r.exchange.universe.instrument_of("TCS").token]}))
            await ws.receive_bytes()
            await ws.close()
    (line,) = (line for line in read_event_log(path) if line["kind"] == "ticker")
    assert (line["subscriptions"], line["rows"]) == (1, {"ltp": 0, "quote": 1, "full": 0})
    assert (line["unsent"], line["merged"]) == (0, 0)


async def test_every_version_of_an_order_reaches_every_connection_as_text() -> None:
    async with rig() as r:
        sockets = [await connect(r), await connect(r)]
        order_id = await r.place()
        r.step()
        wanted = [KITE_STATUSES[version.status] for version in r.exchange.order_history(order_id)]
        for ws in sockets:
            frames = [json.loads(await ws.receive_str()) for _ in wanted]
            assert {frame["type"] for frame in frames} == {"order"}
            assert [frame["data"]["status"] for frame in frames] == wanted
            assert frames[-1]["data"]["unfilled_quantity"] == 0
            assert frames[-1]["data"]["tag"] == "t1"
            await ws.close()


async def test_an_idle_connection_gets_a_heartbeat_of_one_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "HEARTBEAT_S", 0.02)
    async with rig() as r:
        ws = await connect(r)
        assert [len(await ws.receive_bytes()) for _ in range(2)] == [1, 1]
        await ws.close()


async def test_a_bad_token_is_forbidden_and_a_fourth_connection_too_many() -> None:
    async with rig() as r:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect(r, "wrong")
        assert caught.value.status == 403
        sockets = [await connect(r) for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect(r)
        assert caught.value.status == 429
        for ws in sockets:
            await ws.close()
        await (await connect(r)).close()


async def test_a_dead_session_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "HEARTBEAT_S", 0.02)
    async with rig() as r:
        ws = await connect(r)
        r.clock.now_ns = parse_iso("2026-11-24T06:00:00", IST)
        while (message := await ws.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


@pytest.mark.both_loops
async def test_a_client_that_takes_no_order_frames_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "MAX_ORDER_FRAMES", 3)
    async with rig() as r:
        ws = await connect(r)
        # All versions are booked in one go, so that the sender has no turn in between.
        for _ in range(2):
            r.exchange.place_order(TICKET)
        r.step()
        messages = []
        while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            messages.append(message)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
        async with r.client.get(f"{r.at.rest}/clock") as response:
            assert response.status == 200


@pytest.mark.both_loops
async def test_the_end_of_the_server_says_good_bye() -> None:
    async with aiohttp.ClientSession() as client:
        async with asyncio.TaskGroup() as tasks, rig() as r:
            url = f"{r.at.ticker}/?api_key={r.at.api_key}&access_token={r.at.access_token}"
            ws = await client.ws_connect(url)
            farewell = tasks.create_task(ws.receive(), name="client")
        assert farewell.result().type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == aiohttp.WSCloseCode.GOING_AWAY
