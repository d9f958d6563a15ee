"""The rival of the order benchmark: the minimal program that answers a quote with an order, on disk before it leaves.

`websockets`, `struct`, one row through a writer thread into SQLite (WAL, synchronous=FULL), an `aiohttp` POST. It has
no bars, desk, checks, order states, limits or reconciliation: the work of an afternoon.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import struct
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp
import uvloop
from websockets.asyncio.client import connect

from tradebot.bench.venue.frames import FIRST_TOKEN, symbol_name
from tradebot.bench.venue.ticker import STOP_PRICE
from tradebot.bench.venue.wire import HEADERS
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.products import INTRADAY

STOP_PAISE = round(STOP_PRICE * 100)


def serve_plain(name: str, symbols: int, *, rest: str, ticker: str, folder: Path) -> None:
    """Sell on every quote below the stop, until the process is killed."""
    uvloop.run(_run(name, symbols, rest, ticker, folder / f"{name}.sqlite3"))


class _RowWriter:
    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[str, asyncio.Future[None]]] = SimpleQueue()
        self._path = path
        threading.Thread(target=self._work, daemon=True).start()

    async def write_row(self, text: str) -> None:
        """Write a row; returns once it is on disk."""
        written = self._loop.create_future()
        self._queue.put((text, written))
        await written

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body TEXT)")
        while True:
            text, written = self._queue.get()
            connection.execute("INSERT INTO rows (body) VALUES (?)", (text,))
            self._loop.call_soon_threadsafe(written.set_result, None)


async def _run(name: str, symbols: int, rest: str, ticker: str, path: Path) -> None:
    rows = _RowWriter(path)
    headers = {**HEADERS, "Authorization": f"token {name}:-"}
    async with (
        aiohttp.ClientSession(rest, headers=headers) as session,
        connect(f"{ticker}/?api_key={name}", compression=None) as socket,
    ):
        await socket.send(json.dumps({"a": "subscribe", "v": [FIRST_TOKEN + i for i in range(symbols)]}))
        async for frame in socket:
            assert isinstance(frame, bytes), "quotes are binary"
            for token, last in _packets(frame):
                if last < STOP_PAISE:
                    await _sell(session, rows, symbol_name(token - FIRST_TOKEN))


async def _sell(session: aiohttp.ClientSession, rows: _RowWriter, symbol: str) -> None:
    form = {
        "exchange": HOME_EXCHANGE,
        "tradingsymbol": symbol,
        "transaction_type": "SELL",
        "order_type": "MARKET",
        "quantity": "1",
        "product": INTRADAY,
        "validity": "DAY",
        "tag": "plain",
        "market_protection": "0.5",
    }
    await rows.write_row(json.dumps(form))
    async with session.post("/orders/regular", data=form) as response:
        answer: Any = await response.json()
    assert answer["status"] == "success", answer


def _packets(frame: bytes) -> list[tuple[int, int]]:
    (count,) = struct.unpack_from(">H", frame)
    at, found = 2, []
    for _ in range(count):
        length, token, last = struct.unpack_from(">HIi", frame, at)
        found.append((token, last))
        at += 2 + length
    return found
