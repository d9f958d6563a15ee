"""Finds, over whole arrays, the first bar that may reach a protective level; the backtest loop then runs that bar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradebot.domain.market import BarSeries

FIRST_CHUNK, LONGEST_CHUNK = 32, 65_536  # rows checked at a time; most levels are reached soon


class UnitLevels(NamedTuple):
    """A position's protective levels in price units, None where one is missing; `best` is its best price so far."""

    is_long: bool
    stop: int | None
    trail_by: int | None
    target: int | None
    best: int | None


def first_touch(series: BarSeries, levels: UnitLevels, begin: int, end: int) -> int | None:
    """Return the first row from `begin` to before `end` in which the bar reaches a level, None for none.

    The price of each bar goes open, adverse extreme, other extreme, close; see `exchange/bar_matching.py`. A trailing
    stop must have a best price.
    """
    # Multiplied by `sign` a short position looks like a long one: the stop is below, the target above.
    sign = 1 if levels.is_long else -1
    stop, target = (None if level is None else sign * level for level in (levels.stop, levels.target))
    best = None if levels.best is None else sign * levels.best
    above, below = (series.high, series.low) if sign > 0 else (series.low, series.high)
    chunk = FIRST_CHUNK
    while begin < end:
        until = min(begin + chunk, end)
        highs, lows = sign * above[begin:until], sign * below[begin:until]
        touched = np.zeros(until - begin, dtype=bool)
        if stop is not None:
            touched |= lows <= stop
        if target is not None:
            touched |= highs >= target
        before = None
        if levels.trail_by is not None:
            assert best is not None, "a trailing stop that has not seen a price"
            before = np.maximum.accumulate(np.concatenate(([best], highs)))  # the best price before each bar
            opened = np.maximum(before[:-1], sign * series.open[begin:until])
            # The adverse extreme comes before the favourable one, so it meets the trail of the price before that.
            touched |= lows <= opened - levels.trail_by
            touched |= sign * series.close[begin:until] <= np.maximum(opened, highs) - levels.trail_by
        at = int(touched.argmax())
        if touched[at]:
            return begin + at
        if before is not None:
            best = int(before[-1])
        begin, chunk = until, min(chunk * 4, LONGEST_CHUNK)
    return None
