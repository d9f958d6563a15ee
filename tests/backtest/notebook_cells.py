"""What the cells of a notebook begin with: a strategy class and a frame of bars."""

from __future__ import annotations

import pandas as pd

from tradebot.backtest.sample import sample_bars
from tradebot.indicators.expressions import Bars, crossed_above, crossed_below, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class Mine(Strategy):
    """Long while the close is above its average."""

    window = Param(20, low=2, high=100)

    def rules(self, bars: Bars) -> Rules:
        average = ta.SMA(bars.close, self.window)
        return Rules(enter_long=crossed_above(bars.close, average), exit_long=crossed_below(bars.close, average))


def frame(symbol: str = "RELIANCE", days: int = 5) -> pd.DataFrame:
    _, series = sample_bars((symbol,), days=days)
    one = series[symbol]
    columns = {name: getattr(one, name) / 100 for name in ("open", "high", "low", "close")} | {"volume": one.volume}
    index = pd.DatetimeIndex(pd.to_datetime(one.starts, unit="ns", utc=True), name="ts").tz_convert("Asia/Kolkata")
    return pd.DataFrame(columns, index=index)
