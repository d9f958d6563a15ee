"""The venue's face for the order path: quotes leave, order requests come, both are timed.

One clock measures both ends: a quote is stamped before its bytes are handed to the socket, a request when its last byte
has come. The ticker speaks binary frames, the counter as much of HTTP as placing an order takes.
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
LATE_S = 2.0  # an order that has not come by then counts as missing
ABOVE_PAISE, BELOW_PAISE = 102_00, 100_00  # paise: where nothing happens, and where every stop is hit
STOP_PRICE = 101.0


class AwaitArmed(Message, frozen=True):
    """The question whether every client has connected and holds every symbol. The answer is True or a TimeoutError."""


class QuoteSlice(Message, frozen=True):
    """What one turn sends to one client: `count` quotes at `rate` a second, one in `every` hits a stop.

    The answer is a `SliceResult`, once the orders have come.
    """

    client: str
    rate: float
    count: int
    every: int


class SliceResult(Message, frozen=True):
    """What one turn found: ns from quote to order request, in the order of arrival, and quotes no order came for.

    `unarmed` counts the quotes that were to hit a stop while the client held no symbol that one could hit.
    """

    delays: tuple[int, ...]
    missing: int
    unarmed: int


class _Client:
    def __init__(self, symbols: Sequence[str]) -> None:
        self.socket: ServerConnection | None = None
        self.quoted: dict[str, int] = {}  # symbol -> when the quote left that hits its stop
        self.armed: deque[str] = deque()  # symbols with a stop that no quote has hit
        self.sold: list[int] = []  # symbols, by their number, whose price is still below the stop that sold them
        self.delays: list[int] = []
        self.volume = dict.fromkeys(symbols, 0)


class Ticker:
    """Quotes `symbols` to clients by name, on the market time of `clock`.

    A client named `plain` holds every symbol always, another what it has bought and not sold.
    """

    def __init__(self, symbols: int, clients: Sequence[str], clock: MarketClock) -> None:
        self._symbols, self._clock = [symbol_name(i) for i in range(symbols)], clock
        self._clients = {name: _Client(self._symbols) for name in clients}
        self._orders = 0

    @asynccontextmanager
    async def open_sockets(self) -> AsyncIterator[tuple[str, ...]]:
        """Open counter and ticker; the context is their addresses."""
        async with (
            open_order_server(self) as rest,
            serve(self._stream, "127.0.0.1", 0, compression=None, ping_interval=None) as ticker,
        ):
            yield rest, f"ws://127.0.0.1:{ticker.sockets[0].getsockname()[1]}"

    async def answer_parent(self, asked: QuoteSlice | AwaitArmed) -> SliceResult | bool:
        """Send what a slice says and wait for the orders, or wait until all are armed. Raises TimeoutError."""
        return await self._turn(asked) if isinstance(asked, QuoteSlice) else await self._ready()

    def accept_order(self, name: str, form: dict[str, list[str]], at_mono: int) -> str:
        """Take an order of a client that came at monotonic `at_mono`; return its number."""
        client, of = self._clients[name], form["tradingsymbol"][0]
        self._orders += 1
        if form["transaction_type"] == ["SELL"]:
            client.delays.append(at_mono - client.quoted.pop(of))
            client.sold.append(self._symbols.index(of))
        if (form["transaction_type"] == ["BUY"]) or name.startswith("plain"):
            client.armed.append(of)  # it holds the symbol again; the plain one always does
        return f"{self._orders:015d}"

    def _frame(self, client: _Client, numbers: Sequence[int], hit: int | None = None) -> bytes:
        # Symbols stand where nothing happens, but for the one that is hit.
        price = np.where(np.array(numbers) == hit, BELOW_PAISE, ABOVE_PAISE)
        made = blank_packets(len(numbers))
        made["last"], made["bid"], made["ask"] = price, price - 5, price + 5
        made["time"] = self._clock.market_ns() // SECOND
        for row, number in enumerate(numbers):
            of = self._symbols[number]
            client.volume[of] += 1  # an exact repeat would be dropped as one
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
            risen, client.sold = client.sold, []  # a price is back up with the next quote, and bought again above
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
