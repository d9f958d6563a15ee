"""The random walks behind the synthetic prices: each symbol's own and the market's, steered by regimes."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.exchange.prices.regimes import Regimes
from tradebot.exchange.prices.symbol_params import FULL_DAY_MINUTES, MARKET_DAILY_DEVIATION, SymbolParams

LARGEST_LOG_RETURN = (
    0.094  # log returns approach this and never reach it: exp(0.094) < 1.1, so no price leaves the circuit limits
)
CHANNEL_WALK = 21


class RandomWalk:
    """Log returns since the previous close, one walk per key, shape (n,), starting at `at`.

    `deviation` is the deviation of a day's log return.
    """

    def __init__(self, keys: hash_rng.Bits, deviation: Floats, at: Floats, *, per_minute: int) -> None:
        self._keys, self._deviation, self._at, self._per_minute = keys, deviation, at, per_minute
        self._regimes = Regimes(keys, deviation, full_day=FULL_DAY_MINUTES)
        self._swing = self._drift = np.zeros_like(at)

    def start_minute(self, minute: int, volatility: float) -> None:
        """Start a minute with `volatility` times the average movement. Call once for every minute, in order."""
        self._swing = self._deviation * (volatility / (FULL_DAY_MINUTES * self._per_minute) ** 0.5)
        self._drift = self._regimes.minute_drift(minute, self._at) / self._per_minute

    def next_returns(self, steps: hash_rng.Bits, jumps: Floats | None = None) -> Floats:
        """Return the log returns after each of the next `steps`, shape (steps, n). `jumps` are added to the walk."""
        walk = hash_rng.normal_floats(hash_rng.random_bits(self._keys, steps, CHANNEL_WALK))
        walk *= self._swing
        walk += self._drift
        if jumps is not None:
            walk += jumps
        walk[0] += self._at
        np.cumsum(walk, axis=0, out=walk)
        self._at = walk[-1].copy()
        return walk


class PricePaths:
    """The price of every symbol in ticks: its own walk plus its share of the market's, from the gap of `day` on."""

    def __init__(
        self, params: SymbolParams, keys: hash_rng.Bits, day: date, *, previous_close: Ints, per_minute: int
    ) -> None:
        gaps = params.overnight_gaps(slice(None), np.array([day.toordinal()], dtype=np.int64))[:, 0]
        market_key = hash_rng.hash_keys(params.seed, day, names=("the market",))
        self._own = RandomWalk(keys, params.own_daily_deviation, gaps, per_minute=per_minute)
        self._market = RandomWalk(market_key, np.array([MARKET_DAILY_DEVIATION]), np.zeros(1), per_minute=per_minute)
        self._beta, self._previous_close = params.beta, previous_close / params.tick

    def start_minute(self, minute: int, volatility: float) -> None:
        """Start a minute with `volatility` times the average movement. Call once for every minute, in order."""
        self._own.start_minute(minute, volatility)
        self._market.start_minute(minute, volatility)

    def next_prices(self, steps: hash_rng.Bits, jumps: Floats | None) -> Ints:
        """Return the prices after each of the next `steps` in whole ticks, shape (steps, n).

        `jumps` are log returns.
        """
        total = self._own.next_returns(steps, jumps) + self._beta * self._market.next_returns(steps)
        total *= 1 / LARGEST_LOG_RETURN
        np.tanh(total, out=total)
        total *= LARGEST_LOG_RETURN
        np.exp(total, out=total)
        total *= self._previous_close
        prices: Ints = total.astype(np.int64)  # floor
        return prices
