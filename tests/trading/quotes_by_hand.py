"""Quotes written down by hand, and the one session that they are of."""

from __future__ import annotations

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Quotes
from tradebot.trading.quote_filter import SessionBounds

OPEN = 1_700_000_100 * SECOND
MINUTE = 60 * SECOND
LENGTH = 375 * MINUTE


class OneDay:
    def __init__(self, size: int) -> None:
        self.size = size

    def session_at(self, market_at: int) -> SessionBounds:
        full = np.full(self.size, OPEN, dtype=np.int64)
        return SessionBounds(full, full + LENGTH, OPEN + LENGTH, OPEN + LENGTH, OPEN + 86_400 * SECOND)


def quotes(*rows: tuple[int, float, int, int], seen_at: int = 1) -> Quotes:
    """rows: (id, seconds after the open, price units, cumulative volume)"""
    ids, seconds, last, volume = zip(*rows, strict=True)
    zeros = np.zeros(len(rows), dtype=np.int64)
    return Quotes(
        source="test",
        seen_at=seen_at,
        ids=np.array(ids, dtype=np.int64),
        sent_at=OPEN + (np.array(seconds) * SECOND).astype(np.int64),
        last=np.array(last, dtype=np.int64),
        volume=np.array(volume, dtype=np.int64),
        bid=zeros,
        ask=zeros,
        bid_size=zeros,
        ask_size=zeros,
    )
