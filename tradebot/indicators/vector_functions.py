"""The common indicators over arrays of symbols, each in TA-Lib's own order of operations; `streaming` steps them.

Formulas: TA-Lib 0.8, functions of the same names. Sums are carried, not recomputed, because TA-Lib carries them; what
it rounds once (`fma`) is rounded once. Averages that decay into denormal numbers stay there: dropping them would be
faster, but it would show in the outputs.
"""

from __future__ import annotations

import numpy as np

from tradebot.domain.market import Floats
from tradebot.indicators import talib_bridge
from tradebot.indicators.vector_bands import VectorBbands
from tradebot.indicators.vector_fused import FusedFactor
from tradebot.indicators.vector_state import MovingTotal, RingBuffer, Rows, State, VectorState
from tradebot.indicators.vector_wilder import EPSILON, VectorAdx, VectorAtr, VectorRsi


class VectorSma(VectorState):
    name = "SMA"
    shapes = (1,)

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        self.period = int(dict(params)["timeperiod"])
        self.total = MovingTotal(self.period, size)

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return params["timeperiod"] >= 2

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        whole, carried = self.total.add_value(state[0], rows, x)
        return (carried,), (whole / self.period,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        self.state[0][row] = self.total.load_history(row, inputs[0])[1]


class VectorEma(VectorState):
    name = "EMA"
    shapes = (1,)

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        self.weight = FusedFactor(_weight(int(dict(params)["timeperiod"])))

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return params["timeperiod"] >= 2

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        (before,) = state
        now = self.weight.multiply_add_small(x - before, before)
        return (now,), (now,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        self.state[0][row] = outputs[0][-1]


class VectorMacd(VectorState):
    name = "MACD"
    shapes = (2, 1)  # fast, slow; signal

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        given = dict(params)
        self.fast, self.slow = sorted((int(given["fastperiod"]), int(given["slowperiod"])))
        self.weights = FusedFactor([_weight(self.fast), _weight(self.slow)])
        self.signal_weight = FusedFactor(_weight(int(given["signalperiod"])))

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return params["signalperiod"] >= 2

    def _move(self, state: State, rows: Rows, x: Floats) -> tuple[State, State]:
        before, signal_before = state
        averages = self.weights.multiply_add_small(x - before, before)
        macd = averages[0] - averages[1]
        signal = self.signal_weight.multiply_add(macd - signal_before, signal_before)
        return (averages, signal), (macd, signal, macd - signal)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        # Both averages begin at the same bar, so the fast one skips the bars that only the slow one needs.
        for i, (period, skipped) in enumerate(((self.fast, self.slow - self.fast), (self.slow, 0))):
            (average,) = talib_bridge.compute_batch(
                "EMA", (("timeperiod", period),), [inputs[0][skipped:]], is_finite=True
            )
            self.state[0][i, row] = average[-1]
        self.state[1][row] = outputs[1][-1]


class VectorStoch(VectorState):
    name = "STOCH"
    shapes = (1, 1)  # the totals of %K and of slow %K

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        super().__init__(params, size)
        given = {name: int(value) for name, value in params}
        self.period, self.k_period, self.d_period = (
            given["fastk_period"],
            given["slowk_period"],
            given["slowd_period"],
        )
        self.highs, self.lows = RingBuffer(self.period, size), RingBuffer(self.period, size)
        self.k_total, self.d_total = MovingTotal(self.k_period, size), MovingTotal(self.d_period, size)

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        # Which of 0.0 and -0.0 is the lowest depends on their order; columns of bars have no -0.0.
        is_simple = params["slowk_matype"] == 0 and params["slowd_matype"] == 0
        return is_bars and is_simple and params["slowk_period"] >= 2 and params["slowd_period"] >= 2

    def _move(self, state: State, rows: Rows, high: Floats, low: Floats, close: Floats) -> tuple[State, State]:
        self.highs.replace_oldest(rows, high)
        self.lows.replace_oldest(rows, low)
        highs, lows = self.highs.values, self.lows.values
        if rows is not None:
            highs, lows = highs.take(rows, axis=1), lows.take(rows, axis=1)
        lowest = np.minimum.reduce(lows, axis=0)
        highest = np.maximum.reduce(highs, axis=0)
        span = highest - lowest
        fast = close - lowest
        fast /= span
        fast *= 100.0
        highest += np.abs(lowest)
        highest *= EPSILON
        is_none = highest >= span
        if np.count_nonzero(is_none):
            fast[is_none] = 0.0
        slow, k_carried = self.k_total.add_value(state[0], rows, fast)
        slow /= self.k_period
        slower, d_carried = self.d_total.add_value(state[1], rows, slow)
        slower /= self.d_period
        return (k_carried, d_carried), (slow, slower)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        high, low, _ = inputs
        self.highs.load_values(row, high[-self.period :])
        self.lows.load_values(row, low[-self.period :])
        params = (("fastk_period", self.period), ("fastd_period", 1), ("fastd_matype", 0))
        fast = talib_bridge.compute_batch("STOCHF", params, inputs, is_finite=True)[0][self.period - 1 :]
        totals, self.state[0][row] = self.k_total.load_history(row, fast)
        self.state[1][row] = self.d_total.load_history(row, totals / self.k_period)[1]


class VectorObv(VectorState):
    name = "OBV"
    shapes = (1, 1)  # close; OBV

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        return is_bars  # a volume of -0.0 or an infinite change would give other bits

    def _move(self, state: State, rows: Rows, x: Floats, volume: Floats) -> tuple[State, State]:
        before, total = state
        change = np.sign(x - before)
        change *= volume
        change += total
        return (x, change), (change,)

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        self.state[0][row], self.state[1][row] = inputs[0][-1], outputs[0][-1]


_FUNCTIONS: tuple[type[VectorState], ...] = (
    VectorSma,
    VectorEma,
    VectorMacd,
    VectorBbands,
    VectorRsi,
    VectorAtr,
    VectorAdx,
    VectorStoch,
    VectorObv,
)
VECTOR_FUNCTIONS: dict[str, type[VectorState]] = {function.name: function for function in _FUNCTIONS}
"""TA-Lib name -> the indicator over arrays of symbols."""


def _weight(period: int) -> float:
    return 2.0 / (period + 1)
