"""Aggregates minute bars to longer ones, counted from the session's open as brokers do; used by all price sources."""

from __future__ import annotations

import numpy as np

from tradebot.clock import DAY, MINUTE
from tradebot.domain.market import BarSeries, Ints
from tradebot.markets.market import HOME_MARKET

UTC_OFFSET_NS = HOME_MARKET.utc_offset_ns(0)  # ns; how far local time is ahead of UTC
NO_BARS: Ints = np.zeros(0, dtype=np.int64)

BarColumns = tuple[Ints, Ints, Ints, Ints, Ints, Ints]  # starts, open, high, low, close, volume


def check_interval(interval_ns: int) -> None:
    """Raise ValueError unless the sources can make bars of `interval_ns`: whole minutes, or one day."""
    if interval_ns != DAY and (interval_ns < MINUTE or interval_ns % MINUTE or interval_ns > DAY):
        raise ValueError(f"bars of {interval_ns} ns cannot be made: give whole minutes up to a day")


def aggregate_bars(minutes: BarColumns, *, opens_at: int, interval_ns: int) -> BarColumns:
    """Return the minute bars of one session as bars of `interval_ns`. A day's bar starts at its midnight."""
    starts, open_, high, low, close, volume = minutes
    if interval_ns == MINUTE or len(starts) == 0:
        return minutes
    if interval_ns == DAY:
        begins = np.zeros(len(starts), dtype=np.int64) + local_midnight(opens_at)
    else:
        begins = opens_at + (starts - opens_at) // interval_ns * interval_ns
    first = np.flatnonzero(np.concatenate([[True], begins[1:] != begins[:-1]]))
    final = np.append(first[1:], len(starts)) - 1
    return (
        begins[first],
        open_[first],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
        close[final],
        np.add.reduceat(volume, first),
    )


def local_midnight(at: int) -> int:
    """Return the start of the Indian day that contains `at`, ns UTC."""
    return (at + UTC_OFFSET_NS) // DAY * DAY - UTC_OFFSET_NS


def select_series(symbol: str, interval_ns: int, parts: list[BarColumns], *, start_at: int, end_at: int) -> BarSeries:
    """Return the bars of all parts that start in [start_at, end_at) as one Series; parts are in order of time."""
    columns = [np.concatenate(list(column)) for column in zip(*parts, strict=True)] if parts else [NO_BARS] * 6
    keep = (columns[0] >= start_at) & (columns[0] < end_at)
    starts, open_, high, low, close, volume = (column[keep] for column in columns)
    return BarSeries(
        symbol=symbol, interval=interval_ns, starts=starts, open=open_, high=high, low=low, close=close, volume=volume
    )


def ended_bars(bars: BarColumns, *, interval_ns: int, until_at: int, closes_at: int) -> BarColumns:
    """Return the bars of the session that closes at `closes_at`, without those that end after `until_at`."""
    ends = np.minimum(bars[0] + interval_ns, closes_at)
    count = int(np.searchsorted(ends, until_at, side="right"))
    starts, open_, high, low, close, volume = (column[:count] for column in bars)
    return starts, open_, high, low, close, volume
