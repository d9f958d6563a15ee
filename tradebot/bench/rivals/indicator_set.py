"""The eleven indicators of the benchmarks as others compute them: in pandas, and by TA-Lib over the whole window."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd

from tradebot.bench.analysis.bars import COLUMNS
from tradebot.domain.market import Floats


def bars_frame(bars: Floats) -> pd.DataFrame:
    """Return bars (5, n), float64, as a frame with the columns open, high, low, close, volume."""
    return pd.DataFrame(dict(zip(COLUMNS, bars, strict=True)))


def by_talib(bars: Floats) -> list[float]:
    """Return the newest values in the order of INDICATOR_NAMES, by TA-Lib's functions over the window (5, n)."""
    talib: Any = importlib.import_module("talib")
    _, high, low, close, volume = bars
    traded, total = np.cumsum((high + low + close) / 3.0 * volume), np.cumsum(volume)
    columns = [
        talib.SMA(close, 20),
        talib.EMA(close, 12),
        talib.EMA(close, 26),
        *talib.MACD(close),
        talib.RSI(close, 14),
        talib.ATR(high, low, close, 14),
        *talib.BBANDS(close, 20),
        *talib.STOCH(high, low, close, 14, 3, 0, 3, 0),
        talib.ADX(high, low, close, 14),
        traded / total,
        talib.OBV(close, volume),
    ]
    return [float(column[-1]) for column in columns]


def by_pandas(frame: pd.DataFrame) -> list[float]:
    """Return the newest values in the order of INDICATOR_NAMES, by pandas over a frame of `bars_frame`."""
    high, low, close, volume = (frame[name] for name in ("high", "low", "close", "volume"))
    fast, slow = close.ewm(span=12, adjust=False).mean(), close.ewm(span=26, adjust=False).mean()
    macd = fast - slow
    signal = macd.ewm(span=9, adjust=False).mean()
    change = close.diff()
    gain, loss = _wilder(change.clip(lower=0)), _wilder(-change.clip(upper=0))
    before = close.shift()
    true_range = pd.concat([high - low, (high - before).abs(), (low - before).abs()], axis=1).max(axis=1)[1:]
    atr = _wilder(true_range)
    middle, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    lowest, highest = low.rolling(14).min(), high.rolling(14).max()
    k = (100 * (close - lowest) / (highest - lowest)).rolling(3).mean()
    up, down = high.diff(), -low.diff()
    plus = 100 * _wilder(up.where((up > down) & (up > 0), 0.0)[1:]) / atr
    minus = 100 * _wilder(down.where((down > up) & (down > 0), 0.0)[1:]) / atr
    adx = _wilder(100 * (plus - minus).abs() / (plus + minus))
    vwap = ((high + low + close) / 3 * volume).cumsum() / volume.cumsum()
    obv = (np.sign(change).fillna(1) * volume).cumsum()
    columns = [
        *(middle, fast, slow),
        *(macd, signal, macd - signal),
        *(100 * gain / (gain + loss), atr),
        *(middle + 2 * deviation, middle, middle - 2 * deviation),
        *(k, k.rolling(3).mean()),
        *(adx, vwap, obv),
    ]
    return [float(column.iloc[-1]) for column in columns]


def _wilder(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.ewm(alpha=1 / 14, adjust=False).mean()
