"""Minute bars to longer ones, counted from the session's open as brokers count them; behind every source's `series`."""

from __future__ import annotations

import numpy as np

from tradebot.clock import DAY, MINUTE
from tradebot.domain.market import Ints, Series
from tradebot.markets.market import HOME

AHEAD = HOME.ahead(0)  # of UTC
NO_BARS: Ints = np.zeros(0, dtype=np.int64)

Columns = tuple[Ints, Ints, Ints, Ints, Ints, Ints]  # starts, open, high, low, close, volume


def check_interval(interval: int) -> None:
    """Raise ValueError unless the sources can make bars of `interval` ns: whole minutes, or one day."""
    if interval != DAY and (interval < MINUTE or interval % MINUTE or interval > DAY):
        raise ValueError(f"bars of {interval} ns cannot be made: give whole minutes up to a day")


def fold(minutes: Columns, *, opens_at: int, interval: int) -> Columns:
    """Return the minute bars of one session as bars of `interval`; a day's bar starts at its midnight."""
    starts, open_, high, low, close, volume = minutes
    if interval == MINUTE or len(starts) == 0:
        return minutes
    if interval == DAY:
        begins = np.zeros(len(starts), dtype=np.int64) + midnight(opens_at)
    else:
        begins = opens_at + (starts - opens_at) // interval * interval
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


def midnight(at: int) -> int:
    """Return the start of the Indian day of `at`, ns UTC."""
    return (at + AHEAD) // DAY * DAY - AHEAD


def series(symbol: str, interval: int, parts: list[Columns], *, start: int, end: int) -> Series:
    """Return the bars of all parts that start in [start, end) as one Series; parts are in order of time."""
    columns = [np.concatenate(list(column)) for column in zip(*parts, strict=True)] if parts else [NO_BARS] * 6
    keep = (columns[0] >= start) & (columns[0] < end)
    starts, open_, high, low, close, volume = (column[keep] for column in columns)
    return Series(
        symbol=symbol, interval=interval, starts=starts, open=open_, high=high, low=low, close=close, volume=volume
    )


def complete(bars: Columns, *, interval: int, seen: int, closes_at: int) -> Columns:
    """Return the bars of the session that closes at `closes_at` without those that end after `seen`."""
    ends = np.minimum(bars[0] + interval, closes_at)
    count = int(np.searchsorted(ends, seen, side="right"))
    starts, open_, high, low, close, volume = (column[:count] for column in bars)
    return starts, open_, high, low, close, volume
