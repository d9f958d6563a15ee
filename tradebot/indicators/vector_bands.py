"""Bollinger bands over arrays of symbols, with TA-Lib's deviation.

Its running sums avoid cancellation. TA-Lib sums the distances from an anchor. It takes a new anchor, the
mean of the window, when the sums say too little about the variance, when a large distance leaves the window, and after
32 windows at the latest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators import talib_bridge
from tradebot.indicators.vector_state import MovingTotal, Rows, State, VectorState

ANCHOR_WINDOWS = 32
CANCELLED_SHARE = 1e-6  # a variance below this part of the mean square is mostly rounding error
OUTLIER_RATIO = 1e6  # a leaving square this much larger than the remaining sum has taken digits from it
SHORT_PIECE = 64  # bars computed at once after a new anchor: where anchors follow closely, little is computed twice
ZERO_SHARE = 1e-12  # a recomputed variance below this part of the mean square counts as 0


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
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        # TA-Lib computes unequal widths in another way.
        return params["matype"] == 0 and params["timeperiod"] >= 2 and params["nbdevup"] == params["nbdevdn"]

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        total, (anchor, distances, squares), left = state
        old = self.total.ring.replace_oldest(rows, x)
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
        is_stale = squares * self.part * CANCELLED_SHARE > variance
        is_stale |= gone > squares * OUTLIER_RATIO
        is_stale |= left <= 0.0
        if np.count_nonzero(is_stale):
            at = np.flatnonzero(is_stale)
            window = np.vstack([old[at], self.total.ring.window_of(at if rows is None else rows[at])])
            sums[:, at], variance[at] = _sums_from_new_anchor(window, self.part)
            left[at] = ANCHOR_WINDOWS * self.period
        np.sqrt(variance, out=variance)
        variance *= self.width_of_band
        return (total, sums, left), (middle + variance, middle, middle - variance)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        # When a new anchor comes depends on all bars before it, so the history is computed in pieces, each as long as
        # no new anchor comes. Within a piece the sums run one by one, as they do bar by bar.
        (values,), period = inputs, self.period
        anchor, left, first = values.item(0), ANCHOR_WINDOWS * period, 0
        opening = np.zeros((2, period))
        np.subtract(values[: period - 1], anchor, out=opening[0, 1:])
        np.multiply(opening[0], opening[0], out=opening[1])
        distances, squares = np.cumsum(opening, axis=1)[:, -1].tolist()
        ends, most = len(values) - period + 1, left
        while first < ends:
            until = min(first + min(most, left), ends)
            new, old = values[first + period - 1 : until + period - 1] - anchor, values[first:until] - anchor
            found = _running_sums((distances, squares), new, old, self.part)
            is_stale = found.squares * self.part * CANCELLED_SHARE > found.variance
            is_stale |= found.gone > found.squares * OUTLIER_RATIO
            is_stale[left - 1 :] = True
            at = int(is_stale.argmax())
            if not is_stale[at]:
                left -= until - first
                distances, squares, first, most = found.distances.item(-1), found.squares.item(-1), until, 4 * most
                continue
            sums, _ = _sums_from_new_anchor(values[first + at : first + at + period, None], self.part)
            anchor, distances, squares = sums[:, 0].tolist()
            left, first, most = ANCHOR_WINDOWS * period, first + at + 1, SHORT_PIECE
        self.state[0][row] = self.total.load_history(row, values)[1]
        self.state[1][:, row] = anchor, distances, squares
        self.state[2][row] = left


class _RunningSums(NamedTuple):
    distances: Floats  # after each bar, without the value that left
    squares: Floats
    variance: Floats  # of each bar's whole window
    gone: Floats  # the square that left


def _running_sums(begin: tuple[float, float], new: Floats, old: Floats, part: float) -> _RunningSums:
    # Each bar adds the newest distance and then subtracts the oldest, as a step does.
    changes = np.empty((2, 1 + 2 * len(new)))
    changes[:, 0] = begin
    changes[0, 1::2] = new
    np.negative(old, out=changes[0, 2::2])
    np.multiply(new, new, out=changes[1, 1::2])
    gone = old * old
    np.negative(gone, out=changes[1, 2::2])
    sums = np.cumsum(changes, axis=1)
    mean = sums[0, 1::2] * part
    return _RunningSums(sums[0, 2::2], sums[1, 2::2], sums[1, 1::2] * part - mean * mean, gone)


def _sums_from_new_anchor(window: Floats, part: float) -> tuple[Floats, Floats]:
    # Values are added one by one in time order, as cumsum does and sum does not.
    anchor = np.cumsum(window, axis=0)[-1] * part
    window = window - anchor
    distances, squares = np.cumsum(window, axis=0)[-1], np.cumsum(window * window, axis=0)[-1]
    mean, mean_square = distances * part, squares * part
    variance = mean_square - mean * mean
    variance[variance < mean_square * ZERO_SHARE] = 0.0
    return np.array([anchor, distances - window[0], squares - window[0] * window[0]]), variance
