"""The rivals in the tick stream benchmark: plain readers of the same bytes, and the lower bounds of any reader."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

from tradebot.bench.stream.client_run import QUEUE_FRAMES, RunTimer, StreamRequest, StreamResult
from tradebot.bench.venue.frames import FULL_PACKET, binary_frames


async def plain_binary(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Read binary frames the plain way: a dictionary per packet, as in the official client; no bars."""
    return await _each(ask, timer, "binary", lambda frame: len(packet_dictionaries(frame)))


async def plain_json(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Read text frames the plain way: `json`, and a bar of floats in a dictionary."""
    bars: dict[str, list[float]] = {}  # symbol -> open, high, low, close, volume

    def on_frame(frame: Any) -> int:
        trade = json.loads(frame)
        price, quantity = float(trade["p"]), float(trade["q"])
        bar = bars.setdefault(trade["s"], [price, price, price, price, 0.0])
        bar[1], bar[2], bar[3], bar[4] = max(bar[1], price), min(bar[2], price), price, bar[4] + quantity
        return 1

    return await _each(ask, timer, "json", on_frame)


async def socket_binary(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Receive binary frames without decoding them: the cost of the socket alone."""
    return await _each(ask, timer, "binary", lambda frame: ask.size)


async def socket_json(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Receive text frames without decoding them: the cost of the socket alone."""
    return await _each(ask, timer, "json", lambda frame: 1)


async def numpy_binary(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Decode all fields of binary frames in memory, a frame at once: the least that decoding can cost."""
    frames = list(binary_frames(ask.symbols, ask.size, ask.ticks, ask.origin))
    names = (FULL_PACKET.names or ())[1:]
    timer.mark_first_tick()
    for frame in frames:
        packets = np.frombuffer(frame, dtype=FULL_PACKET, offset=2)
        for name in names:
            packets[name].astype(np.int64)
    return timer.mark_last_tick(ask.ticks)


async def _each(ask: StreamRequest, timer: RunTimer, face: str, on_frame: Callable[[Any], int]) -> StreamResult:
    done = 0
    async with connect(ask.tick_url(face), compression=None, max_queue=QUEUE_FRAMES) as socket:
        await socket.send("{}")
        async for frame in socket:
            timer.mark_first_tick()
            done += on_frame(frame)
            if done >= ask.ticks:
                break
    return timer.mark_last_tick(done)


def packet_dictionaries(frame: bytes) -> list[dict[str, Any]]:
    """Return the packets of a full-mode frame as dictionaries, as the official client does."""

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
        found.append(
            {
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
                    "open": number(28) / 100,
                    "high": number(32) / 100,
                    "low": number(36) / 100,
                    "close": number(40) / 100,
                },
                "last_trade_time": datetime.fromtimestamp(number(44), UTC),
                "oi": number(48),
                "oi_day_high": number(52),
                "oi_day_low": number(56),
                "exchange_timestamp": datetime.fromtimestamp(number(60), UTC),
                "depth": depth,
            }
        )
    return found
