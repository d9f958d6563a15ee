"""Columns of the exchange to Kite's binary ticker frames: one numpy structured array per mode, no loop over packets.

A frame is `u16 count`, then count times (`u16 length`, body), all big-endian; prices are int32 paise, times UNIX
seconds UTC. For example an ltp packet of INFY (token 408065) at 1573.15: `0008 00063a01 00026683`.
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

# 500 full packets are 93 kB: well under the 1 MiB message limit that websocket clients set by default.
PACKETS_PER_FRAME = 500
HEARTBEAT = b"\x00"
U32_MAX = 2**32 - 1

LEVEL = [("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("pad", ">u2")]
LTP = [("length", ">u2"), ("token", ">u4"), ("last", ">i4")]
QUOTE = [
    *LTP, ("last_quantity", ">u4"), ("average", ">i4"), ("volume", ">u4"), ("buy_quantity", ">u4"),
    ("sell_quantity", ">u4"), ("open", ">i4"), ("high", ">i4"), ("low", ">i4"), ("previous_close", ">i4"),
]  # fmt: skip
FULL = [
    *QUOTE, ("traded_at", ">u4"), ("oi", ">u4"), ("oi_high", ">u4"), ("oi_low", ">u4"), ("stamp", ">u4"),
    ("bids", LEVEL, (5,)), ("asks", LEVEL, (5,)),
]  # fmt: skip
INDEX_QUOTE = [
    *LTP, ("high", ">i4"), ("low", ">i4"), ("open", ">i4"), ("previous_close", ">i4"), ("change", ">i4"),
]  # fmt: skip
INDEX_FULL = [*INDEX_QUOTE, ("stamp", ">u4")]

PRICES = ("last", "average", "open", "high", "low", "previous_close")
SIZES = ("last_quantity", "volume", "buy_quantity", "sell_quantity")

Column = Callable[[str], Ints]
Modes = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp] | Ints


class Mode(IntEnum):
    """How much of an instrument a client wants."""

    NONE = 0
    LTP = 1
    QUOTE = 2
    FULL = 3


MODES = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.FULL}
# (mode, whether for an index) -> packet with its length in front
PACKETS: dict[tuple[Mode, bool], np.dtype[np.void]] = {
    (Mode.LTP, False): np.dtype(LTP),
    (Mode.QUOTE, False): np.dtype(QUOTE),
    (Mode.FULL, False): np.dtype(FULL),
    (Mode.LTP, True): np.dtype(LTP),
    (Mode.QUOTE, True): np.dtype(INDEX_QUOTE),
    (Mode.FULL, True): np.dtype(INDEX_FULL),
}


class Packets:
    """Renders rows of an exchange's columns; built once per universe.

    Raises ValueError for an instrument that is not quoted in paise or has no token: this wire cannot carry it.
    """

    def __init__(self, universe: Universe) -> None:
        for instrument in universe:
            if instrument.price_decimals != 2 or not instrument.token:
                raise ValueError(f"{instrument.symbol} cannot be sent: Kite needs a token and prices in paise")
        self.tokens: Ints = np.array([i.token for i in universe], dtype=np.int64)
        self._is_index = np.array([i.kind is InstrumentKind.INDEX for i in universe], dtype=bool)
        self._has_indices = bool(self._is_index.any())

    def render(self, column: Column, *, rows: Ints, ids: Ints, modes: Modes) -> list[bytes]:
        """Return frames with one packet for each of `rows` that has a mode.

        `column(name)` is a column of a snapshot or of the exchange's state; `rows` index it, `ids` are the instruments
        of those rows and `modes` their modes, all of shape (n,). Packets of one instrument keep their order.
        """
        is_index = self._is_index[ids] if self._has_indices else None
        parts = []
        for (mode, index), dtype in PACKETS.items():
            chosen = modes == mode
            if is_index is not None:
                chosen &= is_index == index
            elif index:
                continue
            if chosen.any():
                parts.append(self._fill(dtype, column, rows[chosen], ids[chosen], mode=mode, is_index=index))
        if sum(map(len, parts)) <= PACKETS_PER_FRAME:
            return [_frame(*parts)] if parts else []
        return [
            _frame(part[at : at + PACKETS_PER_FRAME]) for part in parts for at in range(0, len(part), PACKETS_PER_FRAME)
        ]

    def _fill(
        self, dtype: np.dtype[np.void], column: Column, rows: Ints, ids: Ints, *, mode: Mode, is_index: bool
    ) -> npt.NDArray[np.void]:
        out = np.zeros(len(rows), dtype)
        names = dtype.names or ()
        out["length"] = dtype.itemsize - 2
        out["token"] = self.tokens[ids]
        for name in PRICES:
            if name in names:
                out[name] = column(name)[rows]
        for name in SIZES:
            if name in names:
                out[name] = np.minimum(column(name)[rows], U32_MAX)
        if is_index and mode is not Mode.LTP:
            out["change"] = column("last")[rows] - column("previous_close")[rows]
        if mode is Mode.FULL:
            out["stamp"] = np.maximum(column("stamps")[rows] // SECOND, 0)
            if not is_index:
                out["traded_at"] = out["stamp"]
                _fill_depth(out["bids"], column, rows, side="bid")
                _fill_depth(out["asks"], column, rows, side="ask")
        return out


def _fill_depth(levels: npt.NDArray[np.void], column: Column, rows: Ints, *, side: str) -> None:
    levels["price"] = column(f"{side}s")[rows]
    levels["quantity"] = np.minimum(column(f"{side}_quantities")[rows], U32_MAX)
    levels["orders"] = np.minimum(column(f"{side}_orders")[rows], 0xFFFF)


def _frame(*parts: npt.NDArray[np.void]) -> bytes:
    return struct.pack(">H", sum(map(len, parts))) + b"".join(part.tobytes() for part in parts)
