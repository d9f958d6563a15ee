"""Frozen quotes: the same prices again and again under new times, while others move; nothing is opened on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.market_data import Ints, Quotes
from tradebot.trading.quote_filter import QuoteFilter

FROZEN_AFTER_SAMPLES = 12  # in a row at which an instrument had new times and nothing else, until it counts as frozen
SAMPLE_EVERY_NS = 5 * SECOND  # between two looks


class FrozenQuoteDetector:
    """Looks at the newest quotes every few seconds; `is_frozen` is True for instruments that only repeat themselves.

    `sample_every_ns` is ns of our monotonic time. An instrument without news of any kind is silent and not frozen, and where no
    other one moves either the whole market may rest.
    """

    def __init__(self, size: int, *, sample_every_ns: int = SAMPLE_EVERY_NS) -> None:
        self._every, self._looked_at = sample_every_ns, 0
        self._book: Ints = np.zeros((2, size), dtype=np.int64)  # bid and ask
        self._before: Ints = np.zeros((5, size), dtype=np.int64)  # stamp, last, volume, bid, ask at the last look
        self._repeats: Ints = np.zeros(size, dtype=np.int64)
        self.is_frozen: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)

    def update_book(self, quotes: Quotes) -> None:
        """Take what stands in the book of each instrument."""
        self._book[0, quotes.ids], self._book[1, quotes.ids] = quotes.bid, quotes.ask

    def sample_quotes(self, mono: int, quote_filter: QuoteFilter) -> bool:
        """Look, if it is time to at monotonic `mono`; returns whether `is_frozen` changed."""
        if mono - self._looked_at < self._every:
            return False
        self._looked_at = mono
        now = np.stack([quote_filter.last_sent_at, quote_filter.last_price, quote_filter.last_volume, *self._book])
        told, moved = now[0] != self._before[0], (now[1:] != self._before[1:]).any(axis=0)
        self._before = now
        self._repeats[moved] = 0
        if moved.any():
            self._repeats[told & ~moved] += 1
        frozen = self._repeats >= FROZEN_AFTER_SAMPLES
        has_changed = bool((frozen != self.is_frozen).any())
        self.is_frozen = frozen
        return has_changed
