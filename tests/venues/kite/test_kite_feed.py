"""The feed against a small ticker on loopback: subscriptions, dirt, silence, refusals, reconnects, many connections."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.told import Told
from tradebot.clock import WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import LinkDown, LinkUp, MarketMessage
from tradebot.domain.order import VenueOrder, VenueOrderStatus
from tradebot.errors import DataError
from tradebot.ops.events.event import Event
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.feed import FeedSettings, KiteFeed
from tradebot.venues.link import Backoff

pytestmark = pytest.mark.both_loops
QUICK = Backoff(first_s=0.001, longest_s=0.001, throttled_s=0.001)
ORDER = {
    "order_id": "1", "status": "OPEN", "exchange": "NSE", "tradingsymbol": "S0", "order_type": "LIMIT",
    "transaction_type": "BUY", "product": "MIS", "quantity": 1, "filled_quantity": 0, "price": 10.5, "tag": "tb1",
}  # fmt: skip


def universe(n: int = 3) -> Universe:
    return Universe([Instrument(symbol=f"S{i}", token=(i + 1) * 256 + 1) for i in range(n)])


def ltp(token: int, price: int) -> bytes:
    return struct.pack(">HHIi", 1, 8, token, price)


class Ticker:
    """A ticker that keeps what it was told and plays one script a connection; the last script repeats."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.texts: list[list[dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.scripts: list[Callable[[ServerConnection, list[dict[str, Any]]], Awaitable[None]]] = []
        self.refuse_with: list[HTTPStatus] = []
        self.address = ""

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers.raw_items()))
        return connection.respond(self.refuse_with.pop(0), "no\n") if self.refuse_with else None

    async def serve(self, connection: ServerConnection) -> None:
        texts: list[dict[str, Any]] = []
        self.texts.append(texts)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        with suppress(ConnectionClosed):
            await script(connection, texts)


@pytest.fixture
async def ticker() -> AsyncIterator[Ticker]:
    ticker = Ticker()
    server: Server
    async with serve(ticker.serve, "127.0.0.1", 0, process_request=ticker.check) as server:
        ticker.address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield ticker


async def hear(connection: ServerConnection, texts: list[dict[str, Any]], n: int = 2) -> None:
    for _ in range(n):
        texts.append(json.loads(await connection.recv()))


async def stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


class Heard:
    """What a running feed delivered."""

    def __init__(self) -> None:
        self.market: list[MarketMessage] = []
        self.orders: list[VenueOrder] = []
        self.told = Told()
        self.changed = asyncio.Event()

    def on_market(self, message: MarketMessage) -> None:
        self.market.append(message)
        self.changed.set()

    def on_order(self, order: VenueOrder) -> None:
        self.orders.append(order)
        self.changed.set()

    def tell(self, event: Event) -> None:
        self.told(event)
        self.changed.set()

    @property
    def notices(self) -> list[tuple[str, str]]:
        return [
            (fields["kind"], fields["text"])
            for event, fields in self.told
            if event in ("notice_received", "warning_received")
        ]

    async def until(self, is_enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_enough():
                self.changed.clear()
                await self.changed.wait()

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.market if isinstance(message, kind)]

    @property
    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.market]


KEYS = Credentials(api_key="key", access_token="secret&")


def feed_of(ticker: Ticker, heard: Heard, symbols: Universe | None = None, **settings: Any) -> KiteFeed:
    keys = settings.pop("credentials", KEYS)
    return KiteFeed(
        symbols or universe(),
        url=ticker.address,
        credentials=keys,
        clock=WallClock(),
        settings=FeedSettings(**({"backoff": QUICK, "mode": "ltp"} | settings)),
        tell=heard.tell,
    )


@asynccontextmanager
async def running(feed: KiteFeed, heard: Heard) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(feed.run(heard.on_market, heard.on_order))
        yield task
        task.cancel()


async def test_in_full_mode_the_untimed_greeting_is_dropped_and_the_timed_packet_passes(ticker: Ticker) -> None:
    full = struct.pack(">HHIi", 1, 184, 513, 1060) + bytes(52) + struct.pack(">I", 1_700_000_000) + bytes(120)

    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(513, 1050))
        await connection.send(full)
        await connection.send(json.dumps({"type": "error", "data": "end"}))
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    feed = feed_of(ticker, heard, mode="full")
    async with running(feed, heard):
        await heard.until(lambda: bool(heard.notices))
    assert heard.kinds == ["LinkUp", "Quotes"]
    assert feed.frame_counts.untimed == 1


async def test_a_feed_subscribes_and_delivers_quotes_orders_and_notices(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(b"\x00")
        await connection.send(ltp(513, 1050))
        await connection.send(json.dumps({"type": "order", "data": ORDER}))
        await connection.send(json.dumps({"type": "error", "data": "too many tokens"}))
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.notices))
    assert ticker.texts == [[{"a": "subscribe", "v": [257, 513, 769]}, {"a": "mode", "v": ["ltp", [257, 513, 769]]}]]
    assert heard.kinds == ["LinkUp", "Quotes"]
    (quotes,) = heard.of(Quotes)
    assert (quotes.ids.tolist(), quotes.last.tolist(), quotes.source) == ([1], [1050], "kite")
    assert (heard.orders[0].tag, heard.orders[0].status) == ("tb1", VenueOrderStatus.OPEN)
    assert heard.notices == [("error", "too many tokens")]
    query = parse_qs(urlsplit(ticker.paths[0]).query)
    assert query == {"api_key": ["key"], "access_token": ["secret&"]}
    assert "Sec-WebSocket-Extensions" not in ticker.headers[0]


async def test_a_renewed_token_is_carried_by_the_next_connection_of_the_same_feed(ticker: Ticker) -> None:
    keys = Credentials(api_key="key", access_token="yesterday")

    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(257, 7))
        if len(ticker.paths) == 1:
            keys.renew_keys(access_token="today")
            await connection.close(1008, "the session ended")
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    async with running(feed_of(ticker, heard, credentials=keys), heard):
        await heard.until(lambda: len(heard.of(Quotes)) == 2)
    tokens = [parse_qs(urlsplit(path).query)["access_token"] for path in ticker.paths]
    assert tokens == [["yesterday"], ["today"]]


async def test_subscriptions_leave_in_chunks_of_500(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts, 6)
        await connection.send(b"\x00")
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    async with running(feed_of(ticker, heard, universe(1200), mode="quote"), heard):
        await heard.until(lambda: bool(heard.market))
    subscribed = [text["v"] for text in ticker.texts[0] if text["a"] == "subscribe"]
    assert [len(tokens) for tokens in subscribed] == [500, 500, 200]
    assert [text["v"] for text in ticker.texts[0] if text["a"] == "mode"] == [
        ["quote", tokens] for tokens in subscribed
    ]


async def test_a_closed_connection_is_replaced_and_subscribed_again(ticker: Ticker) -> None:
    async def brief(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(b"\x00")
        await connection.close(1001, "bye")

    async def lasting(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(257, 7))
        await stay(connection)

    ticker.scripts = [brief, brief, lasting]
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.of(Quotes)))
    assert heard.kinds == ["LinkUp", "LinkDown", "LinkUp", "LinkDown", "LinkUp", "Quotes"]
    assert ticker.texts[0] == ticker.texts[1] == ticker.texts[2] != []
    assert "1001" in heard.of(LinkDown)[0].reason


async def test_a_silent_socket_is_replaced(ticker: Ticker) -> None:
    async def silent(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(b"\x00")
        await stay(connection)

    ticker.scripts = [silent]
    heard = Heard()
    async with running(feed_of(ticker, heard, silent_after_s=0.05), heard):
        await heard.until(lambda: len(heard.of(LinkUp)) == 2)
    assert heard.kinds[:3] == ["LinkUp", "LinkDown", "LinkUp"]
    assert heard.of(LinkDown)[0].reason == "no frame for 0.05 s"


async def test_heartbeats_alone_keep_a_connection(ticker: Ticker) -> None:
    async def beats(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.4
        while loop.time() < end:
            await connection.send(b"\x00")
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await connection.recv()
        await connection.send(ltp(257, 7))
        await stay(connection)

    ticker.scripts = [beats]
    heard = Heard()
    async with running(feed_of(ticker, heard, silent_after_s=0.2), heard):
        await heard.until(lambda: bool(heard.of(Quotes)))
    assert heard.kinds == ["LinkUp", "Quotes"]


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED])
async def test_a_refused_handshake_never_ends_the_feed_and_names_no_secret(ticker: Ticker, status: HTTPStatus) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(b"\x00")
        await stay(connection)

    ticker.refuse_with, ticker.scripts = [status] * 5, [script]
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.of(LinkUp)))
    assert heard.kinds == ["LinkDown", "LinkUp"]
    assert len(ticker.paths) == 6
    assert str(status.value) in heard.of(LinkDown)[0].reason
    assert "secret" not in heard.of(LinkDown)[0].reason


async def test_too_many_connections_and_server_errors_are_tried_again(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(b"\x00")
        await stay(connection)

    ticker.refuse_with = [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.MOVED_PERMANENTLY]
    ticker.scripts = [script]
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.of(LinkUp)))
    assert heard.kinds == ["LinkDown", "LinkUp"]
    assert len(ticker.paths) == 4
    assert "429" in heard.of(LinkDown)[0].reason


async def test_a_redirect_does_not_carry_the_token_elsewhere(ticker: Ticker) -> None:
    thief = Ticker()
    async with serve(thief.serve, "127.0.0.1", 0, process_request=thief.check) as server:
        port = server.sockets[0].getsockname()[1]

        def elsewhere(connection: ServerConnection, request: Request) -> Response:
            response = connection.respond(HTTPStatus.FOUND, "there\n")
            response.headers["Location"] = f"ws://127.0.0.1:{port}{request.path}"
            return response

        async with serve(ticker.serve, "127.0.0.1", 0, process_request=elsewhere) as honest:
            ticker.address = f"ws://127.0.0.1:{honest.sockets[0].getsockname()[1]}"
            heard = Heard()
            async with running(feed_of(ticker, heard), heard):
                await heard.until(lambda: bool(heard.market))
    assert thief.paths == []
    assert "302" in heard.of(LinkDown)[0].reason


async def test_garbage_is_counted_and_the_next_good_frame_delivered(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        for junk in (b"\xff\xff\xff", b"\x00\x01\x00\x09" + bytes(9), b"\x00\x05\x00\xb8" + bytes(20), ltp(99, 1)):
            await connection.send(junk)
        for text in ("{", "[]", '{"type":"order","data":{}}', '{"type":"order"}'):
            await connection.send(text)
        await connection.send(ltp(257, 7))
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    feed = feed_of(ticker, heard)
    async with running(feed, heard):
        await heard.until(lambda: bool(heard.of(Quotes)))
    assert heard.kinds == ["LinkUp", "Quotes"]
    assert heard.orders == []
    counts = feed.frame_counts
    assert (counts.malformed, counts.odd_lengths, counts.unknown_tokens, counts.malformed_texts) == (2, 1, 1, 4)
    assert feed.dropped_counts == {"malformed": 2, "odd_lengths": 1, "unknown_tokens": 1, "malformed_texts": 4}


async def test_a_frame_too_large_ends_the_connection_and_not_the_feed(ticker: Ticker) -> None:
    async def huge(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(bytes(2 << 20))
        await stay(connection)

    async def good(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(257, 7))
        await stay(connection)

    ticker.scripts = [huge, good]
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.of(Quotes)))
    assert heard.kinds == ["LinkDown", "LinkUp", "Quotes"]


async def test_a_server_that_is_not_there_is_tried_again_with_one_report() -> None:
    ticker = Ticker()
    ticker.address = "ws://127.0.0.1:1"
    heard = Heard()
    async with running(feed_of(ticker, heard), heard):
        await heard.until(lambda: bool(heard.market))
    assert heard.kinds == ["LinkDown"]


async def test_a_server_that_speaks_no_websocket_is_tried_again() -> None:
    tries = asyncio.Semaphore(0)

    async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0\r\n\r\n")
            writer.close()
            await writer.wait_closed()
        tries.release()

    server = await asyncio.start_server(chat, "127.0.0.1", 0)
    ticker, heard = Ticker(), Heard()
    ticker.address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with running(feed_of(ticker, heard), heard):
        async with asyncio.timeout(5):
            await tries.acquire()
            await tries.acquire()
    server.close()
    await server.wait_closed()
    assert heard.kinds == ["LinkDown"]


async def test_a_large_universe_is_spread_over_connections_with_their_own_links(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(texts[0]["v"][0], 7))
        await stay(connection)

    ticker.scripts = [script]
    heard = Heard()
    feed = feed_of(ticker, heard, universe(5), tokens_per_connection=2)
    assert feed.source_names == ("kite-1", "kite-2", "kite-3")
    async with running(feed, heard):
        await heard.until(lambda: len(heard.of(Quotes)) == 3)
    assert sorted(text[0]["v"][0] for text in ticker.texts) == [257, 769, 1281]
    assert {(q.source, int(q.ids[0])) for q in heard.of(Quotes)} == {("kite-1", 0), ("kite-2", 2), ("kite-3", 4)}
    assert {up.source for up in heard.of(LinkUp)} == {"kite-1", "kite-2", "kite-3"}


async def test_a_bug_in_the_reader_of_quotes_is_not_hidden_by_a_reconnect(ticker: Ticker) -> None:
    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(ltp(257, 7))
        await stay(connection)

    def bad(message: MarketMessage) -> None:
        if isinstance(message, Quotes):
            raise ZeroDivisionError

    ticker.scripts = [script]
    heard = Heard()
    with pytest.raises(ZeroDivisionError):
        await feed_of(ticker, heard).run(bad, heard.on_order)


@pytest.mark.parametrize(("n", "size", "names"), [(5, 1, "need 5"), (9001, 3000, "need 4")])
def test_a_universe_above_the_connections_of_kite_is_refused(n: int, size: int, names: str) -> None:
    with pytest.raises(DataError, match=names):
        KiteFeed(
            universe(n),
            url="ws://x",
            credentials=Credentials(api_key="k", access_token="s"),
            clock=WallClock(),
            settings=FeedSettings(tokens_per_connection=size),
        )


def test_an_instrument_without_a_token_is_refused() -> None:
    with pytest.raises(DataError, match="no Kite token"):
        KiteFeed(
            Universe([Instrument(symbol="A")]),
            url="ws://x",
            credentials=Credentials(api_key="k", access_token="s"),
            clock=WallClock(),
        )


async def test_the_words_of_the_stream_do_not_bring_our_token_back(ticker: Ticker) -> None:
    quoted = "no session for api_key=apikey0123456789&access_token=token0123456789abcdef"

    async def script(connection: ServerConnection, texts: list[dict[str, Any]]) -> None:
        await hear(connection, texts)
        await connection.send(json.dumps({"type": "error", "data": quoted}))
        await connection.close(1008, quoted)

    ticker.scripts = [script]
    heard = Heard()
    feed = feed_of(
        ticker, heard, credentials=Credentials(api_key="apikey0123456789", access_token="token0123456789abcdef")
    )
    async with running(feed, heard):
        await heard.until(lambda: bool(heard.notices and heard.of(LinkDown)))
    (down,) = heard.of(LinkDown)
    assert "********" in down.reason
    assert "********" in str(heard.notices)
    assert "0123456789" not in down.reason + str(heard.notices)
