"""The strategies of the benchmarks: eleven indicators a symbol, and signals where the driver wants them."""

from __future__ import annotations

from functools import reduce
from operator import add

# Each worker loads it, as one with a strategy of frames does: figures of the start, seconds and megabytes, hold it.
import pandas  # noqa: F401

from tradebot.bench.analysis import indicator_set
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy

QUIET, ENTER, EXIT = 1, 2, 3  # what the volume of a bar asks for
BELOW_ANY_SUM = -1e300  # less than any sum: every indicator must be known, so every one is computed


class Burst(Strategy):
    """Enter and leave where the volume says so."""

    def rules(self, bars: Bars) -> Rules:
        known = reduce(add, indicator_set.indicator_expressions(bars)) > BELOW_ANY_SUM
        return Rules(
            enter_long=known & (bars.volume > QUIET) & (bars.volume < EXIT),
            exit_long=known & (bars.volume > ENTER),
            stop_loss=bars.close * 0.8,
        )


class AboveAverage(Strategy):
    """Enter where the close is above its average."""

    def rules(self, bars: Bars) -> Rules:
        found = indicator_set.indicator_expressions(bars)
        return Rules(enter_long=(reduce(add, found) > BELOW_ANY_SUM) & (bars.close > found[0]))
