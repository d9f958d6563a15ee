"""Makes longer bars of shorter ones, counted from the session's open as brokers do, or by day, week, month. Pure."""

from __future__ import annotations

import numpy as np

from tradebot.clock import DAY
from tradebot.domain.market import BarSeries, Ints
from tradebot.errors import DataError
from tradebot.history.exchange_calendar import UTC_ZONE, calendar_of, exchange_days, zone_of
from tradebot.history.interval import MONTH, WEEK, interval_name

MONDAY, SUNDAY = 3, 6  # 1970-01-01, a Thursday, is three days after a Monday; a Sunday is six days after one


def resample_series(series: BarSeries, interval: int, exchange: str) -> BarSeries:
    """Return a series in bars of `interval` ns: first open, highest high, lowest low, last close, sum of volumes.

    A bar shorter than a day starts at the session's open or a whole number of bars after it. A daily bar starts at
    midnight in the exchange's zone, a weekly bar on Monday, a monthly bar on the first. Each longer bar has at least
    one shorter bar inside. Raises DataError when the bars cannot be made.
    """
    if interval == series.interval:
        return series
    if not can_resample(interval, series.interval):
        raise DataError(
            f"bars of {interval_name(interval)} cannot be made of bars of {interval_name(series.interval)}:"
            " the longer must be a"
            " multiple of the shorter and a day at most, or 1w or 1mo made of days or less"
        )
    if not len(series):
        return BarSeries(
            symbol=series.symbol,
            interval=interval,
            starts=series.starts,
            open=series.open,
            high=series.high,
            low=series.low,
            close=series.close,
            volume=series.volume,
        )
    begins = _begins(series.starts, interval, exchange)
    firsts = np.append(0, np.flatnonzero(np.diff(begins)) + 1)
    lasts = np.append(firsts[1:], len(begins)) - 1
    return BarSeries(
        symbol=series.symbol,
        interval=interval,
        starts=begins[firsts],
        open=series.open[firsts],
        high=np.maximum.reduceat(series.high, firsts),
        low=np.minimum.reduceat(series.low, firsts),
        close=series.close[lasts],
        volume=np.add.reduceat(series.volume, firsts),
    )


def can_resample(interval: int, shorter: int) -> bool:
    """Return whether bars of `interval` ns can be made of bars of `shorter` ns."""
    if interval == shorter:
        return True
    return shorter <= DAY if interval in (WEEK, MONTH) else interval % shorter == 0 and interval <= DAY


def period_first_days(days: Ints, interval: int) -> Ints:
    """Return for each day (counted from 1970-01-01) the first day of its week or month; the day for other intervals."""
    if interval == WEEK:
        return days - (days + MONDAY) % 7
    if interval == MONTH:
        months: Ints = days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        return months
    return days


def align_to_calendar(stamps: Ints, interval: int, exchange: str) -> Ints:
    """Return the starts (ns UTC) of weekly or monthly bars with any stamp inside: midnight of the first day.

    Programs stamp a week with its Monday, its first trading day, its Friday, or the Sunday before. A Sunday ends a week
    only at exchanges that trade on Sundays. Stamps of other intervals are returned as they are.
    """
    if interval not in (WEEK, MONTH):
        return stamps
    days = exchange_days(stamps, exchange)
    if interval == WEEK and zone_of(exchange) != UTC_ZONE:
        days = days + ((days + MONDAY) % 7 == SUNDAY)
    return _midnights(period_first_days(days, interval), exchange)


def _begins(starts: Ints, interval: int, exchange: str) -> Ints:
    days = exchange_days(starts, exchange)
    if interval >= DAY:
        return _midnights(period_first_days(days, interval), exchange)
    opens = calendar_of(exchange).session_opens(days)
    begins: Ints = opens + (starts - opens) // interval * interval
    return begins


def _midnights(days: Ints, exchange: str) -> Ints:
    calendar = calendar_of(exchange)
    found = {day: calendar.midnight_at(day) for day in np.unique(days).tolist()}
    return np.array([found[day] for day in days.tolist()], dtype=np.int64)
