"""The statistical significance of a result: bootstrapped profit, and the Sharpe ratio deflated for many trials."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from tradebot.domain.market import Floats

EULER = 0.5772156649015329  # Euler-Mascheroni
NORMAL = NormalDist()
DRAWS_IN_MEMORY = 4_000_000  # numbers held in memory at a time: 32 MB


class BootstrapQuantiles(NamedTuple):
    """The profit of trades drawn again: its 5%, 50% and 95% quantiles, and the share of draws that lose."""

    low: float
    median: float
    high: float
    loss_share: float


def bootstrap_profit(net: Floats, *, seed: int = 1, draws: int = 2_000) -> BootstrapQuantiles:
    """Return the distribution of the sum of `net` (n > 0 trades) when n trades are drawn from it with replacement.

    Efron 1979. Trades count as independent of each other; where they are not, the distribution is too narrow.
    """
    assert len(net), "no trades to draw from"
    draw = np.random.default_rng(seed)
    size = max(1, DRAWS_IN_MEMORY // len(net))
    sums = np.concatenate(
        [net[draw.integers(0, len(net), (min(size, draws - done), len(net)))].sum(1) for done in range(0, draws, size)]
    )
    low, middle, high = np.quantile(sums, [0.05, 0.5, 0.95])
    return BootstrapQuantiles(float(low), float(middle), float(high), float(np.mean(sums <= 0)))


def deflated_sharpe(daily: Floats, *, trials: int = 1, deviation: float | None = None) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds the best of `trials` strategies without skill.

    Bailey and Lopez de Prado, "The Deflated Sharpe Ratio" (2014), equations 1 and 2. With one trial it is their
    probabilistic Sharpe ratio against 0. `daily` are returns of days. `deviation` is the standard deviation of the
    trials' daily Sharpe ratios, by default the standard error of this one. None below three days or when all returns
    are equal.
    """
    n = len(daily)
    spread = float(np.std(daily, ddof=1)) if n > 2 else 0.0
    if spread == 0:
        return None
    sharpe = float(np.mean(daily)) / spread
    scaled = (daily - np.mean(daily)) / float(np.std(daily))
    skew, kurtosis = float(np.mean(scaled**3)), float(np.mean(scaled**4))
    error = math.sqrt(max(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2, 1e-12) / (n - 1))
    hurdle = 0.0
    if trials > 1:
        best = (1 - EULER) * NORMAL.inv_cdf(1 - 1 / trials) + EULER * NORMAL.inv_cdf(1 - 1 / (trials * math.e))
        hurdle = (error if deviation is None else deviation) * best
    return NORMAL.cdf((sharpe - hurdle) / error)
