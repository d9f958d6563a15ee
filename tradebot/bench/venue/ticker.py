"""The venue's server for the order path: it sends quotes, receives order requests, and times both.

One clock measures both ends: a quote is timed before its bytes go to the socket, a request when its last byte has come.
The ticker sends binary frames; the order server has only the HTTP needed to place an order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tradebot.bench.venue.frames import FIRST_TOKEN, blank_packets, packet_frame, symbol_name
from tradebot.bench.venue.order_server import open_order_server
from tradebot.clock import SECOND, MarketClock
from tradebot.domain.message import Message

ARMED_WITHIN_S = 15.0
LATE_S = 2.0  # an order that has not come within this counts as missing
ABOVE_PAISE, BELOW_PAISE = 102_00, 100_00  # paise: above every stop, and below every stop
STOP_PRICE = 101.0


class AwaitArmed(Message, frozen=True):
    """Asks to wait until every client is connected and holds every symbol. The answer is True or a TimeoutError."""


class QuoteSlice(Message, frozen=True):
    """The quotes of one turn to one client: `count` quotes at `rate` a second; one in `every` hits a stop.

    The answer is a SliceResult, once the orders have come.
    """

    client: str
    rate: float
    count: int
    every: int


class SliceResult(Message, frozen=True):
    """The result of one turn: ns from quote to order request in order of arrival, and the number of missing orders.

    `unarmed` counts quotes that were due to hit a stop while the client held no symbol.
    """

    delays: tuple[int, ...]
    missing: int
    unarmed: int


class _Client:
    def __init__(self, symbols: Sequence[str]) -> None:
        self.socket: ServerConnection | None = None
        self.quoted: dict[str, int] = {}  # symbol -> monotonic ns of the quote that hits its stop
        self.armed: deque[str] = deque()  # symbols held, with a stop that was not hit yet
        self.sold: list[int] = []  # numbers of sold symbols whose price is still below the stop
        self.delays: list[int] = []
        self.volume = dict.fromkeys(symbols, 0)


class Ticker:
    """Quotes `symbols` to clients by name, on the market time of `clock`.

    A client whose name begins with `plain` always holds every symbol; others hold what they bought and did not sell.
    """

    def __init__(self, symbols: int, clients: Sequence[str], clock: MarketClock) -> None:
        self._symbols, self._clock = [symbol_name(i) for i in range(symbols)], clock
        self._clients = {name: _Client(self._symbols) for name in clients}
        self._orders = 0

    @asynccontextmanager
    async def open_sockets(self) -> AsyncIterator[tuple[str, ...]]:
        """Open order server and ticker; the context is their addresses, in this order."""
        async with (
            open_order_server(self) as rest,
            serve(self._stream, "127.0.0.1", 0, compression=None, ping_interval=None) as ticker,
        ):
            yield rest, f"ws://127.0.0.1:{ticker.sockets[0].getsockname()[1]}"

    async def answer_parent(self, asked: QuoteSlice | AwaitArmed) -> SliceResult | bool:
        """Send a slice's quotes and wait for its orders, or wait until all clients are ready. Raises TimeoutError."""
        return await self._turn(asked) if isinstance(asked, QuoteSlice) else await self._ready()

    def accept_order(self, name: str, form: dict[str, list[str]], at_mono: int) -> str:
        """Take an order of a client received at `at_mono`, monotonic ns; return its order id."""
        client, of = self._clients[name], form["tradingsymbol"][0]
        self._orders += 1
        if form["transaction_type"] == ["SELL"]:
            client.delays.append(at_mono - client.quoted.pop(of))
            client.sold.append(self._symbols.index(of))
        if (form["transaction_type"] == ["BUY"]) or name.startswith("plain"):
            client.armed.append(of)  # the client holds the symbol again; the plain one always does
        return f"{self._orders:015d}"

    def _frame(self, client: _Client, numbers: Sequence[int], hit: int | None = None) -> bytes:
        # All prices are above the stops, except that of the symbol to hit.
        price = np.where(np.array(numbers) == hit, BELOW_PAISE, ABOVE_PAISE)
        made = blank_packets(len(numbers))
        made["last"], made["bid"], made["ask"] = price, price - 5, price + 5
        made["time"] = self._clock.market_ns() // SECOND
        for row, number in enumerate(numbers):
            of = self._symbols[number]
            client.volume[of] += 1  # the daemon would drop an exact repeat
            made["token"][row], made["volume"][row] = FIRST_TOKEN + number, client.volume[of]
        return packet_frame(made)

    async def _stream(self, socket: ServerConnection) -> None:
        assert socket.request is not None, "a connection begins with a request"
        client = self._clients[dict(parse_qsl(urlsplit(socket.request.path).query))["api_key"]]
        try:
            await socket.recv()  # the subscription
            await socket.send(self._frame(client, range(len(self._symbols))))
            client.socket = socket
            async for _ in socket:
                pass
        except ConnectionClosed:
            return

    async def _turn(self, given: QuoteSlice) -> SliceResult:
        client, clock = self._clients[given.client], self._clock
        socket = client.socket
        assert socket is not None, f"{given.client} is not connected"
        client.delays = []
        begin, hits, unarmed = clock.monotonic_ns(), 0, 0
        for k in range(given.count):
            wait = begin + int(k / given.rate * SECOND) - clock.monotonic_ns()
            await clock.sleep(max(wait, 0) / SECOND)
            risen, client.sold = client.sold, []  # sold symbols rise with the next quote and are bought again
            if k % given.every == 0 and client.armed:
                of = client.armed.popleft()
                number = self._symbols.index(of)
                sent = self._frame(client, [number, *(n for n in risen if n != number)], hit=number)
                hits += 1
                client.quoted[of] = clock.monotonic_ns()
            else:
                unarmed += k % given.every == 0
                sent = self._frame(client, [*risen, k % len(self._symbols)])
            await socket.send(sent)
        deadline = clock.monotonic_ns() + int(LATE_S * SECOND)
        while len(client.delays) < hits and clock.monotonic_ns() < deadline:
            await clock.sleep(0.01)
        client.quoted.clear()
        return SliceResult(delays=tuple(client.delays), missing=hits - len(client.delays), unarmed=unarmed)

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(ARMED_WITHIN_S):
                for name, client in self._clients.items():
                    while client.socket is None:
                        await self._clock.sleep(0.02)
                    if name.startswith("plain"):
                        client.armed.extend(self._symbols)
                    while len(client.armed) < len(self._symbols):
                        await self._clock.sleep(0.02)
        except TimeoutError:
            raise TimeoutError(f"the clients were not ready within {ARMED_WITHIN_S:g} s") from None
        return True
