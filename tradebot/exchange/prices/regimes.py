"""Trends and ranges that change every 10 to 60 minutes, per symbol and for the market; they bend the synthetic walk."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import noise

SHORTEST, LONGEST = 10, 60  # minutes
RANGING = 0.3  # share of regimes without a trend
WEAKEST, STRONGEST = 0.15, 0.5  # a trend's drift a minute, in deviations of a minute
PULL = 0.08  # share of the way back to its anchor that a ranging price goes each minute
HOMESICK = 0.15  # how much a walk far from yesterday's close prefers to turn back
CHANNEL_REGIME = 31


class Regimes:
    """The drift of each walk, decided minute by minute. `deviation` is that of a day's log return, shape (n,)."""

    def __init__(self, keys: noise.Bits, deviation: Floats, *, full_day: int) -> None:
        self._keys, self._deviation = keys, deviation
        self._minute_deviation = deviation / full_day**0.5
        n = len(keys)
        self._until: Ints = np.zeros(n, dtype=np.int64)
        self._is_ranging = np.zeros(n, dtype=bool)
        self._trend: Floats = np.zeros(n)
        self._anchor: Floats = np.zeros(n)

    def drift(self, minute: int, walk: Floats) -> Floats:
        """Return the log drift of `minute` for walks that stand at `walk`; call once for every minute, in order."""
        due = minute >= self._until
        if due.any():
            self._turn(minute, walk, due)
        return np.where(self._is_ranging, PULL * (self._anchor - walk), self._trend)

    def _turn(self, minute: int, walk: Floats, due: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        bits = noise.draw(self._keys, np.array([minute], dtype=np.uint64), CHANNEL_REGIME)
        length = SHORTEST + (noise.field(bits, 0, 16) * (LONGEST - SHORTEST + 1)).astype(np.int64)
        up = 0.5 - np.clip(HOMESICK * walk / self._deviation, -0.35, 0.35)
        sign = np.where(noise.field(bits, 16, 16) < up, 1.0, -1.0)
        strength = WEAKEST + (STRONGEST - WEAKEST) * noise.field(bits, 32, 16)
        self._until = np.where(due, minute + length, self._until)
        self._is_ranging = np.where(due, noise.field(bits, 48, 16) < RANGING, self._is_ranging)
        self._trend = np.where(due, sign * strength * self._minute_deviation, self._trend)
        self._anchor = np.where(due, walk, self._anchor)
