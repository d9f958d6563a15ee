"""Detects frozen quotes: new stamps with unchanged prices, while other instruments move. They open no position."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.market import Ints, Quotes
from tradebot.trading.quote_filter import QuoteFilter

# Samples in a row with a new stamp and nothing else new, until an instrument counts as frozen
FROZEN_AFTER_SAMPLES = 12
SAMPLE_EVERY_NS = 5 * SECOND  # monotonic ns between two samples


class FrozenQuoteDetector:
    """Samples the newest quotes every `sample_every_ns` (monotonic ns); `is_frozen` (n,) marks frozen instruments.

    An instrument without any new row is silent and not frozen. While no instrument at all moves, the whole market may
    rest, so nothing is counted.
    """

    def __init__(self, size: int, *, sample_every_ns: int = SAMPLE_EVERY_NS) -> None:
        self._sample_every_ns, self._sampled_mono = sample_every_ns, 0
        self._book: Ints = np.zeros((2, size), dtype=np.int64)  # bid and ask
        self._before: Ints = np.zeros((5, size), dtype=np.int64)  # stamp, last, volume, bid, ask at the last sample
        self._repeats: Ints = np.zeros(size, dtype=np.int64)
        self.is_frozen: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)

    def update_book(self, quotes: Quotes) -> None:
        """Take the best bid and ask of each instrument."""
        self._book[0, quotes.ids], self._book[1, quotes.ids] = quotes.bid, quotes.ask

    def sample_quotes(self, mono: int, quote_filter: QuoteFilter) -> bool:
        """Sample the quotes if a sample is due at `mono` (monotonic ns). Returns whether `is_frozen` changed."""
        if mono - self._sampled_mono < self._sample_every_ns:
            return False
        self._sampled_mono = mono
        now = np.stack([quote_filter.last_sent_at, quote_filter.last_price, quote_filter.last_volume, *self._book])
        is_restamped, moved = now[0] != self._before[0], (now[1:] != self._before[1:]).any(axis=0)
        self._before = now
        self._repeats[moved] = 0
        if moved.any():
            self._repeats[is_restamped & ~moved] += 1
        frozen = self._repeats >= FROZEN_AFTER_SAMPLES
        has_changed = bool((frozen != self.is_frozen).any())
        self.is_frozen = frozen
        return has_changed
