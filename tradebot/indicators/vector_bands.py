"""Bollinger bands over arrays of symbols, with TA-Lib's deviation, which guards its running sums against cancellation.

TA-Lib sums the distances from an anchor and takes a new anchor, the mean of the window, when the sums say too little
about the variance, when a large distance leaves the window, and after 32 windows at the latest.
"""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators import talib_bridge
from tradebot.indicators.vector import MovingTotal, Rows, State, VectorState

WINDOWS = 32
BURIED = 1e-6  # a variance below this part of the mean square is mostly rounding error
LEAVING = 1e6  # a square that leaves and is this much larger than what stays took digits of it away
ZERO = 1e-12  # a variance below this part of the mean square, counted anew, is none


class VectorBbands(VectorState):
    name = "BBANDS"
    # The total of values; anchor, distances from it, their squares; bars to a new anchor. Sums lack the oldest value.
    shapes = (1, 3, 1)

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        given = dict(params)
        self.period, self.width_of_band = int(given["timeperiod"]), float(given["nbdevup"])
        self.part = 1.0 / self.period
        self.total = MovingTotal(self.period, size)

    @classmethod
    def takes(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        # Unequal widths go another way in TA-Lib.
        return params["matype"] == 0 and params["timeperiod"] >= 2 and params["nbdevup"] == params["nbdevdn"]

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        total, (anchor, distances, squares), left = state
        old = self.total.ring.swap(rows, x)
        middle = total + x
        total = middle - old
        middle /= self.period
        sums = np.empty((3, len(x)))
        distance = x - anchor
        distances = distances + distance
        distance *= distance
        distance += squares
        mean = distances * self.part
        mean *= mean
        variance = distance * self.part
        variance -= mean
        gone = old - anchor
        sums[0] = anchor
        np.subtract(distances, gone, out=sums[1])
        gone *= gone
        squares = np.subtract(distance, gone, out=sums[2])
        left = left - 1.0
        is_stale = squares * self.part * BURIED > variance
        is_stale |= gone > squares * LEAVING
        is_stale |= left <= 0.0
        if np.count_nonzero(is_stale):
            at = np.flatnonzero(is_stale)
            window = np.vstack([old[at], self.total.ring.window(at if rows is None else rows[at])])
            sums[:, at], variance[at] = _anew(window, self.part)
            left[at] = WINDOWS * self.period
        np.sqrt(variance, out=variance)
        variance *= self.width_of_band
        return (total, sums, left), (middle + variance, middle, middle - variance)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        # The times of new anchors depend on all that was before, so the history is walked.
        values, part = inputs[0].tolist(), self.part
        anchor, distances, squares, left = values[0], 0.0, 0.0, WINDOWS * self.period
        for value in values[: self.period - 1]:
            distances += value - anchor
            squares += (value - anchor) * (value - anchor)
        for first in range(len(values) - self.period + 1):
            distance, gone = values[first + self.period - 1] - anchor, values[first] - anchor
            distances += distance
            squares += distance * distance
            mean = distances * part
            variance = squares * part - mean * mean
            distances -= gone
            squares -= gone * gone
            left -= 1
            if squares * part * BURIED > variance or gone * gone > squares * LEAVING or left <= 0:
                sums, _ = _anew(inputs[0][first : first + self.period, None], part)
                anchor, distances, squares = sums[:, 0].tolist()
                left = WINDOWS * self.period
        self.state[0][row] = self.total.load(row, inputs[0])[-1]
        self.state[1][:, row] = anchor, distances, squares
        self.state[2][row] = left


def _anew(window: Floats, part: float) -> tuple[Floats, Floats]:
    # Sums are taken one by one down the window, in time order, as cumsum does and sum does not.
    anchor = np.cumsum(window, axis=0)[-1] * part
    window = window - anchor
    distances, squares = np.cumsum(window, axis=0)[-1], np.cumsum(window * window, axis=0)[-1]
    mean, mean_square = distances * part, squares * part
    variance = mean_square - mean * mean
    variance[variance < mean_square * ZERO] = 0.0
    return np.array([anchor, distances - window[0], squares - window[0] * window[0]]), variance
