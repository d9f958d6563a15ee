"""The only source of randomness in a simulated session: all draws come from here, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Thing = TypeVar("Thing")

BLOCK_SIZE = 4_096


class SeededRandom:
    """Draws from a seeded generator; numbers are made in blocks because single draws are slow."""

    def __init__(self, *seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._left: list[float] = []

    def next_float(self) -> float:
        """Return a number in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(BLOCK_SIZE).tolist()
        return self._left.pop()

    def float_between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.next_float()

    def int_between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + int(self.next_float() * (high - low + 1))

    def one_of(self, things: Sequence[Thing]) -> Thing:
        """Return one of `things`; there must be one at least."""
        return things[self.int_between(0, len(things) - 1)]

    def draw_bool(self, chance: float) -> bool:
        """Return True with probability `chance`."""
        return self.next_float() < chance

    def random_bytes(self, size: int) -> bytes:
        """Return `size` bytes; replaces `secrets.token_bytes` in a simulated process."""
        return bytes(int(self.next_float() * 256) for _ in range(size))

    def getrandbits(self, bits: int) -> int:
        """Return `bits` random bits, as the standard library's generator does."""
        return int(self.next_float() * 2**bits)

    def shuffle(self, items: list[object]) -> None:
        """Shuffle `items` in place."""
        for i in range(len(items) - 1, 0, -1):
            j = int(self.next_float() * (i + 1))
            items[i], items[j] = items[j], items[i]
