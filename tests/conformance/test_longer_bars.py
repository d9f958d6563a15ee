"""Real days as weeks and months: a share that is held grows by the same a year, whatever bars tell of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

import tradebot
from tradebot.backtest.exchange_settings import exchange_settings
from tradebot.backtest.input_frames import bars_from_frames
from tradebot.clock import DAY
from tradebot.history.frames import series_frame
from tradebot.history.interval import MONTH, WEEK, interval_name
from tradebot.history.resample import resample_series
from tradebot.indicators.expressions import Bars
from tradebot.strategies.strategy import Rules, Strategy


class Hold(Strategy):
    """Buy and hold."""

    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=bars.close > 0, exit_long=bars.close < 0)


@pytest.fixture(scope="module")
def days(conformance: Path) -> pd.DataFrame:
    """Days of SPY, 1998 to 2021."""
    with zipfile.ZipFile(conformance / "lean-usa/spy-daily.zip") as archive, archive.open("spy.csv") as file:
        names = ["date", "open", "high", "low", "close", "volume"]
        found = pd.read_csv(file, header=None, names=names)
    found["date"] = pd.to_datetime(found["date"].str[:8], format="%Y%m%d")
    found[["open", "high", "low", "close"]] /= 10_000
    return found.set_index("date")


def test_a_share_that_is_held_grows_by_the_same_a_year_in_bars_of_any_length(days: pd.DataFrame) -> None:
    # given
    (instrument,), series, _ = bars_from_frames({"SPY": days}, exchange=exchange_settings("NYSE"))
    years = (days.index[-1] - days.index[0]).days / 365.25

    # when
    stats, lengths = [], []
    for interval in (DAY, WEEK, MONTH):
        bars = series_frame(resample_series(series["SPY"], interval, "NYSE"), instrument)
        found = tradebot.backtest(Hold, bars, order_notional=99_000, accept_gaps=True)
        stats.append(found.stats)
        lengths.append(interval_name(found.result.job.interval))

    # then
    assert lengths == ["1d", "1w", "1mo"]
    for one in stats:
        assert one["cagr"] == pytest.approx((1 + one["total_return"]) ** (1 / years) - 1, rel=0.01)
        assert one["sharpe"] == pytest.approx(stats[0]["sharpe"], rel=0.25)
        assert one["volatility"] == pytest.approx(stats[0]["volatility"], rel=0.25)
