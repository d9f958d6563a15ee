"""The nodes that know the session: opening range and session VWAP, row by row over symbols and over whole arrays.

A session is the day from its open to the next one, so it needs no calendar, only the clock of its exchange.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tradebot.clock import DAY, MINUTE
from tradebot.domain.market import Floats, Ints
from tradebot.indicators.session_opens import SessionOpens
from tradebot.indicators.vector_state import BarStep

NO_SESSION = np.iinfo(np.int64).min


def _sessions(days: Ints) -> Iterator[slice]:
    edges = np.flatnonzero(np.diff(days)) + 1
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(days)], strict=True):
        yield slice(first, last)


class OpeningRangeState:
    """The running extreme of the opening minutes, per symbol."""

    def __init__(self, params: tuple[Any, ...], size: int, opens: SessionOpens, *, is_high: bool) -> None:
        minutes, anchor = params
        self.opens = opens.at_anchor(anchor)
        self.length_ns = minutes * MINUTE
        self.is_high = is_high
        self.day = np.full(size, NO_SESSION)
        self.extreme = np.full(size, np.nan)

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Floats:
        rows, (x,) = step.rows, inputs
        day, elapsed = divmod(self.opens.session_clock(step.starts_at), DAY)
        extreme = np.where(self.day[rows] == day, self.extreme[rows], np.nan)
        self.day[rows] = day
        if elapsed >= self.length_ns:
            self.extreme[rows] = extreme
            return extreme
        self.extreme[rows] = (np.fmax if self.is_high else np.fmin)(extreme, x)
        return np.full(len(rows), np.nan)

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Floats:
        (x,) = inputs
        result = np.full(len(starts), np.nan)
        days, into = np.divmod(self.opens.session_clock(starts), DAY)
        for session in _sessions(days) if len(starts) else ():
            elapsed = into[session]
            opening = x[session][elapsed < self.length_ns]
            extreme = np.nan if not len(opening) else (opening.max() if self.is_high else opening.min())
            result[session][elapsed >= self.length_ns] = extreme
            self.day[row], self.extreme[row] = days[session][-1], extreme
        return result


class SessionVwapState:
    """Traded value and volume since the session opened, per symbol."""

    def __init__(self, params: tuple[Any, ...], size: int, opens: SessionOpens) -> None:
        (anchor,) = params
        self.opens = opens.at_anchor(anchor)
        self.day = np.full(size, NO_SESSION)
        self.value = np.zeros(size)
        self.volume = np.zeros(size)
        self.common_day: int | None = None  # the session of all symbols, None while they differ

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Floats:
        day = self.opens.session_clock(step.starts_at) // DAY
        if day != self.common_day:
            self._begin(day, step.rows)
        high, low, close, volume = inputs
        value = high + low
        value += close
        value /= 3.0
        value *= volume
        if step.is_whole:
            self.value += value
            self.volume += volume
            return _ratio(self.value, self.volume)
        value += self.value[step.rows]
        volume = volume + self.volume[step.rows]
        self.value[step.rows], self.volume[step.rows] = value, volume
        return _ratio(value, volume)

    def _begin(self, day: int, rows: Ints) -> None:
        is_new = self.day < day
        is_new[rows] |= self.day[rows] != day  # a step back in time also begins a session, for its rows
        self.value[is_new] = self.volume[is_new] = 0.0
        self.day[is_new] = day
        self.common_day = day if (self.day == day).all() else None

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Floats:
        high, low, close, volume = inputs
        result = np.full(len(starts), np.nan)
        traded = (high + low + close) / 3.0 * volume
        days = self.opens.session_clock(starts) // DAY
        for session in _sessions(days) if len(starts) else ():
            value, total = np.cumsum(traded[session]), np.cumsum(volume[session])
            result[session] = _ratio(value, total)
            self.day[row] = days[session][-1]
            self.value[row], self.volume[row] = value[-1], total[-1]
        self.common_day = None
        return result


def _ratio(value: Floats, volume: Floats) -> Floats:
    ratio: Floats = value / volume  # 0 / 0, a NaN, where nothing was traded
    return ratio
