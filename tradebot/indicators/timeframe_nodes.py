"""Longer bars made of the base bars, and the states computed from them: hold, and lag counted in longer bars.

A longer bar is known at the row that closes it: the bar that ends with it or, if that one is missing, the next row of
the symbol. At most one becomes known at a row. Where two would (the next row also ends its own), the later one becomes
known a row later. So a value may come late for a symbol that seldom trades, and never early.
"""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators.node import Timeframe
from tradebot.indicators.session_opens import SessionOpens
from tradebot.indicators.vector_state import BarStep, RingBuffer

NO_BAR = np.iinfo(np.int64).min
HIGH, LOW, CLOSE, VOLUME = 1, 2, 3, 4


class ResampleState:
    """The forming longer bar of every symbol, and a finished one that waits for a row of its own."""

    def __init__(self, timeframe: Timeframe, interval_ns: int, size: int, opens: SessionOpens) -> None:
        self.length_ns, anchor = timeframe
        self.opens = opens.at_anchor(anchor)
        self.interval_ns = interval_ns
        self.number = np.full(size, NO_BAR)  # the number of the forming bar
        self.forming = np.full((5, size), np.nan)
        self.waiting = np.full((5, size), np.nan)

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> tuple[Floats, ...]:
        rows, bars = step.rows, np.array(inputs)
        since = self.opens.session_clock(step.starts_at)
        number = since // self.length_ns
        is_last = (since + self.interval_ns) % self.length_ns == 0
        known = self.waiting[:, rows]
        self.waiting[:, rows] = np.nan
        forming, before = self.forming[:, rows], self.number[rows]
        is_new = before != number
        ended = is_new & (before != NO_BAR)
        known[:, ended] = forming[:, ended]
        grown = np.array(
            [
                forming[0],
                np.maximum(forming[HIGH], bars[HIGH]),
                np.minimum(forming[LOW], bars[LOW]),
                bars[CLOSE],
                forming[VOLUME] + bars[VOLUME],
            ]
        )
        forming = np.where(is_new, bars, grown)
        if is_last:
            is_taken = ~np.isnan(known[CLOSE])
            self.waiting[:, rows[is_taken]] = forming[:, is_taken]
            known = np.where(is_taken, known, forming)
        self.forming[:, rows], self.number[rows] = forming, NO_BAR if is_last else number
        return tuple(known)

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> tuple[Floats, ...]:
        bars, count = np.array(inputs), len(starts)
        result = np.full((5, count), np.nan)
        if not count:
            return tuple(result)
        since = self.opens.session_clock(starts)
        numbers = since // self.length_ns
        is_last = (since + self.interval_ns) % self.length_ns == 0
        first = np.flatnonzero(np.append(True, (np.diff(numbers) != 0) | is_last[:-1]))
        last = np.append(first[1:], count) - 1
        longer = np.array(
            [
                bars[0, first],
                np.maximum.reduceat(bars[HIGH], first),
                np.minimum.reduceat(bars[LOW], first),
                bars[CLOSE, last],
                [np.cumsum(bars[VOLUME, a : b + 1])[-1] for a, b in zip(first, last, strict=True)],
            ]
        )
        is_whole = is_last[last]
        order = np.arange(len(first))
        at = np.maximum.accumulate(np.where(is_whole, last, last + 1) - order) + order  # at most one at a row
        is_known = at < count
        result[:, at[is_known]] = longer[:, is_known]
        if is_whole[-1]:
            self.number[row] = NO_BAR
            if not is_known[-1]:
                self.waiting[:, row] = longer[:, -1]
        else:
            self.number[row], self.forming[:, row] = numbers[-1], longer[:, -1]
        return tuple(result)


class HoldState:
    """The value of every symbol at its last closed longer bar; the second input is a number at rows that close one."""

    def __init__(self, size: int) -> None:
        self.held = np.full(size, np.nan)

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Floats:
        x, beat = inputs
        held: Floats = np.where(np.isnan(beat), self.held[step.rows], x)
        self.held[step.rows] = held
        return held

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Floats:
        x, beat = inputs
        at = np.maximum.accumulate(np.where(np.isnan(beat), -1, np.arange(len(x))))
        held: Floats = np.where(at < 0, np.nan, x[at])
        if len(held):
            self.held[row] = held[-1]
        return held


class LongerLagState:
    """The values of every symbol at its last closed longer bars."""

    def __init__(self, bars: int, size: int) -> None:
        self.bars = bars
        self.ring = RingBuffer(bars, size, empty=np.nan)

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Floats:
        x, beat = inputs
        result = np.full(len(x), np.nan)
        beats = ~np.isnan(beat)
        if beats.any():
            result[beats] = self.ring.replace_oldest(step.rows[beats], x[beats])
        return result

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Floats:
        x, beat = inputs
        result = np.full(len(x), np.nan)
        at = np.flatnonzero(~np.isnan(beat))
        result[at[self.bars :]] = x[at[: -self.bars]]
        self.ring.load_values(row, x[at])
        return result
