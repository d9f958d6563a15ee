"""Renders columns of the exchange as Kite's binary ticker frames: one numpy matrix per mode, no loop over packets.

A frame is `u16 count`, then count times (`u16 length`, body), all big-endian. Prices are int32 paise, times are UNIX
seconds UTC. An ltp packet of INFY (token 408065) at 1573.15: `0008 00063a01 00026683`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.instrument import InstrumentKind, Universe
from tradebot.domain.market import Ints

# 500 full packets are 93 kB, well below the default message limit of websocket clients (1 MiB).
PACKETS_PER_FRAME = 500
HEARTBEAT = b"\x00"
U32_MAX, U16_MAX = 2**32 - 1, 2**16 - 1

# The 4-byte fields that follow the token, in the order of the wire.
LTP = ("last",)
QUOTE = (
    "last",
    "last_quantity",
    "average",
    "volume",
    "buy_quantity",
    "sell_quantity",
    "open",
    "high",
    "low",
    "previous_close",
)
INDEX_QUOTE = ("last", "high", "low", "open", "previous_close")

Column = Callable[[str], Ints]
Modes = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp] | Ints


class StreamMode(IntEnum):
    """How much data of an instrument a client wants."""

    NONE = 0
    LTP = 1
    QUOTE = 2
    FULL = 3


MODES = {"ltp": StreamMode.LTP, "quote": StreamMode.QUOTE, "full": StreamMode.FULL}


class PacketRenderer:
    """Renders rows of an exchange's columns; built once per universe.

    Raises ValueError for an instrument that is not quoted in paise or has no token: this protocol cannot carry it.
    """

    def __init__(self, universe: Universe) -> None:
        for instrument in universe:
            if instrument.price_decimals != 2 or not instrument.token:
                raise ValueError(f"{instrument.symbol} cannot be sent: Kite needs a token and prices in paise")
        self.tokens: Ints = np.array([i.token for i in universe], dtype=np.int64)
        self._is_index = np.array([i.kind is InstrumentKind.INDEX for i in universe], dtype=bool)
        self._has_indices = bool(self._is_index.any())

    def render_frames(self, column: Column, *, rows: Ints, ids: Ints, modes: Modes) -> list[bytes]:
        """Return frames with one packet for each of `rows` whose mode is not NONE.

        `column(name)` is a column of a snapshot or of the exchange's state. `rows` (int64) are indices into it, `ids`
        (int64) the instruments of those rows and `modes` (int8) their modes, all of shape (n,). Packets of one
        instrument keep their order.
        """
        parts = []
        is_index = self._is_index[ids] if self._has_indices else None
        for mode in (StreamMode.LTP, StreamMode.QUOTE, StreamMode.FULL):
            chosen = modes == mode
            if not chosen.any():
                continue
            if is_index is None:
                parts.append(_packets(self._words(column, rows[chosen], ids[chosen], mode)))
                continue
            for index, words in ((False, self._words), (True, self._index_words)):
                if (some := chosen & (is_index == index)).any():
                    parts.append(_packets(words(column, rows[some], ids[some], mode)))
        if sum(map(len, parts)) <= PACKETS_PER_FRAME:
            return [_frame(*parts)] if parts else []
        return [
            _frame(part[at : at + PACKETS_PER_FRAME]) for part in parts for at in range(0, len(part), PACKETS_PER_FRAME)
        ]

    # The next two return packet bodies as rows of 4-byte words. Every field of the protocol is one word or half of one.

    def _words(self, column: Column, rows: Rows, ids: Rows, mode: StreamMode) -> Ints:
        names = LTP if mode is StreamMode.LTP else QUOTE
        words = np.array([self.tokens[ids], *(column(name)[rows] for name in names)]).T
        if mode is not StreamMode.FULL:
            return words
        stamps = _unix(column, rows)
        zeros = np.zeros_like(stamps)
        # Time of the last trade, open interest with its high and low, time of the exchange.
        times = np.array([stamps, zeros, zeros, zeros, stamps]).T
        return np.hstack([words, times, _depth(column, rows, "bid"), _depth(column, rows, "ask")])

    def _index_words(self, column: Column, rows: Rows, ids: Rows, mode: StreamMode) -> Ints:
        words = [self.tokens[ids], *(column(name)[rows] for name in (LTP if mode is StreamMode.LTP else INDEX_QUOTE))]
        if mode is not StreamMode.LTP:
            words.append(column("last")[rows] - column("previous_close")[rows])
        if mode is StreamMode.FULL:
            words.append(_unix(column, rows))
        return np.array(words).T


def _unix(column: Column, rows: Rows) -> Ints:
    return np.maximum(column("stamps")[rows] // SECOND, 0)


def _depth(column: Column, rows: Rows, side: str) -> Ints:
    quantities, prices = column(f"{side}_quantities")[rows], column(f"{side}s")[rows]
    orders = np.minimum(column(f"{side}_orders")[rows], U16_MAX) << 16  # in the upper half; the lower half is padding
    return np.stack([quantities, prices, orders], axis=2).reshape(len(rows), -1)


def _packets(words: Ints) -> npt.NDArray[np.void]:
    count, width = words.shape
    out = np.empty(count, [("length", ">u2"), ("body", ">u4", (width,))])
    out["length"] = width * 4
    # The cast keeps the low 32 bits, which is also the wire format of a negative change.
    out["body"] = np.minimum(words, U32_MAX)
    return out


def _frame(*parts: npt.NDArray[np.void]) -> bytes:
    return struct.pack(">H", sum(map(len, parts))) + b"".join(part.tobytes() for part in parts)
