"""The one source of chance of a simulated session; everything that is drawn is drawn from here, in one order."""

from __future__ import annotations

import numpy as np

BLOCK = 4_096


class Dice:
    """Draws in [0, 1) from a seeded generator, made in blocks because single ones are slow."""

    def __init__(self, *seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._left: list[float] = []

    def roll(self) -> float:
        """Return a number in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(BLOCK).tolist()
        return self._left.pop()

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.roll()

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int(self.roll() * (high - low + 1))

    def happens(self, chance: float) -> bool:
        """Return True with probability `chance`."""
        return self.roll() < chance

    def token(self, size: int) -> bytes:
        """Return `size` bytes; what `secrets.token_bytes` is to a simulated process."""
        return bytes(int(self.roll() * 256) for _ in range(size))

    def getrandbits(self, bits: int) -> int:
        """Return `bits` random bits, as the standard library's generator does."""
        return int(self.roll() * 2**bits)

    def shuffle(self, items: list[object]) -> None:
        """Bring `items` into another order, in place."""
        for i in range(len(items) - 1, 0, -1):
            j = int(self.roll() * (i + 1))
            items[i], items[j] = items[j], items[i]
