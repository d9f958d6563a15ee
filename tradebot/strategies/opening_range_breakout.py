"""Shipped strategy: trade the break of the first minutes' range, both ways."""

from __future__ import annotations

from datetime import time

from tradebot.indicators.expressions import Bars, crossed_above, crossed_below, opening_range, session_vwap, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class OpeningRangeBreakout(Strategy):
    """Buy a close above the high of the first `minutes`, sell short one below their low, on the session VWAP's side.

    The break needs more volume than `volume_ratio` times its 20-bar average. The stop is at the other end of the range,
    the target `reward` ranges beyond the entry; a close back through the VWAP exits earlier. `opens_hour` and
    `opens_minute` set another opening time than the exchange's, in its zone; an hour of -1 keeps the exchange's. The
    desk squares off at the end of the day.
    """

    minutes = Param(15, low=1, high=180)
    reward = Param(1.5, low=0.2, high=10.0)
    volume_ratio = Param(1.0, low=0.0, high=10.0)
    opens_hour = Param(-1, low=-1, high=23)
    opens_minute = Param(15, low=0, high=59)

    def rules(self, bars: Bars) -> Rules:
        opens_at = time(self.opens_hour, self.opens_minute) if self.opens_hour >= 0 else None
        first = opening_range(bars, self.minutes, opens_at=opens_at)
        vwap = session_vwap(bars, opens_at=opens_at)
        busy = bars.volume > self.volume_ratio * ta.SMA(bars.volume, 20)
        away = self.reward * (first.high - first.low)
        return Rules(
            enter_long=crossed_above(bars.close, first.high) & (bars.close > vwap) & busy,
            exit_long=crossed_below(bars.close, vwap),
            enter_short=crossed_below(bars.close, first.low) & (bars.close < vwap) & busy,
            exit_short=crossed_above(bars.close, vwap),
            stop_loss=(first.low, first.high),
            target=(bars.close + away, bars.close - away),
        )
