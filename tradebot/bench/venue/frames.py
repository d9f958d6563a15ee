"""The symbols of the benchmarks' venue and the bytes that it sends of them: binary packets, and trades as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tradebot.bench.venue.wire import RECORDS
from tradebot.clock import MILLISECOND, SECOND
from tradebot.domain.instrument import Instrument, Universe

TOKEN = 256 * 7001 + 1  # of the first symbol; the others follow
PRICE = 1573_15  # paise
STEP = 50_000  # ticks between two seconds of market time
FULL = RECORDS[184]


def symbol(number: int) -> str:
    """Return the name of a symbol."""
    return f"SYM{number:04d}"


def universe(count: int) -> Universe:
    """Return the instruments of the first `count` symbols."""
    return Universe(Instrument(symbol=symbol(i), token=TOKEN + i, name=symbol(i)) for i in range(count))


def packets(count: int) -> Any:
    """Return full packets that offer and ask for 100 shares; the rest of each is to be filled in."""
    made = np.zeros(count, dtype=FULL)
    made["length"], made["bid_size"], made["ask_size"] = 184, 100, 100
    return made


def frame(made: Any) -> bytes:
    """Return the frame of packets: their count, big-endian, before them."""
    return len(made).to_bytes(2, "big") + bytes(made.tobytes())


def binary_frames(symbols: int, size: int, ticks: int, origin: int) -> Iterator[bytes]:
    """Yield frames of `size` full packets until `ticks` are through; no two of a symbol are equal."""
    made = packets(size)
    made["bid"], made["ask"] = PRICE - 5, PRICE + 5
    for at in range(0, ticks, size):
        numbers = np.arange(at, at + size)
        made["token"], made["volume"] = TOKEN + numbers % symbols, numbers + 1
        made["last"], made["time"] = PRICE + numbers % 97 * 5, origin // SECOND + at // STEP
        yield frame(made)


def json_frames(symbols: int, ticks: int, origin: int) -> Iterator[str]:
    """Yield one trade a frame: `{"e":"trade","s":"SYM0001","p":"1573.15","q":"7","T":1790000000123}`."""
    for k in range(ticks):
        price = PRICE + k % 97 * 5
        text = f'"s":"{symbol(k % symbols)}","p":"{price // 100}.{price % 100:02d}","q":"7"'
        yield f'{{"e":"trade",{text},"T":{origin // MILLISECOND + k * 1000 // STEP}}}'
