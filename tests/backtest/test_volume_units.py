"""What a strategy sees of a volume: the number that was traded, whichever way it looks, live and past."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import tradebot
from tradebot.backtest.exchange_settings import exchange_settings
from tradebot.backtest.input_frames import InputBars, bars_from_frames
from tradebot.history.history import open_history
from tradebot.indicators.expressions import Bars, session_vwap
from tradebot.strategies.frame_strategy import FrameStrategy
from tradebot.strategies.loading import register_class
from tradebot.strategies.strategy import Holding, Rules, Strategy
from tradebot.trading.analysis.partition import Partition, PartitionSetup, SymbolHistory
from tradebot.trading.analysis.waiting_symbols import CloseRows

VOLUMES = [21.3001387, 19.72068, 23.5, 21.0, 22.25, 20.0]


def coins() -> pd.DataFrame:
    close = np.array([100.0, 101.0, 102.0, 103.0, 104.0, 105.0])
    index = pd.date_range("2024-01-01", periods=6, freq="h", tz="UTC", name="ts")
    return pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": VOLUMES}, index=index)


class Busy(Strategy):
    """Buy where more than a thousand were traded."""

    def rules(self, bars: Bars) -> Rules:
        return Rules(enter_long=bars.volume > 1000, exit_long=bars.close < 0)


class Usual(Strategy):
    """Buy where the volume is what it is."""

    def rules(self, bars: Bars) -> Rules:
        # the average price is one of value over volume, in whatever units the volume is
        is_usual = (bars.volume > 19.72) & (bars.volume < 23.51) & (session_vwap(bars) > 99)
        return Rules(enter_long=is_usual, exit_long=bars.close < 0)


class Framed(FrameStrategy):
    """Keep the volumes of the longest frame seen."""

    seen: ClassVar[list[float]] = []

    def signals(self, df: pd.DataFrame) -> pd.DataFrame:
        if len(df) > len(Framed.seen):
            Framed.seen = df["volume"].tolist()
        return df.assign(enter_long=df["volume"] > 1000)


class Decided(Strategy):
    """Keep the volume of every bar."""

    seen: ClassVar[list[Decimal]] = []

    def decide(self, bar: Any, now: int, position: Holding) -> None:
        Decided.seen.append(bar.volume)


@pytest.fixture
def taken() -> InputBars:
    Framed.seen, Decided.seen = [], []
    return bars_from_frames(coins(), exchange=exchange_settings(currency="USDT"))


def test_rules_of_a_backtest_see_what_was_traded() -> None:
    assert len(tradebot.backtest(Busy, coins(), currency="USDT").orders) == 0
    assert len(tradebot.backtest(Usual, coins(), currency="USDT").orders) == 1


@pytest.mark.usefixtures("taken")
def test_frames_and_bars_of_a_backtest_hold_what_was_traded() -> None:
    assert len(tradebot.backtest(Framed, coins(), currency="USDT").orders) == 0
    tradebot.backtest(Decided, coins(), currency="USDT")

    assert Framed.seen == VOLUMES
    assert Decided.seen == [Decimal(str(volume)) for volume in VOLUMES]


def test_bars_that_are_loaded_hold_what_was_traded(taken: InputBars, tmp_path: Path) -> None:
    with open_history(tmp_path, writes=True) as history, history.transaction():
        history.write_bars(taken.instruments[0], taken.series["BARS"], source="by hand")

    loaded = tradebot.load_bars("BARS", "1h", source=tmp_path)

    assert loaded["volume"].tolist() == VOLUMES
    assert tradebot.load_bars("BARS", "1d", source=tmp_path)["volume"].tolist() == [pytest.approx(sum(VOLUMES))]


def test_live_strategies_see_the_same_numbers_as_those_of_the_past(taken: InputBars) -> None:
    # given a worker's share, warmed up with half of the bars
    (instrument,), series = taken.instruments, taken.series["BARS"]
    specs = tuple(register_class(kind, {}) for kind in (Busy, Usual, Framed, Decided))
    partition = Partition(PartitionSetup(ids=(0,), instruments=(instrument,), specs=specs, interval_ns=series.interval))
    columns = np.stack([series.open, series.high, series.low, series.close, series.volume])
    partition.load_histories([SymbolHistory(0, series.starts[:3], columns[:, :3])])
    partition.finish_warmup()

    # when the others close live
    fired = [
        partition.process_close(
            CloseRows(int(series.starts[t]) + series.interval, np.array([0]), columns[:, t : t + 1], {})
        )
        for t in range(3, 6)
    ]

    # then
    assert [{columns.strategy for columns in answer.signals} for answer in fired] == [{"Usual"}] * 3
    assert Framed.seen == VOLUMES
    assert Decided.seen == [Decimal(str(volume)) for volume in VOLUMES]
