"""Parses binary ticker frames into columns of quotes, a whole frame at a time; the first step of market data. Pure.

A frame is `u16 count`, then count times (`u16 length`, body), all big-endian. A single byte is a heartbeat. The length
identifies the kind of body. Prices stay the integers of the wire: paise, or 1e-7 (CDS) and 1e-4 (BCD) of a rupee, as
stated in `Instrument.price_decimals`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints, Quotes

PRICE, COUNT = ">i4", ">u4"


def _record(length: int, **fields: tuple[str, int]) -> np.dtype[Any]:
    return np.dtype(
        {
            "names": ["length", *fields],
            "formats": [">u2", *(kind for kind, _ in fields.values())],
            "offsets": [0, *(offset + 2 for _, offset in fields.values())],
            "itemsize": length + 2,
        }
    )


_LTP = {"token": (COUNT, 0), "last": (PRICE, 4)}
_QUOTE = _LTP | {"volume": (COUNT, 16)}
_FULL = _QUOTE | {
    "time": (COUNT, 60),
    "bid_size": (COUNT, 64),
    "bid": (PRICE, 68),
    "ask_size": (COUNT, 124),
    "ask": (PRICE, 128),
}
# body length -> record of the length field and the body: last price, index quote, index full, quote, full
RECORDS = {
    8: _record(8, **_LTP),
    28: _record(28, **_LTP),
    32: _record(32, **_LTP, time=(COUNT, 28)),
    44: _record(44, **_QUOTE),
    184: _record(184, **_FULL),
}
# column -> row of the block; 0: time.
_ROWS = {
    "last": 1,
    "volume": 2,
    "bid": 3,
    "ask": 4,
    "bid_size": 5,
    "ask_size": 6,
}
STRUCT_MAX_PACKETS = 4  # up to this many packets, `struct` and a dictionary are faster than numpy


def _fields(record: np.dtype[Any]) -> tuple[struct.Struct, list[int | None]]:
    formats, at, names = [">"], 0, list(record.names or ())
    for name in names:
        kind, offset = record[name], record.fields[name][1] if record.fields else 0
        formats.append(f"{offset - at}x{kind.char}")
        at = offset + kind.itemsize
    places = [names.index(name) if name in names else None for name in ("time", *_ROWS)]
    return struct.Struct("".join([*formats, f"{record.itemsize - at}x"])), places


# body length -> struct of a packet, and the position in it of each row of the block
_FIELDS = {length: _fields(record) for length, record in RECORDS.items()}


@dataclass(slots=True)
class FrameCounts:
    """The counts of frames and packets that a feed received since the start, and of those that it dropped."""

    frames: int = 0
    heartbeats: int = 0
    packets: int = 0
    unknown_tokens: int = 0
    odd_lengths: int = 0
    malformed: int = 0
    untimed: int = 0
    texts: int = 0
    malformed_texts: int = 0


class TokenTable:
    """The instruments of a universe by Kite token; a token maps to the first instrument that has it."""

    def __init__(self, universe: Universe) -> None:
        tokens = np.array([i.token for i in universe], dtype=np.int64)
        # The sentinel is larger than any u32, so that a search never runs past the end.
        unique, first = np.unique(tokens, return_index=True)
        self._tokens = np.append(unique, np.int64(1) << 40)
        self._ids = np.append(first.astype(np.int64), np.int64(-1))
        self.ids = dict(zip(unique.tolist(), first.tolist(), strict=True))  # token -> id

    @property
    def sorted_tokens(self) -> list[int]:
        """Return every token once, in ascending order."""
        return [int(token) for token in self._tokens[:-1]]

    def find_ids(self, tokens: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the ids of `tokens` (int64, arbitrary where unknown) and which are known (bool), shape (n,) each."""
        wide = tokens.astype(np.int64)
        at = self._tokens.searchsorted(wide)
        return self._ids[at], self._tokens[at] == wide


def parse_frame(
    data: bytes,
    table: TokenTable,
    *,
    seen_at: int,
    now: int,
    source: str = "kite",
    counts: FrameCounts | None = None,
) -> Quotes | None:
    """Return the quotes of one binary frame in wire order, or None for a heartbeat or a frame without a known token.

    `sent_at` is the exchange time of the packet (0 where it is epoch 0), or `now` (market ns) for the kinds without a
    time. Packets with an unknown length or token are counted and dropped. A frame that ends early is counted, and its
    complete packets are returned. Never raises on any input.
    One LTP packet of INFY at 1573.15: `0001 0008 00063a01 00026683`.
    """
    counts = counts if counts is not None else FrameCounts()
    counts.frames += 1
    if len(data) < 4:
        if len(data) == 1:
            counts.heartbeats += 1
        elif data != b"\x00\x00":  # a valid frame without packets
            counts.malformed += 1
        return None
    count, length = (data[0] << 8) | data[1], (data[2] << 8) | data[3]
    record = RECORDS.get(length)
    if record is not None and len(data) == 2 + count * record.itemsize:
        if count <= STRUCT_MAX_PACKETS and (rows := _few_rows(data, length)) is not None:
            return _few_quotes(rows, _FIELDS[length][1], table, seen_at, now, source, counts)
        packets = np.frombuffer(data, dtype=record, offset=2)
        if count == 1 or (packets["length"] == length).all():
            tokens = packets["token"]
            block = np.zeros((7, count), dtype=np.int64)
            _fill(block, packets, record, now, slice(None))
            return _quotes(tokens, block, table, seen_at, source, counts)
    return _mixed_quotes(data, count, table, seen_at, now, source, counts)


def _few_rows(data: bytes, length: int) -> list[tuple[int, ...]] | None:
    rows = list(_FIELDS[length][0].iter_unpack(memoryview(data)[2:]))
    return rows if all(row[0] == length for row in rows) else None


def _few_quotes(
    rows: list[tuple[int, ...]],
    places: list[int | None],
    table: TokenTable,
    seen_at: int,
    now: int,
    source: str,
    counts: FrameCounts,
) -> Quotes | None:
    counts.packets += len(rows)
    known_rows = [row for row in rows if row[1] in table.ids]
    if len(known_rows) < len(rows):
        counts.unknown_tokens += len(rows) - len(known_rows)
        if not known_rows:
            return None
    time, *others = places
    block = np.array(
        [
            [table.ids[row[1]] for row in known_rows],
            [now if time is None else row[time] * SECOND for row in known_rows],
            *([0 if at is None else row[at] for row in known_rows] for at in others),
        ],
        dtype=np.int64,
    )
    return _as_quotes(block[0], block[1:], seen_at, source)


def _fill(block: Ints, packets: npt.NDArray[Any], record: np.dtype[Any], now: int, rows: Any) -> None:
    names = record.names or ()
    for name in names[2:]:
        if name == "time":
            block[0, rows] = packets["time"]
            block[0, rows] *= SECOND
        else:
            block[_ROWS[name], rows] = packets[name]
    if "time" not in names:
        block[0, rows] = now


def _quotes(
    tokens: npt.NDArray[Any], block: Ints, table: TokenTable, seen_at: int, source: str, counts: FrameCounts
) -> Quotes | None:
    ids, known = table.find_ids(tokens)
    counts.packets += len(ids)
    if not known.all():
        counts.unknown_tokens += int(len(known) - known.sum())
        ids, block = ids[known], block[:, known]
        if not len(ids):
            return None
    return _as_quotes(ids, block, seen_at, source)


def _as_quotes(ids: Ints, block: Ints, seen_at: int, source: str) -> Quotes:
    sent_at, last, volume, bid, ask, bid_size, ask_size = block
    return Quotes(
        source=source,
        seen_at=seen_at,
        ids=ids,
        sent_at=sent_at,
        last=last,
        volume=volume,
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
    )


def _mixed_quotes(
    data: bytes, count: int, table: TokenTable, seen_at: int, now: int, source: str, counts: FrameCounts
) -> Quotes | None:
    starts = _scan_packets(data, count, counts)
    n = sum(len(places) for places in starts.values())
    if not n:
        return None
    block, tokens = np.zeros((7, n), dtype=np.int64), np.zeros(n, dtype=np.int64)
    for length, places in starts.items():
        record = RECORDS[length]
        size = record.itemsize
        rows = np.array([row for row, _ in places])
        packets = np.frombuffer(b"".join([data[at : at + size] for _, at in places]), dtype=record)
        tokens[rows] = packets["token"]
        _fill(block, packets, record, now, rows)
    return _quotes(tokens, block, table, seen_at, source, counts)


def _scan_packets(data: bytes, count: int, counts: FrameCounts) -> dict[int, list[tuple[int, int]]]:
    starts: dict[int, list[tuple[int, int]]] = {}  # body length -> (row, offset of the length field) of its packets
    at, row, end = 2, 0, len(data)
    for _ in range(count):
        if at + 2 > end:
            break
        length = (data[at] << 8) | data[at + 1]
        if at + 2 + length > end:
            break
        if length in RECORDS:
            starts.setdefault(length, []).append((row, at))
            row += 1
        else:
            counts.odd_lengths += 1
        at += 2 + length
    else:
        counts.malformed += at != end
        return starts
    counts.malformed += 1
    return starts
