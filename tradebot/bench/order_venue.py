"""The venue of the order benchmark, a process of its own: quotes leave, order requests come, both are timed.

One clock measures both ends: a quote is stamped before its bytes are handed to the socket, a request when its last byte
has come. The ticker speaks binary frames, the counter as much of HTTP as placing an order takes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol
from urllib.parse import parse_qs, parse_qsl, urlsplit

import numpy as np
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tradebot.bench.wire import RECORDS
from tradebot.clock import SECOND, WallClock
from tradebot.domain.message import Message

START_S = 30.0
ARMED_WITHIN_S = 15.0
LATE_S = 2.0  # an order that has not come by then counts as missing
ABOVE, BELOW = 102_00, 100_00  # paise: where nothing happens, and where every stop is hit
STOP = 101.0
TOKEN = 256 * 7001 + 1  # of the first symbol; the others follow


class Slice(Message, frozen=True):
    """What one turn sends to one client: `count` quotes at `rate` a second, one in `every` hits a stop."""

    client: str
    rate: float
    count: int
    every: int


class Turn(Message, frozen=True):
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


class _Venue:
    def __init__(self, symbols: Sequence[str], clients: Sequence[str], origin: int, anchor: int) -> None:
        self._symbols, self._clock, self._origin, self._anchor = symbols, WallClock(), origin, anchor
        self.clients = {name: _Client(symbols) for name in clients}
        self._orders = 0

    def frame(self, client: _Client, numbers: Sequence[int], hit: int | None = None) -> bytes:
        """Return a frame in which symbols stand where nothing happens, but for the one that is hit."""
        price = np.where(np.array(numbers) == hit, BELOW, ABOVE)
        packets = np.zeros(len(numbers), dtype=RECORDS[184])
        packets["length"], packets["last"] = 184, price
        packets["bid"], packets["ask"], packets["bid_size"], packets["ask_size"] = price - 5, price + 5, 100, 100
        packets["time"] = (self._origin + self._clock.monotonic() - self._anchor) // SECOND
        for row, number in enumerate(numbers):
            symbol = self._symbols[number]
            client.volume[symbol] += 1  # an exact repeat would be dropped as one
            packets["token"][row], packets["volume"][row] = TOKEN + number, client.volume[symbol]
        return len(numbers).to_bytes(2, "big") + packets.tobytes()

    async def ticker(self, socket: ServerConnection) -> None:
        assert socket.request is not None, "a connection begins with a request"
        client = self.clients[dict(parse_qsl(urlsplit(socket.request.path).query))["api_key"]]
        try:
            await socket.recv()  # the subscription
            await socket.send(self.frame(client, range(len(self._symbols))))
            client.socket = socket
            async for _ in socket:
                pass
        except ConnectionClosed:
            return

    def order(self, name: str, form: dict[str, list[str]], at: int) -> str:
        client, symbol = self.clients[name], form["tradingsymbol"][0]
        self._orders += 1
        if form["transaction_type"] == ["SELL"]:
            client.delays.append(at - client.quoted.pop(symbol))
            client.sold.append(self._symbols.index(symbol))
        if (form["transaction_type"] == ["BUY"]) or name.startswith("plain"):
            client.armed.append(symbol)  # it holds the symbol again; the plain one always does
        return f"{self._orders:015d}"

    async def turn(self, given: Slice) -> Turn:
        client, clock = self.clients[given.client], self._clock
        socket = client.socket
        assert socket is not None, f"{given.client} is not connected"
        client.delays = []
        begin, hits, unarmed = clock.monotonic(), 0, 0
        for k in range(given.count):
            wait = begin + int(k / given.rate * SECOND) - clock.monotonic()
            await clock.sleep(max(wait, 0) / SECOND)
            risen, client.sold = client.sold, []  # a price is back up with the next quote, and bought again above
            if k % given.every == 0 and client.armed:
                symbol = client.armed.popleft()
                number = self._symbols.index(symbol)
                frame = self.frame(client, [number, *(n for n in risen if n != number)], hit=number)
                hits += 1
                client.quoted[symbol] = clock.monotonic()
            else:
                unarmed += k % given.every == 0
                frame = self.frame(client, [*risen, k % len(self._symbols)])
            await socket.send(frame)
        deadline = clock.monotonic() + int(LATE_S * SECOND)
        while len(client.delays) < hits and clock.monotonic() < deadline:
            await clock.sleep(0.01)
        client.quoted.clear()
        return Turn(delays=tuple(client.delays), missing=hits - len(client.delays), unarmed=unarmed)

    async def ready(self) -> None:
        async with asyncio.timeout(ARMED_WITHIN_S):
            for name, client in self.clients.items():
                while client.socket is None:
                    await self._clock.sleep(0.02)
                if name.startswith("plain"):
                    client.armed.extend(self._symbols)
                while len(client.armed) < len(self._symbols):
                    await self._clock.sleep(0.02)


class Orders(Protocol):
    """What takes the orders of a counter."""

    def order(self, name: str, form: dict[str, list[str]], at: int) -> str:
        """Take an order of a client that came at monotonic `at`; return its number."""
        ...


class Counter(asyncio.Protocol):
    """As much of HTTP as placing an order takes."""

    def __init__(self, venue: Orders) -> None:
        self._venue, self._clock, self._got = venue, WallClock(), b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        at = self._clock.monotonic()
        self._got += data
        head, end, rest = self._got.partition(b"\r\n\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in head.split(b"\r\n"))}
        length = int(fields.get(b"content-length", b"0"))
        if not end or len(rest) < length:
            return
        self._got = rest[length:]
        name = fields[b"authorization"].decode().split()[-1].partition(":")[0]
        if head.startswith(b"POST /orders/regular "):
            number = self._venue.order(name, parse_qs(rest[:length].decode()), at)
            self._answer(200, b'{"status":"success","data":{"order_id":"%s"}}' % number.encode())
        else:
            self._answer(404, b'{"status":"error","error_type":"GeneralException","message":"only orders are taken"}')

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


class Wire:
    """The parent's end: the two addresses, and one turn after the other."""

    def __init__(self, connection: Connection, rest: str, ticker: str) -> None:
        self._connection, self.rest, self.ticker = connection, rest, ticker

    def turn(self, given: Slice) -> Turn:
        """Send what `given` says and wait for the orders. Raises EOFError when the venue is gone."""
        self._connection.send(given)
        found = self._connection.recv()
        assert isinstance(found, Turn), found
        return found

    def wait_until_armed(self) -> None:
        """Wait until every client has connected and holds every symbol. Raises TimeoutError."""
        self._connection.send(None)
        if not self._connection.recv():
            raise TimeoutError(f"the clients were not ready within {ARMED_WITHIN_S:g} s")


@contextmanager
def running(symbols: Sequence[str], clients: Sequence[str], *, origin: int, anchor: int) -> Iterator[Wire]:
    """Run the venue in its own process; its market time was `origin` at monotonic `anchor`. Raises TimeoutError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, symbols, clients, origin, anchor), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise TimeoutError(f"the venue did not start within {START_S:g} s")
        yield Wire(ours, *ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection, symbols: Sequence[str], clients: Sequence[str], origin: int, anchor: int) -> None:
    uvloop.run(_run(pipe, _Venue(symbols, clients, origin, anchor)))


async def _run(pipe: Connection, venue: _Venue) -> None:
    loop = asyncio.get_running_loop()
    counter = await loop.create_server(lambda: Counter(venue), "127.0.0.1", 0)
    async with serve(venue.ticker, "127.0.0.1", 0, compression=None, ping_interval=None) as ticker:
        rest, stream = (server.sockets[0].getsockname()[1] for server in (counter, ticker))
        pipe.send((f"http://127.0.0.1:{rest}", f"ws://127.0.0.1:{stream}"))
        while True:
            try:
                given = await loop.run_in_executor(None, pipe.recv)
            except EOFError:
                return
            if given is None:
                try:
                    await venue.ready()
                except TimeoutError:
                    pipe.send(False)
                    continue
                pipe.send(True)
            else:
                pipe.send(await venue.turn(given))
