"""A chunk: some thousands of bars of one symbol as bytes in narrow columns; the history reads and writes chunks.

    header (32 bytes) | starts | open | high | low | close | volume

Each column is as narrow as its values allow and is padded to 8 bytes. A chunk covers a calendar period in UTC. The
period depends on the interval, so that a chunk holds some thousands of bars. Chunks of one day (375 minutes) load ten
times slower. Longer chunks load no faster and cost more to change.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tradebot.clock import DAY, MINUTE, SECOND
from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Ints
from tradebot.errors import StateError

PRICE_COLUMNS = ("open", "high", "low", "close")
CHUNK_FORMAT = 1
MMAP_MIN_BYTES = 1 << 20  # smaller tables use memory that the process already has
_HEADER = struct.Struct("<BBB6sxxxIqq")  # format, decimals of prices and volume, column codes, bars, first start, unit
_NUMBER_AT = 12  # the number of bars begins here in the header; the first start and the unit follow it
_WIDTHS = ("<i1", "<i2", "<i4", "<i8")
_LIMITS = tuple((np.iinfo(width).min, np.iinfo(width).max) for width in _WIDTHS)


class ChunkDecimals(NamedTuple):
    """The scale of integer prices and quantities, in decimals: 2 means hundredths."""

    price: int
    quantity: int


def chunk_periods(starts: Ints, interval: int) -> Ints:
    """Return for each start (ns) the number of its chunk's period; numbers ascend with time."""
    if interval < 15 * SECOND:
        unit = "D"
    elif interval < 5 * MINUTE:
        unit = "M"
    elif interval < DAY:
        unit = "Y"
    else:
        return np.zeros(len(starts), dtype=np.int64)
    return starts.astype("datetime64[ns]").astype(f"datetime64[{unit}]").astype(np.int64)


def split_by_period(series: BarSeries) -> Iterator[tuple[int, BarSeries]]:
    """Yield (period, its bars) for a series that is sorted by start."""
    numbers = chunk_periods(series.starts, series.interval)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(series)]
    for first, last in pairwise(edges):
        if first < last:
            yield int(numbers[first]), series.select_bars(slice(first, last))


def encode_chunk(series: BarSeries, decimals: ChunkDecimals) -> bytes:
    """Return a series of at least one bar, sorted by start, as the bytes of one chunk."""
    starts = series.starts
    assert len(starts), "a chunk without bars has no first start"
    first = int(starts[0])
    unit = int(np.gcd.reduce(np.diff(starts))) or 1 if len(starts) > 1 else 1
    columns = [(starts - first) // unit, *(getattr(series, name) for name in SERIES_COLUMNS[1:])]
    codes = [_narrowest(column) for column in columns]
    head = _HEADER.pack(CHUNK_FORMAT, *decimals, bytes(codes), len(starts), first, unit)
    bodies = (_padded(c.astype(_WIDTHS[code]).tobytes()) for c, code in zip(columns, codes, strict=True))
    return b"".join((head, *bodies))


def bar_count(body: bytes) -> int:
    """Return the number of bars that the header of a chunk names. Raises StateError for bytes that are no chunk."""
    return int(_head(body)[4])


class StartsCache:
    """Keeps the starts that were read last and returns them again for a series with the same starts.

    Symbols of one market mostly have the same starts. The shared array is read-only.
    """

    def __init__(self) -> None:
        self._key: list[tuple[int, bytes]] = []
        self._starts: Ints = np.empty(0, dtype=np.int64)

    def starts_of(self, bodies: Sequence[bytes]) -> Ints:
        """Return the starts (ns UTC) of the chunks, in the order of the chunks."""
        key = [_times(body) for body in bodies]
        if key != self._key:
            self._starts, at = _room(1, sum(map(bar_count, bodies)))[0], 0
            for body in bodies:
                _, _, _, codes, bars, first, unit = _head(body)
                part_ = self._starts[at : at + bars]
                part_[:] = np.frombuffer(body, dtype=_WIDTHS[codes[0]], count=bars, offset=_HEADER.size)
                if unit != 1:
                    part_ *= unit
                part_ += first
                at += bars
            self._starts.flags.writeable = False
            self._key = key
        return self._starts


def decode_chunks(
    bodies: Sequence[bytes], decimals: ChunkDecimals, starts_cache: StartsCache | None = None
) -> tuple[Ints, ...]:
    """Return the columns of SERIES_COLUMNS for the bars of the chunks, in the order of the chunks.

    Prices and volumes are in units of `decimals`. Raises StateError for bytes that are no chunk, and for a chunk with
    more decimals than `decimals`.
    """
    heads = [_head(body) for body in bodies]
    starts = (starts_cache or StartsCache()).starts_of(bodies)
    table = _room(len(SERIES_COLUMNS) - 1, len(starts))
    at = 0
    for body, (_, price, quantity, codes, bars, _, _) in zip(bodies, heads, strict=True):
        end, offset = at + bars, _HEADER.size + _room_of(bars, codes[0])
        for row, code in enumerate(codes[1:]):
            table[row, at:end] = np.frombuffer(body, dtype=_WIDTHS[code], count=bars, offset=offset)
            offset += _room_of(bars, code)
        if (price, quantity) != decimals:
            if price > decimals.price or quantity > decimals.quantity:
                raise StateError(f"a chunk has {price} decimals where its instrument has {decimals.price}")
            table[:4, at:end] *= 10 ** (decimals.price - price)
            table[4, at:end] *= 10 ** (decimals.quantity - quantity)
        at = end
    return starts, *table


def _room(columns: int, bars: int) -> Ints:
    # The kernel hands out fresh memory page by page on first touch. That would take longer than all other work here.
    size = columns * bars * 8
    if size < MMAP_MIN_BYTES or not hasattr(mmap, "MAP_POPULATE"):
        return np.empty((columns, bars), dtype=np.int64)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
    return np.frombuffer(pages, dtype=np.int64).reshape(columns, bars)


def _head(body: bytes) -> tuple[int, int, int, bytes, int, int, int]:
    if len(body) < _HEADER.size or body[0] != CHUNK_FORMAT:
        raise StateError("the history holds a chunk of an unknown format; a newer version may have written it")
    head: tuple[int, int, int, bytes, int, int, int] = _HEADER.unpack_from(body)
    codes, bars = head[3], head[4]
    if max(codes) >= len(_WIDTHS) or len(body) != _HEADER.size + sum(_room_of(bars, code) for code in codes):
        raise StateError("the history holds a chunk that is cut off or changed")
    return head


def _times(body: bytes) -> tuple[int, bytes]:
    # All bytes that decide when the bars start: the column's width, then bars, first start, unit, and the column.
    _, _, _, codes, bars, _, _ = _head(body)
    return codes[0], body[_NUMBER_AT : _HEADER.size + _room_of(bars, codes[0])]


def _room_of(bars: int, code: int) -> int:
    return -(-(bars << code) // 8) * 8


def _narrowest(column: Ints) -> int:
    low, high = int(column.min()), int(column.max())
    return next(code for code, (least, most) in enumerate(_LIMITS) if least <= low and high <= most)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 8)
