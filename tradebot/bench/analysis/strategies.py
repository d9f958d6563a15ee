"""The strategies of the benchmarks: eleven indicators per symbol, and signals where the bars' volume encodes them."""

from __future__ import annotations

from functools import reduce
from operator import add

# Loaded on purpose: workers of strategies on pandas frames load it, so the start figures (s, MB) include it.
import pandas  # noqa: F401

from tradebot.bench.analysis import indicator_set
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy

QUIET, ENTER, EXIT = 1, 2, 3  # the signal that a bar's volume encodes
BELOW_ANY_SUM = -1e300  # below any sum, so the comparison only requires that every indicator is computed


class Burst(Strategy):
    """Enter and exit where the volume of the bar says so."""

    def rules(self, bars: Bars) -> Rules:
        known = reduce(add, indicator_set.indicator_expressions(bars)) > BELOW_ANY_SUM
        return Rules(
            enter_long=known & (bars.volume > QUIET) & (bars.volume < EXIT),
            exit_long=known & (bars.volume > ENTER),
            stop_loss=bars.close * 0.8,
        )


class AboveAverage(Strategy):
    """Enter where the close is above its average over 20 bars."""

    def rules(self, bars: Bars) -> Rules:
        found = indicator_set.indicator_expressions(bars)
        return Rules(enter_long=(reduce(add, found) > BELOW_ANY_SUM) & (bars.close > found[0]))
