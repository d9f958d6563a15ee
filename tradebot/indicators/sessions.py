"""The nodes that know the session: opening range and session VWAP, row by row over symbols and over whole arrays.

A session is the 24 hours from `opens` (ns after midnight UTC), so it needs no calendar: NSE, 09:15 IST, is 03:45 UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Floats, Ints

DAY = 86_400 * SECOND
MINUTE = 60 * SECOND
NO_SESSION = np.iinfo(np.int64).min


def _sessions(starts: Ints, opens: int) -> Iterator[slice]:
    days = (starts - opens) // DAY
    edges = np.flatnonzero(np.diff(days)) + 1
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(starts)], strict=True):
        yield slice(first, last)


class OpeningState:
    """The running extreme of the opening minutes, per symbol."""

    def __init__(self, params: tuple[Any, ...], size: int, *, is_high: bool) -> None:
        minutes, self.opens = params
        self.length = minutes * MINUTE
        self.is_high = is_high
        self.day = np.full(size, NO_SESSION)
        self.extreme = np.full(size, np.nan)

    def step(self, rows: Ints, starts_at: int, x: Floats) -> Floats:
        day, elapsed = divmod(starts_at - self.opens, DAY)
        extreme = np.where(self.day[rows] == day, self.extreme[rows], np.nan)
        self.day[rows] = day
        if elapsed >= self.length:
            self.extreme[rows] = extreme
            return extreme
        self.extreme[rows] = (np.fmax if self.is_high else np.fmin)(extreme, x)
        return np.full(len(rows), np.nan)

    def fill(self, row: int, starts: Ints, x: Floats) -> Floats:
        result = np.full(len(starts), np.nan)
        for session in _sessions(starts, self.opens) if len(starts) else ():
            first, elapsed = starts[session], (starts[session] - self.opens) % DAY
            opening = x[session][elapsed < self.length]
            extreme = np.nan if not len(opening) else (opening.max() if self.is_high else opening.min())
            result[session][elapsed >= self.length] = extreme
            self.day[row], self.extreme[row] = (first[-1] - self.opens) // DAY, extreme
        return result


class VwapState:
    """Traded value and volume since the session opened, per symbol."""

    def __init__(self, params: tuple[Any, ...], size: int) -> None:
        (self.opens,) = params
        self.day = np.full(size, NO_SESSION)
        self.value = np.zeros(size)
        self.volume = np.zeros(size)

    def step(self, rows: Ints, starts_at: int, high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
        day = (starts_at - self.opens) // DAY
        is_same = self.day[rows] == day
        value = np.where(is_same, self.value[rows], 0.0) + (high + low + close) / 3.0 * volume
        total = np.where(is_same, self.volume[rows], 0.0) + volume
        self.day[rows], self.value[rows], self.volume[rows] = day, value, total
        return _ratio(value, total)

    def fill(self, row: int, starts: Ints, high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
        result = np.full(len(starts), np.nan)
        traded = (high + low + close) / 3.0 * volume
        for session in _sessions(starts, self.opens) if len(starts) else ():
            value, total = np.cumsum(traded[session]), np.cumsum(volume[session])
            result[session] = _ratio(value, total)
            self.day[row] = (starts[session][-1] - self.opens) // DAY
            self.value[row], self.volume[row] = value[-1], total[-1]
        return result


def _ratio(value: Floats, volume: Floats) -> Floats:
    ratio: Floats = np.where(volume > 0, value / volume, np.nan)
    return ratio
