"""The walks behind the synthetic prices: each symbol's own and the market's, which regimes bend."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import noise
from tradebot.exchange.prices.regimes import Regimes
from tradebot.exchange.prices.traits import FULL_DAY_MINUTES, MARKET_DAILY, Traits

SQUASH = 0.094  # log returns approach this and never reach it: exp(0.094) < 1.1, so no price leaves the circuit limits
CHANNEL_WALK = 21


class Walk:
    """Log returns since the close before, one walk a key, shape (n,), from `at` on; `deviation` is that of a day."""

    def __init__(self, keys: noise.Bits, deviation: Floats, at: Floats, *, per_minute: int) -> None:
        self._keys, self._deviation, self._at, self._per_minute = keys, deviation, at, per_minute
        self._regimes = Regimes(keys, deviation, full_day=FULL_DAY_MINUTES)
        self._swing = self._drift = np.zeros_like(at)

    def turn(self, minute: int, swing: float) -> None:
        """Begin a minute that moves `swing` times as much as the average; call once for every minute, in order."""
        self._swing = self._deviation * (swing / (FULL_DAY_MINUTES * self._per_minute) ** 0.5)
        self._drift = self._regimes.drift(minute, self._at) / self._per_minute

    def go(self, steps: noise.Bits, jumps: Floats | None = None) -> Floats:
        """Return the log returns after each of the next `steps`, shape (steps, n); `jumps` are added to the walk."""
        walk = noise.normal(noise.draw(self._keys, steps, CHANNEL_WALK))
        walk *= self._swing
        walk += self._drift
        if jumps is not None:
            walk += jumps
        walk[0] += self._at
        np.cumsum(walk, axis=0, out=walk)
        self._at = walk[-1].copy()
        return walk


class Paths:
    """The price of every symbol in ticks: its own walk and its share of the market's, from the gap of `day` on."""

    def __init__(self, traits: Traits, keys: noise.Bits, day: date, *, previous_close: Ints, per_minute: int) -> None:
        gaps = traits.gaps(slice(None), np.array([day.toordinal()], dtype=np.int64))[:, 0]
        market_key = noise.keys(traits.seed, day, names=("the market",))
        self._own = Walk(keys, traits.own_daily, gaps, per_minute=per_minute)
        self._market = Walk(market_key, np.array([MARKET_DAILY]), np.zeros(1), per_minute=per_minute)
        self._beta, self._previous_close = traits.beta, previous_close / traits.tick

    def turn(self, minute: int, swing: float) -> None:
        """Begin a minute that moves `swing` times as much as the average; call once for every minute, in order."""
        self._own.turn(minute, swing)
        self._market.turn(minute, swing)

    def prices(self, steps: noise.Bits, jumps: Floats | None) -> Ints:
        """Return the prices after each of the next `steps` in whole ticks, shape (steps, n); `jumps` in log returns."""
        total = self._own.go(steps, jumps) + self._beta * self._market.go(steps)
        total *= 1 / SQUASH
        np.tanh(total, out=total)
        total *= SQUASH
        np.exp(total, out=total)
        total *= self._previous_close
        prices: Ints = total.astype(np.int64)  # floor
        return prices
