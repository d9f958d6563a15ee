"""Trends and ranges that change every 10 to 60 minutes, per symbol and for the market; they steer the walks."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import hash_rng

SHORTEST_MINUTES, LONGEST_MINUTES = 10, 60  # minutes
RANGING_SHARE = 0.3  # share of regimes without a trend
WEAKEST_TREND, STRONGEST_TREND = 0.15, 0.5  # a trend's drift per minute, in deviations of a minute
RANGE_PULL = 0.08  # share of the distance to its anchor by which a ranging price returns each minute
MEAN_REVERSION = 0.15  # how strongly a walk far from the previous close tends to turn back
CHANNEL_REGIME = 31


class Regimes:
    """The drift of each walk, decided minute by minute; `deviation` is that of a day's log return, shape (n,)."""

    def __init__(self, keys: hash_rng.Bits, deviation: Floats, *, full_day: int) -> None:
        self._keys, self._deviation = keys, deviation
        self._minute_deviation = deviation / full_day**0.5
        n = len(keys)
        self._until: Ints = np.zeros(n, dtype=np.int64)
        self._is_ranging = np.zeros(n, dtype=bool)
        self._trend: Floats = np.zeros(n)
        self._anchor: Floats = np.zeros(n)

    def minute_drift(self, minute: int, walk: Floats) -> Floats:
        """Return the log drift of `minute` for walks at `walk`. Call once for every minute, in order."""
        due = minute >= self._until
        if due.any():
            self._turn(minute, walk, due)
        return np.where(self._is_ranging, RANGE_PULL * (self._anchor - walk), self._trend)

    def _turn(self, minute: int, walk: Floats, due: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        bits = hash_rng.random_bits(self._keys, np.array([minute], dtype=np.uint64), CHANNEL_REGIME)
        length = SHORTEST_MINUTES + (hash_rng.bit_field(bits, 0, 16) * (LONGEST_MINUTES - SHORTEST_MINUTES + 1)).astype(
            np.int64
        )
        up = 0.5 - np.clip(MEAN_REVERSION * walk / self._deviation, -0.35, 0.35)
        sign = np.where(hash_rng.bit_field(bits, 16, 16) < up, 1.0, -1.0)
        strength = WEAKEST_TREND + (STRONGEST_TREND - WEAKEST_TREND) * hash_rng.bit_field(bits, 32, 16)
        self._until = np.where(due, minute + length, self._until)
        self._is_ranging = np.where(due, hash_rng.bit_field(bits, 48, 16) < RANGING_SHARE, self._is_ranging)
        self._trend = np.where(due, sign * strength * self._minute_deviation, self._trend)
        self._anchor = np.where(due, walk, self._anchor)
