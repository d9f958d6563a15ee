"""The clients of the tick stream benchmark: ours from socket to bars, and the plain ways to read the same bytes.

All run in one process that is asked for one after the other; what they need is timed from the first tick to the last.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from time import process_time
from typing import Any

import msgspec
import numpy as np
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tradebot.bench.stream_server import END, TOKEN, kite_frames, symbol
from tradebot.clock import MILLISECOND, SECOND, Turn, WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import MarketMessage
from tradebot.engine import BREATH
from tradebot.ops.interpreter import settled
from tradebot.ops.latency import Latencies
from tradebot.stages.bars import Bars
from tradebot.stages.lanes import Lane
from tradebot.stages.sieve import SessionTimes
from tradebot.venues.gather import Gather, units
from tradebot.venues.kite.feed import KiteFeed
from tradebot.venues.kite.packets import RECORDS
from tradebot.venues.link import listen

LOOK_S = 0.005  # how often the lag of the loop is looked at
HOUR = 3600 * SECOND
QUEUE = 256  # frames that wait in the client before it stops reading


class Ask(Message, frozen=True):
    """One run: `client` reads `ticks` from `address`, in frames of `size`; market time begins at `origin`."""

    client: str
    address: str
    symbols: int
    size: int
    ticks: int
    origin: int


class Found(Message, frozen=True):
    """What a run took: seconds from the first tick to the last, and of the processor; ticks that came through.

    `lag_p99_us` and `lag_max_us` are the loop's.
    """

    ticks: int
    elapsed_s: float
    cpu_s: float
    lag_p99_us: float = 0.0
    lag_max_us: float = 0.0


class _Timer:
    def __init__(self) -> None:
        self.clock, self.latencies = WallClock(), Latencies()
        self._begun: tuple[int, float] | None = None

    def begin(self) -> None:
        """Take the time of the first tick; later calls do nothing."""
        if self._begun is None:
            self._begun = self.clock.monotonic(), process_time()

    def end(self, ticks: int) -> Found:
        assert self._begun is not None, "no tick came"
        elapsed, cpu = (self.clock.monotonic() - self._begun[0]) / SECOND, process_time() - self._begun[1]
        lag = self.latencies.summary().get("lag", {"p99_us": 0.0, "max_us": 0.0})
        return Found(ticks=ticks, elapsed_s=elapsed, cpu_s=cpu, lag_p99_us=lag["p99_us"], lag_max_us=lag["max_us"])

    async def watch(self) -> None:
        """Measure for ever how late the loop wakes."""
        while True:
            due = self.clock.monotonic() + int(LOOK_S * SECOND)
            await self.clock.sleep(LOOK_S)
            self.latencies.record("lag", max(self.clock.monotonic() - due, 0))


class _Session:
    def __init__(self, symbols: int, origin: int) -> None:
        self._symbols, self._origin = symbols, origin

    def at(self, market: int) -> SessionTimes:
        opens, closes = self._origin, self._origin + 8 * HOUR
        full = np.full(self._symbols, opens, dtype=np.int64)
        return SessionTimes(full, full - opens + closes, closes, closes, closes)


async def _into_bars(ask: Ask, timer: _Timer, read: Callable[[Universe, Lane], Awaitable[object]]) -> Found:
    # What the engine does between feed and bars: one lane, one task, closes by the clock.
    universe = Universe([Instrument(symbol=symbol(i), token=TOKEN + i) for i in range(ask.symbols)])
    bars = Bars(ask.symbols, interval=60 * SECOND, grace=0, sessions=_Session(ask.symbols, ask.origin))
    bars.roll(ask.origin)
    lane = Lane("market", 2_000)
    with settled(timer.clock, timer.latencies.record):
        async with asyncio.TaskGroup() as tasks:
            around = [tasks.create_task(read(universe, lane)), tasks.create_task(timer.watch())]  # type: ignore[arg-type]
            looked_at, turn = 0, Turn(timer.clock, BREATH)
            while bars.sieve.accepted + sum(bars.sieve.dropped.values()) + lane.merged < ask.ticks:
                if lane.empty():
                    message: Quotes = await lane.get()
                    turn.begin()
                else:
                    message = lane.get_nowait()
                timer.begin()
                bars.apply(message)
                if message.seen_at - looked_at > 50 * MILLISECOND:
                    looked_at = message.seen_at
                    bars.close(int(message.sent_at[-1]), mono=looked_at)
                await turn.give()
            found = timer.end(bars.sieve.accepted)
            for task in around:
                task.cancel()
    return found


async def tradebot_kite(ask: Ask, timer: _Timer) -> Found:
    """Read Kite frames by the daemon's feed into bars."""

    async def read(universe: Universe, lane: Lane) -> None:
        feed = KiteFeed(universe, url=_address(ask, "kite"), api_key="-", access_token="-", clock=timer.clock)

        def on_market(message: MarketMessage) -> None:
            if isinstance(message, Quotes):
                lane.offer(message)

        await feed.run(on_market, lambda order: None)

    return await _into_bars(ask, timer, read)


class _Trade(msgspec.Struct, gc=False):
    s: str
    p: str
    q: str
    T: int


async def tradebot_json(ask: Ask, timer: _Timer) -> Found:
    """Read text frames of one trade each, gathered into columns turn by turn of the loop, into bars."""

    async def read(universe: Universe, lane: Lane) -> None:
        decode, ids = msgspec.json.Decoder(_Trade).decode, {name: id_ for id_, name in enumerate(universe.symbols)}
        gather = Gather(universe, source="json", on_quotes=lane.offer)
        loop, clock = asyncio.get_running_loop(), timer.clock

        def on_frame(frame: str | bytes) -> None:
            if frame == END.encode():
                return
            trade = decode(frame)
            if not gather:
                loop.call_soon(lambda: gather.flush(clock.monotonic()))
            gather.add(ids[trade.s], sent_at=trade.T * MILLISECOND, price=units(trade.p, 2), quantity=units(trade.q, 0))

        async with connect(_address(ask, "json"), compression=None, max_queue=QUEUE) as socket:
            await socket.send("{}")
            try:
                await listen(partial(socket.recv, decode=False), on_frame, silent_after_s=5.0, clock=timer.clock)
            except ConnectionClosed:
                return

    return await _into_bars(ask, timer, read)


async def plain_kite(ask: Ask, timer: _Timer) -> Found:
    """Read Kite frames the plain way: a dictionary a packet, as the official client makes them; no bars."""
    return await _each(ask, timer, "kite", lambda frame: len(_dictionaries(frame)))


async def plain_json(ask: Ask, timer: _Timer) -> Found:
    """Read text frames the plain way: `json`, and a bar of floats in a dictionary."""
    bars: dict[str, list[float]] = {}  # symbol -> open, high, low, close, volume

    def on_frame(frame: Any) -> int:
        trade = json.loads(frame)
        price, quantity = float(trade["p"]), float(trade["q"])
        bar = bars.setdefault(trade["s"], [price, price, price, price, 0.0])
        bar[1], bar[2], bar[3], bar[4] = max(bar[1], price), min(bar[2], price), price, bar[4] + quantity
        return 1

    return await _each(ask, timer, "json", on_frame)


async def socket_kite(ask: Ask, timer: _Timer) -> Found:
    """Read Kite frames and leave them unread: what the socket alone costs."""
    return await _each(ask, timer, "kite", lambda frame: ask.size)


async def socket_json(ask: Ask, timer: _Timer) -> Found:
    """Read text frames and leave them unread."""
    return await _each(ask, timer, "json", lambda frame: 1)


async def numpy_kite(ask: Ask, timer: _Timer) -> Found:
    """Decode Kite frames that are in memory already, all fields we use, in one look each: the floor."""
    frames = list(kite_frames(ask.symbols, ask.size, ask.ticks, ask.origin))
    names = (RECORDS[184].names or ())[1:]
    timer.begin()
    for frame in frames:
        packets = np.frombuffer(frame, dtype=RECORDS[184], offset=2)
        for name in names:
            packets[name].astype(np.int64)
    return timer.end(ask.ticks)


async def _each(ask: Ask, timer: _Timer, face: str, on_frame: Callable[[Any], int]) -> Found:
    done = 0
    async with connect(_address(ask, face), compression=None, max_queue=QUEUE) as socket:
        await socket.send("{}")
        async for frame in _frames(socket):
            timer.begin()
            done += on_frame(frame)
            if done >= ask.ticks:
                break
    return timer.end(done)


async def _frames(socket: ClientConnection) -> Any:
    async for frame in socket:
        yield frame


def _dictionaries(frame: bytes) -> list[dict[str, Any]]:
    def number(at: int, kind: str = "I") -> int:
        found: int = struct.unpack(">" + kind, packet[at : at + struct.calcsize(kind)])[0]
        return found

    (count,) = struct.unpack(">H", frame[:2])
    found, begin = [], 2
    for _ in range(count):
        (length,) = struct.unpack(">H", frame[begin : begin + 2])
        packet = frame[begin + 2 : begin + 2 + length]
        begin += 2 + length
        depth: dict[str, list[dict[str, Any]]] = {"buy": [], "sell": []}
        for level in range(10):
            at = 64 + 12 * level
            depth["sell" if level >= 5 else "buy"].append(
                {"quantity": number(at), "price": number(at + 4) / 100, "orders": number(at + 8, "H")}
            )
        found.append({
            "tradable": True,
            "mode": "full",
            "instrument_token": number(0),
            "last_price": number(4) / 100,
            "last_traded_quantity": number(8),
            "average_traded_price": number(12) / 100,
            "volume_traded": number(16),
            "total_buy_quantity": number(20),
            "total_sell_quantity": number(24),
            "ohlc": {
                "open": number(28) / 100, "high": number(32) / 100, "low": number(36) / 100, "close": number(40) / 100,
            },
            "last_trade_time": datetime.fromtimestamp(number(44), UTC),
            "oi": number(48),
            "oi_day_high": number(52),
            "oi_day_low": number(56),
            "exchange_timestamp": datetime.fromtimestamp(number(60), UTC),
            "depth": depth,
        })  # fmt: skip
    return found


def _address(ask: Ask, face: str) -> str:
    return f"{ask.address}/{face}?size={ask.size}&ticks={ask.ticks}"


CLIENTS = {
    "tradebot, to bars": {"kite": tradebot_kite, "json": tradebot_json},
    "plain": {"kite": plain_kite, "json": plain_json},
    "socket alone": {"kite": socket_kite, "json": socket_json},
    "numpy, no socket": {"kite": numpy_kite},
}


def serve(pipe: Connection) -> None:
    """Run what is asked for until the pipe is closed."""
    while True:
        try:
            ask: Ask = pipe.recv()
        except EOFError:
            return
        name, _, face = ask.client.rpartition("/")
        pipe.send(uvloop.run(CLIENTS[name][face](ask, _Timer())))
