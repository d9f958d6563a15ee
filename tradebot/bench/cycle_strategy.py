"""The strategy of the cycle benchmark: eleven indicators a symbol, and one plain decision."""

from __future__ import annotations

from functools import reduce
from operator import add

from tradebot.bench import eleven
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy


class Above(Strategy):
    """Enter where the close is above its average; every indicator must be known, so every one is computed."""

    def rules(self, bars: Bars) -> Rules:
        found = eleven.expressions(bars)
        return Rules(enter_long=(reduce(add, found) > -1e300) & (bars.close > found[0]))
