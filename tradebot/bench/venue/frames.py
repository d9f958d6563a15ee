"""The symbols of the benchmarks' venue and the frames it sends: binary packets, and trades as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tradebot.bench.venue.wire import RECORDS
from tradebot.clock import MILLISECOND, SECOND
from tradebot.domain.instrument import Instrument, Universe

FIRST_TOKEN = 256 * 7001 + 1  # of the first symbol; the others are consecutive
BASE_PRICE_PAISE = 1573_15  # paise
TICKS_PER_SECOND = 50_000  # ticks per second of market time
FULL_PACKET = RECORDS[184]


def symbol_name(number: int) -> str:
    """Return the name of symbol number `number`."""
    return f"SYM{number:04d}"


def bench_universe(count: int) -> Universe:
    """Return the instruments of the first `count` symbols."""
    return Universe(Instrument(symbol=symbol_name(i), token=FIRST_TOKEN + i, name=symbol_name(i)) for i in range(count))


def blank_packets(count: int) -> Any:
    """Return `count` full packets (a structured array) with length, bid and ask size (100); all else is 0."""
    made = np.zeros(count, dtype=FULL_PACKET)
    made["length"], made["bid_size"], made["ask_size"] = 184, 100, 100
    return made


def packet_frame(made: Any) -> bytes:
    """Return the frame of packets: their count in two bytes, big-endian, then the packets."""
    return len(made).to_bytes(2, "big") + bytes(made.tobytes())


def binary_frames(symbols: int, size: int, ticks: int, origin: int) -> Iterator[bytes]:
    """Yield frames of `size` full packets for at least `ticks` ticks; no two packets of a symbol are equal."""
    made = blank_packets(size)
    made["bid"], made["ask"] = BASE_PRICE_PAISE - 5, BASE_PRICE_PAISE + 5
    for at in range(0, ticks, size):
        numbers = np.arange(at, at + size)
        made["token"], made["volume"] = FIRST_TOKEN + numbers % symbols, numbers + 1
        made["last"], made["time"] = BASE_PRICE_PAISE + numbers % 97 * 5, origin // SECOND + at // TICKS_PER_SECOND
        yield packet_frame(made)


def json_frames(symbols: int, ticks: int, origin: int) -> Iterator[str]:
    """Yield frames of one trade: `{"e":"trade","s":"SYM0001","p":"1573.15","q":"7","T":1790000000123}`, T in ms."""
    for k in range(ticks):
        price = BASE_PRICE_PAISE + k % 97 * 5
        text = f'"s":"{symbol_name(k % symbols)}","p":"{price // 100}.{price % 100:02d}","q":"7"'
        yield f'{{"e":"trade",{text},"T":{origin // MILLISECOND + k * 1000 // TICKS_PER_SECOND}}}'
