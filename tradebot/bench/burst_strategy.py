"""The strategy of the burst benchmark: eleven indicators a symbol, and signals where the driver wants them."""

from __future__ import annotations

from functools import reduce
from operator import add

from tradebot.bench import eleven
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy

QUIET, ENTER, EXIT = 1, 2, 3  # what the volume of a bar asks for


class Burst(Strategy):
    """Enter and leave where the volume says so; every indicator must be known, so every one is computed."""

    def rules(self, bars: Bars) -> Rules:
        known = reduce(add, eleven.expressions(bars)) > -1e300
        return Rules(
            enter_long=known & (bars.volume > QUIET) & (bars.volume < EXIT),
            exit_long=known & (bars.volume > ENTER),
            stop_loss=bars.close * 0.8,
        )
