"""Shipped strategy: follow a trend from one crossing of two averages to the next."""

from __future__ import annotations

from tradebot.indicators.expressions import Bars, crossed_above, crossed_below, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class EmaCross(Strategy):
    """Buy when the fast average crosses above the slow one while a trend is present; sell when it crosses back.

    A trend is present while ADX is above `trend`. The stop is `stop_atr` average true ranges below the close of the
    entry bar: wide enough for the noise of one bar, near enough to size the position by.
    """

    fast = Param(12, low=2, high=50)
    slow = Param(26, low=5, high=200)
    trend = Param(20.0, low=0.0, high=60.0)
    stop_atr = Param(2.0, low=0.5, high=10.0)

    def rules(self, bars: Bars) -> Rules:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        fast, slow = ta.EMA(bars.close, self.fast), ta.EMA(bars.close, self.slow)
        return Rules(
            enter_long=crossed_above(fast, slow) & (ta.ADX(bars, 14) > self.trend),
            exit_long=crossed_below(fast, slow),
            stop_loss=bars.close - self.stop_atr * ta.ATR(bars, 14),
        )
