"""Wilder's indicators over arrays of symbols: RSI, ATR and ADX, whose averages lose a fixed share with each bar.

Formulas: TA-Lib 0.8, in its own order of operations, as everything in `vector_functions`.
"""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators import talib_bridge
from tradebot.indicators.vector_fused import FusedFactor
from tradebot.indicators.vector_state import Rows, State, VectorState

EPSILON = 1e-14  # TA-Lib takes anything below for zero in some places; in others only zero itself


class VectorRsi(VectorState):
    name = "RSI"
    shapes = (1, 2)  # close; gain, loss

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        self.period = int(dict(params)["timeperiod"])
        self.kept, self.part = self.period - 1.0, 1.0 / self.period

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return True

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        before, averages = state
        change = x - before
        averages = averages * self.kept
        gain, loss = averages[0], averages[1]
        gain += np.maximum(change, 0.0)
        loss -= np.minimum(change, 0.0)
        averages *= self.part
        total = gain + loss
        result = gain / total
        result *= 100.0
        is_still = total == 0.0
        if np.count_nonzero(is_still):
            result[is_still] = 0.0
        return (x, averages), (result,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        changes = np.diff(inputs[0]).tolist()
        gain = loss = 0.0
        for change in changes[: self.period]:
            if change > 0.0:
                gain += change
            else:
                loss -= change
        kept, part = self.kept, self.part
        gain, loss = gain * part, loss * part
        for change in changes[self.period :]:
            if change > 0.0:
                gain, loss = (gain * kept + change) * part, loss * kept * part
            else:
                gain, loss = gain * kept * part, (loss * kept - change) * part
        self.state[0][row] = inputs[0][-1]
        self.state[1][:, row] = gain, loss


class TrueRanges:
    """The true ranges of the newest bars; the functions of one plan share it, so that each is computed once."""

    def __init__(self) -> None:
        none = np.empty(0)
        self._of, self._ranges = (none, none, none), none

    def compute_ranges(self, high: Floats, low: Floats, close_before: Floats) -> Floats:
        """Return the true ranges; the caller must not change them."""
        known = self._of
        if known[0] is not high or known[1] is not low or known[2] is not close_before:
            self._of, self._ranges = (high, low, close_before), _true_range(high, low, close_before)
        return self._ranges


class VectorAtr(VectorState):
    name = "ATR"
    shapes = (1, 1)  # close; ATR

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        period = float(dict(params)["timeperiod"])
        kept = (period - 1.0) / period
        self.kept, self.part = FusedFactor(kept), 1.0 - kept
        self.ranges = TrueRanges()

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return params["timeperiod"] >= 2

    def _move(self, state: State, rows: Rows, high: Floats, low: Floats, close: Floats) -> tuple[State, State]:
        before, average = state
        average = self.kept.multiply_add(average, self.ranges.compute_ranges(high, low, before) * self.part)
        return (close, average), (average,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        self.state[0][row], self.state[1][row] = inputs[2][-1], outputs[0][-1]


class VectorAdx(VectorState):
    name = "ADX"
    shapes = (1, 1, 1, 3, 1)  # high, low, close; +DM, -DM, true range; ADX

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        self.period = float(dict(params)["timeperiod"])
        self.ranges = TrueRanges()

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return True

    def _move(self, state: State, rows: Rows, high: Floats, low: Floats, close: Floats) -> tuple[State, State]:
        high_before, low_before, close_before, sums, adx_before = state
        moves = np.empty((2, len(high)))
        np.subtract(high, high_before, out=moves[0])
        np.subtract(low_before, low, out=moves[1])
        sums = sums - sums / self.period
        # Only the larger of the two moves counts, and only if it is above zero.
        sums[:2] += np.where(moves > np.maximum(moves[::-1], 0.0), moves, 0.0)
        ranges = sums[2]
        ranges += self.ranges.compute_ranges(high, low, close_before)
        directions = sums[:2] / ranges
        directions *= 100.0
        both = directions[0] + directions[1]
        strength = np.abs(directions[1] - directions[0])
        strength /= both
        strength *= 100.0
        adx = adx_before * (self.period - 1.0)
        adx += strength
        adx /= self.period
        is_known = both >= EPSILON  # a range of zero makes it NaN, which is not known
        if np.count_nonzero(is_known) < len(is_known):
            adx = np.where(is_known & (ranges > 0.0), adx, adx_before)
        return (high, low, close, sums, adx), (adx,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        high, low, close = inputs
        period = (("timeperiod", int(self.period)),)
        for i, name in enumerate(("PLUS_DM", "MINUS_DM")):
            self.state[3][i, row] = talib_bridge.compute_batch(name, period, [high, low], is_finite=True)[0][-1]
        self.state[3][2, row] = _wilder_sum(_true_range(high[1:], low[1:], close[:-1]), int(self.period))
        for field, column in zip(self.state[:3], inputs, strict=True):
            field[row] = column[-1]
        self.state[4][row] = outputs[0][-1]


def _true_range(high: Floats, low: Floats, close_before: Floats) -> Floats:
    greatest: Floats = high - low
    for edge in (high, low):
        distance = close_before - edge
        np.abs(distance, out=distance)
        np.maximum(greatest, distance, out=greatest)
    return greatest


def _wilder_sum(values: Floats, period: int) -> float:
    total, first = 0.0, period - 1
    for value in values[:first].tolist():
        total += value
    for value in values[first:].tolist():
        total = total - total / period + value
    return total
