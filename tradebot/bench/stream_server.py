"""The server of the tick stream benchmark, a process of its own: sends ticks as fast as the client takes them.

Two faces over one websocket port: `/binary` sends binary frames of full packets, `/json` text frames of one trade each,
as crypto venues do: `{"e":"trade","s":"SYM0001","p":"1573.15","q":"7","T":1790000000123}`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tradebot.bench.wire import RECORDS
from tradebot.clock import SECOND

START_S = 30.0
TOKEN = 256 * 8001 + 1  # of the first symbol; the others follow
PRICE = 1573_15  # paise
END = "end"  # the text frame behind the last tick
STEP = 50_000  # ticks between two seconds of market time


def symbol(number: int) -> str:
    """Return the name of a symbol."""
    return f"SYM{number:04d}"


@contextmanager
def running(symbols: int, *, origin: int) -> Iterator[str]:
    """Run the server in its own process and yield its address; market time begins at `origin`. Raises TimeoutError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, symbols, origin), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_S):
            raise TimeoutError(f"the stream server did not start within {START_S:g} s")
        yield str(ours.recv())
    finally:
        process.kill()
        process.join()
        ours.close()


def binary_frames(symbols: int, size: int, ticks: int, origin: int) -> Iterator[bytes]:
    """Yield frames of `size` full packets until `ticks` are through; no two of a symbol are alike."""
    packets = np.zeros(size, dtype=RECORDS[184])
    packets["length"], packets["bid"], packets["ask"] = 184, PRICE - 5, PRICE + 5
    packets["bid_size"] = packets["ask_size"] = 100
    for at in range(0, ticks, size):
        numbers = np.arange(at, at + size)
        packets["token"], packets["volume"] = TOKEN + numbers % symbols, numbers + 1
        packets["last"], packets["time"] = PRICE + numbers % 97 * 5, origin // SECOND + at // STEP
        yield size.to_bytes(2, "big") + packets.tobytes()


def json_frames(symbols: int, ticks: int, origin: int) -> Iterator[str]:
    """Yield one trade a frame."""
    for k in range(ticks):
        price = PRICE + k % 97 * 5
        text = f'"s":"{symbol(k % symbols)}","p":"{price // 100}.{price % 100:02d}","q":"7"'
        yield f'{{"e":"trade",{text},"T":{origin // 1_000_000 + k * 1000 // STEP}}}'


def _serve(ready: Connection, symbols: int, origin: int) -> None:
    uvloop.run(_run(ready, symbols, origin))


async def _run(ready: Connection, symbols: int, origin: int) -> None:
    async def stream(socket: ServerConnection) -> None:
        assert socket.request is not None, "a connection begins with a request"
        asked = urlsplit(socket.request.path)
        query = {name: int(value) for name, value in parse_qsl(asked.query) if value.isdecimal()}
        try:
            await socket.recv()  # a subscription, or whatever says that the client is there
            if asked.path == "/binary":
                for frame in binary_frames(symbols, query["size"], query["ticks"], origin):
                    await socket.send(frame)
            else:
                for text in json_frames(symbols, query["ticks"], origin):
                    await socket.send(text)
            await socket.send(END)
            await socket.wait_closed()
        except ConnectionClosed:
            return

    async with serve(stream, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        ready.send(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.Event().wait()
