"""Dice: what a random day draws from, by its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Dice:
    """Seeded draws, one after the other."""

    def __init__(self, *seed: int) -> None:
        self._draws = np.random.default_rng(seed)

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        return self._draws.random()

    def below(self, end: int) -> int:
        """Return a whole number from 0 to below `end`."""
        return int(self._draws.random() * end)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both among them."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[Item]) -> Item:
        """Return one of the choices."""
        return items[self.below(len(items))]

    def weighed(self, items: Mapping[Item, int]) -> Item:
        """Return one of the choices, as often as its weight among all says."""
        left = self.below(sum(items.values()))
        for item, weight in items.items():
            left -= weight
            if left < 0:
                return item
        raise AssertionError(left)

    def some(self, end: int, count: int) -> list[int]:
        """Return `count` different whole numbers below `end`, ascending."""
        return sorted(self._draws.permutation(end)[:count].tolist())
