"""The parameters of each synthetic symbol: price, volatility, turnover, spread; and the profile of a day."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.domain.instrument import InstrumentKind, Universe
from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.markets.listing import reference_price, turnover_rank

FULL_DAY_MINUTES = 375
MARKET_DAILY_DEVIATION = 0.007  # deviation of the market factor's daily log return
# In days. Variations on these scales add up to a random walk that stays near its origin.
OCTAVES: Ints = np.array([2, 5, 13, 34, 89])
OCTAVE_SCALE = 0.5  # gives the daily change of the summed octaves a deviation of about 1
GAP_SHARE = 0.3  # the part of a day's deviation that happens overnight
OCTAVE_CHANNELS = 1 + np.arange(5, dtype=np.uint64)  # channels, one per octave
CHANNEL_GAP = 9


class SymbolParams:
    """The constants of every instrument of a universe, shape (n,) each.

    Those of a symbol do not depend on the others.
    """

    def __init__(self, universe: Universe, *, seed: int) -> None:
        symbols = universe.symbols
        self.seed = seed
        self.keys = hash_rng.hash_keys(seed, names=symbols)
        self.market_key = hash_rng.hash_keys(seed, names=("the market",))
        self.is_index = np.array([i.kind is InstrumentKind.INDEX for i in universe], dtype=bool)
        self.tick: Ints = np.array([i.price_to_units(i.tick_size) for i in universe], dtype=np.int64)
        reference = np.array([reference_price(s) for s in symbols])
        self.reference: Floats = reference * universe.price_scales  # price units
        rank = np.array([turnover_rank(s) for s in symbols])
        bits = hash_rng.random_bits(self.keys, np.zeros(1, dtype=np.uint64), 0)
        self.beta: Floats = np.where(self.is_index, 1.0, 0.6 + 0.8 * hash_rng.bit_field(bits, 0, 16))
        own = 0.008 + 0.010 * hash_rng.bit_field(bits, 16, 16) + 0.004 * (1 - rank)
        self.own_daily_deviation: Floats = np.where(self.is_index, 0.1 * MARKET_DAILY_DEVIATION, own)
        crores = 10 ** (0.3 + 3.0 * rank)  # daily turnover in units of Rs 10 million: 2 to 2,000
        shares = np.maximum(crores * 1e7 / reference, 100.0)
        self.daily_volume: Floats = np.where(self.is_index, 0.0, shares)
        self.trades_per_second: Floats = crores / 60
        spread = (0.3 + 14.0 * (1 - rank) ** 2) * 1e-4 * self.reference / self.tick
        self.spread_ticks: Floats = np.maximum(spread, 1.0)
        self.level_quantity: Floats = self.daily_volume * 1e-4 + (~self.is_index)

    def symbol_closes(self, id_: int, days: Ints) -> Ints:
        """Return the closing prices of instrument `id_` on `days` (proleptic ordinals), in price units, on tick."""
        closes: Ints = self._closes(slice(id_, id_ + 1), days)[0]
        return closes

    def closes_on_day(self, day: date) -> Ints:
        """Return the closing prices of every instrument on `day`, in price units, shape (n,)."""
        return self._closes(slice(None), np.array([day.toordinal()], dtype=np.int64))[:, 0]

    def overnight_gaps(self, ids: slice, days: Ints) -> Floats:
        """Return the log returns from the previous close to the open of `days` (ordinals), shape (ids, days)."""
        counter = days.astype(np.uint64)
        own = (
            hash_rng.normal_floats(hash_rng.random_bits(self.keys[ids, None], counter, CHANNEL_GAP))
            * self.own_daily_deviation[ids, None]
        )
        market = (
            hash_rng.normal_floats(hash_rng.random_bits(self.market_key, counter, CHANNEL_GAP)) * MARKET_DAILY_DEVIATION
        )
        gaps: Floats = GAP_SHARE * (own + self.beta[ids, None] * market)
        return gaps

    def _closes(self, ids: slice, days: Ints) -> Ints:
        own = self.own_daily_deviation[ids, None] * _wander(self.keys[ids, None], days)
        market = self.beta[ids, None] * (MARKET_DAILY_DEVIATION * _wander(self.market_key, days))
        tick = self.tick[ids, None]
        steps: Ints = np.rint(self.reference[ids, None] * np.exp(own + market) / tick).astype(np.int64)
        closes: Ints = np.maximum(steps, 1) * tick
        return closes


def _wander(of: hash_rng.Bits, days: Ints) -> Floats:
    knot, phase = np.divmod(days, OCTAVES[:, None])
    ends = np.concatenate([knot, knot + 1]).astype(np.uint64)
    knots = hash_rng.normal_floats(hash_rng.random_bits(of[..., None], ends, np.tile(OCTAVE_CHANNELS, 2)[:, None]))
    left, right = knots[..., : len(OCTAVES), :], knots[..., len(OCTAVES) :, :]
    share = 0.5 - 0.5 * np.cos(np.pi * phase / OCTAVES[:, None])
    octaves = (left + (right - left) * share) * (OCTAVE_SCALE * OCTAVES[:, None] ** 0.5)
    wander: Floats = octaves[..., 0, :].copy()
    for k in range(1, len(OCTAVES)):  # not `sum`, which may add in a different order for another shape
        wander += octaves[..., k, :]
    return wander


def intraday_volume(minutes: int) -> Floats:
    """Return the share of a day's volume in each of `minutes`: a U, heavy at the open, sum 1."""
    f = (np.arange(minutes) + 0.5) / minutes
    shape = 0.6 + 2.0 * np.exp(-10 * f) + 1.5 * np.exp(-12 * (1 - f))
    return np.asarray(shape / shape.sum(), dtype=np.float64)


def intraday_volatility(minutes: int) -> Floats:
    """Return the volatility of each of `minutes`, relative to the average: a U, mean square 1."""
    f = (np.arange(minutes) + 0.5) / minutes
    shape = 0.7 + 1.3 * np.exp(-15 * f) + 0.5 * np.exp(-20 * (1 - f))
    return np.asarray(shape / np.sqrt((shape**2).mean()), dtype=np.float64)
