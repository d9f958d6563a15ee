"""Frozen quotes: the same prices again and again under new times, while others move; nothing is opened on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.market import Ints, Quotes
from tradebot.trading.sieve import Sieve

LOOKS = 12  # in a row at which an instrument had new times and nothing else, until it counts as frozen
EVERY = 5 * SECOND  # between two looks


class Freeze:
    """Looks at the newest quotes every few seconds; `is_frozen` is True for instruments that only repeat themselves.

    `every` is ns of our monotonic time. An instrument without news of any kind is silent and not frozen, and where no
    other one moves either the whole market may rest.
    """

    def __init__(self, size: int, *, every: int = EVERY) -> None:
        self._every, self._looked_at = every, 0
        self._book: Ints = np.zeros((2, size), dtype=np.int64)  # bid and ask
        self._before: Ints = np.zeros((5, size), dtype=np.int64)  # stamp, last, volume, bid, ask at the last look
        self._repeats: Ints = np.zeros(size, dtype=np.int64)
        self.is_frozen: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)

    def apply(self, quotes: Quotes) -> None:
        """Take what stands in the book of each instrument."""
        self._book[0, quotes.ids], self._book[1, quotes.ids] = quotes.bid, quotes.ask

    def step(self, mono: int, sieve: Sieve) -> bool:
        """Look, if it is time to at monotonic `mono`; returns whether `is_frozen` changed."""
        if mono - self._looked_at < self._every:
            return False
        self._looked_at = mono
        now = np.stack([sieve.stamp, sieve.last, sieve.volume, *self._book])
        told, moved = now[0] != self._before[0], (now[1:] != self._before[1:]).any(axis=0)
        self._before = now
        self._repeats[moved] = 0
        if moved.any():
            self._repeats[told & ~moved] += 1
        frozen = self._repeats >= LOOKS
        has_changed = bool((frozen != self.is_frozen).any())
        self.is_frozen = frozen
        return has_changed
