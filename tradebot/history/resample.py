"""Bars to longer bars, counted from the session's open as brokers count them. Pure."""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Ints, Series
from tradebot.errors import DataError
from tradebot.history.interval import name_of
from tradebot.history.market import DAY, calendar_of, days_of


def resampled(series: Series, interval: int, exchange: str) -> Series:
    """Return a series in bars of `interval` ns: first open, highest high, lowest low, last close, volume in all.

    A bar of a day or less begins with the session's open or a whole number of bars after it; one of a day starts at
    the day's midnight in the exchange's zone. A longer bar stands where any shorter one does. Raises DataError.
    """
    if interval == series.interval:
        return series
    if interval % series.interval or interval > DAY:
        raise DataError(
            f"bars of {name_of(interval)} cannot be made of bars of {name_of(series.interval)}: the longer must be a"
            " multiple of the shorter, and a day at most"
        )
    if not len(series):
        return Series(
            symbol=series.symbol, interval=interval, starts=series.starts, open=series.open, high=series.high,
            low=series.low, close=series.close, volume=series.volume,
        )  # fmt: skip
    begins = _begins(series.starts, interval, exchange)
    firsts = np.append(0, np.flatnonzero(np.diff(begins)) + 1)
    lasts = np.append(firsts[1:], len(begins)) - 1
    return Series(
        symbol=series.symbol,
        interval=interval,
        starts=begins[firsts],
        open=series.open[firsts],
        high=np.maximum.reduceat(series.high, firsts),
        low=np.minimum.reduceat(series.low, firsts),
        close=series.close[lasts],
        volume=np.add.reduceat(series.volume, firsts),
    )


def _begins(starts: Ints, interval: int, exchange: str) -> Ints:
    calendar, days = calendar_of(exchange), days_of(starts, exchange)
    if interval == DAY:
        midnights = {day: calendar.midnight(day) for day in np.unique(days).tolist()}
        return np.array([midnights[day] for day in days.tolist()], dtype=np.int64)
    opens = calendar.opens(days)
    begins: Ints = opens + (starts - opens) // interval * interval
    return begins
