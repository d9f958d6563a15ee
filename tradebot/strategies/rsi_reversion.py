"""Shipped strategy: buy a dip inside an uptrend and sell the recovery."""

from __future__ import annotations

from tradebot.indicators.expressions import Bars, crossed_above, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class RsiReversion(Strategy):
    """Buy when RSI comes back above `oversold` while the close is above its long average; sell above `sold_at`.

    The RSI is a short one, because a long one rarely falls that far inside an uptrend. The entry waits for its return
    and not for its fall, to avoid buying a price that still falls. The stop is `stop_atr` average true ranges below the
    close of the entry bar, and the target as far above it.
    """

    period = Param(4, low=2, high=100)
    oversold = Param(25.0, low=5.0, high=50.0)
    sold_at = Param(60.0, low=50.0, high=95.0)
    average = Param(100, low=10, high=400)
    stop_atr = Param(2.5, low=0.5, high=10.0)

    def rules(self, bars: Bars) -> Rules:
        rsi, distance = ta.RSI(bars.close, self.period), self.stop_atr * ta.ATR(bars, 14)
        return Rules(
            enter_long=crossed_above(rsi, self.oversold) & (bars.close > ta.SMA(bars.close, self.average)),
            exit_long=crossed_above(rsi, self.sold_at),
            stop_loss=bars.close - distance,
            target=bars.close + distance,
        )
