"""The base of indicators that step all symbols of a close at once in numpy; `vector_functions` has the arithmetic.

Such an indicator replaces one TA-Lib handle per symbol and gives the bits of TA-Lib's batch: the same operations in the
same order, over arrays of symbols. A symbol starts with the state that TA-Lib itself computes from its first bars.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators import talib_bridge

State = tuple[Floats, ...]  # arrays whose last axis is the symbol; once returned they are replaced, never written
Rows = Ints | None  # the symbols that step; None for all of them in order, which needs no gathering


class BarStep(NamedTuple):
    """One close that a plan steps.

    `rows` are those that step, `is_whole` says that they are all rows in order, `starts_at` is the bar's start (market
    ns).
    """

    rows: Ints
    is_whole: bool
    starts_at: int


class RingBuffer:
    """The last `depth` values of every symbol; symbols may have stepped a different number of times."""

    def __init__(self, depth: int, size: int, *, empty: float = 0.0) -> None:
        self.depth, self.size = depth, size
        self.values = np.full((depth, size), empty)
        self._at: int | None = 0  # the oldest line of all symbols, None once they differ
        self._each = np.zeros(size, dtype=np.int64)  # the oldest line of each symbol, from then on

    def replace_oldest(self, rows: Rows, new: Floats) -> Floats:
        """Put a new value for each row in the place of its oldest, and return the old ones."""
        if rows is None and self._at is not None:
            line = self.values[self._at]
            old: Floats = line.copy()
            line[:] = new
            self._at = self._at + 1 if self._at + 1 < self.depth else 0
            return old
        if self._at is not None:
            self._each[:] = self._at
            self._at = None
        if rows is None:
            rows = np.arange(self.size)
        at = self._each[rows]
        flat, place = self.values.reshape(-1), at * self.size + rows
        old = flat.take(place)
        flat[place] = new
        at += 1
        at[at == self.depth] = 0
        self._each[rows] = at
        return old

    def window_of(self, rows: Ints) -> Floats:
        """Return the values of some rows, shape (depth, k), oldest first."""
        first = self._each[rows] if self._at is None else self._at
        found: Floats = self.values[(np.arange(self.depth)[:, None] + first) % self.depth, rows]
        return found

    def load_values(self, row: int, last: Floats) -> None:
        """Set the values of one symbol, oldest first; fewer than `depth` leave the oldest ones as they are."""
        last = last[-self.depth :]
        if self._at == 0:  # as before any step, the oldest line is the first
            self.values[self.depth - len(last) :, row] = last
            return
        first = (int(self._each[row]) if self._at is None else self._at) - len(last)
        self.values[(first + np.arange(len(last))) % self.depth, row] = last


class VectorState:
    """An indicator of `size` symbols under one set of parameters.

    Subclasses give the function's `name`, in `shapes` the number of lines of each field of the state, and `_move` and
    `_load`.
    """

    name: ClassVar[str]
    shapes: ClassVar[tuple[int, ...]]

    def __init__(self, params: talib_bridge.Params, size: int) -> None:
        self.params, self.size = params, size
        self.width = len(talib_bridge.function_signature(self.name).outputs)
        self.lookback = talib_bridge.lookback_rows(self.name, params)
        self.state: State = tuple(np.zeros(size) if fields == 1 else np.zeros((fields, size)) for fields in self.shapes)
        self._is_open = np.zeros(size, dtype=bool)
        self.unopened_count = size
        self._histories: dict[int, list[tuple[float, ...]]] = {}  # row -> its finite bars, until there are enough

    @classmethod
    def matches_talib(cls, params: dict[str, int | float], *, is_bars: bool) -> bool:
        """Return whether these parameters give TA-Lib's bits; `is_bars`: the inputs are unchanged columns of bars."""
        raise NotImplementedError

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> State:
        """Feed a bar to the rows of the close and return the outputs (k,) each; `is_finite` promises finite inputs.

        A bar with a non-finite input does not count, and its value is NaN.
        """
        rows = None if step.is_whole else step.rows
        if is_finite and not self.unopened_count:
            return self._advance(rows, inputs)
        is_known = np.logical_and.reduce([np.isfinite(column) for column in inputs])
        is_open = self._is_open[step.rows]
        moves = is_known & is_open
        if moves.all():
            return self._advance(rows, inputs)
        result = np.full((self.width, len(moves)), np.nan)
        if moves.any():
            result[:, moves] = self._advance(step.rows[moves], [column[moves] for column in inputs])
        for i in np.flatnonzero(is_known & ~is_open).tolist():
            result[:, i] = self._lengthen(int(step.rows[i]), tuple(float(column[i]) for column in inputs))
        return tuple(result)

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats], *, is_finite: bool = False) -> State:
        """Feed the history of a symbol that has seen no bar and return the outputs (n,) each.

        `is_finite` promises finite inputs.
        """
        outputs = talib_bridge.compute_batch(self.name, self.params, inputs, is_finite=is_finite)
        if is_finite:
            self._begin(row, inputs, list(outputs))
            return outputs
        mask = np.logical_and.reduce([np.isfinite(column) for column in inputs])
        self._begin(row, [column[mask] for column in inputs], [column[mask] for column in outputs])
        return outputs

    def _advance(self, rows: Rows, inputs: list[Floats]) -> State:
        if rows is None:
            self.state, outputs = self._move(self.state, None, *inputs)
            return outputs
        moved, outputs = self._move(tuple(field.take(rows, axis=-1) for field in self.state), rows, *inputs)
        merged = []
        for field, part in zip(self.state, moved, strict=True):
            whole = field.copy()
            whole[..., rows] = part
            merged.append(whole)
        self.state = tuple(merged)
        return outputs

    def _lengthen(self, row: int, bar: tuple[float, ...]) -> list[float]:
        history = self._histories.setdefault(row, [])
        history.append(bar)
        if len(history) <= self.lookback:
            return [np.nan] * self.width
        inputs = [np.array(column) for column in zip(*history, strict=True)]
        outputs = talib_bridge.compute_batch(self.name, self.params, inputs)
        self._begin(row, inputs, list(outputs))
        return [float(column[-1]) for column in outputs]

    def _begin(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        if len(inputs[0]) <= self.lookback:
            self._histories[row] = list(zip(*[column.tolist() for column in inputs], strict=True))
            return
        self._histories.pop(row, None)
        self.unopened_count -= not self._is_open[row]
        self._is_open[row] = True
        self._load(row, inputs, outputs)

    def _move(self, state: State, rows: Rows, *inputs: Any) -> tuple[State, State]:
        raise NotImplementedError

    def _load(self, row: int, inputs: list[Floats], outputs: list[Floats]) -> None:
        raise NotImplementedError


class MovingTotal:
    """The total of the last `period` values.

    As in TA-Lib, the total without its oldest value is carried from bar to bar.
    """

    def __init__(self, period: int, size: int) -> None:
        self.period = period
        self.ring = RingBuffer(period - 1, size)

    def add_value(self, total: Floats, rows: Rows, new: Floats) -> tuple[Floats, Floats]:
        """Return the total with the new value, and the total to carry on."""
        whole = total + new
        return whole, whole - self.ring.replace_oldest(rows, new)

    def load_history(self, row: int, values: Floats) -> tuple[Floats, float]:
        """Load the history of one symbol; return its totals from the first whole one on, and the total to carry on."""
        self.ring.load_values(row, values[-(self.period - 1) :])
        sums = running_sums(values, self.period)
        return sums[self.period :: 2], sums.item(-1)


def running_sums(values: Floats, period: int) -> Floats:
    """Return TA-Lib's running sums for totals of `period` values, from 0.0 on; the last is carried on.

    Each bar adds the newest value, which gives a total, and then subtracts the oldest; rounding happens in that order.
    """
    tail = len(values) - period + 1
    changes = np.zeros(period + 2 * tail)  # the leading zero is where the sum starts: 0.0 + -0.0 is 0.0
    changes[1:period] = values[: period - 1]
    changes[period::2] = values[period - 1 :]
    np.negative(values[:tail], out=changes[period + 1 :: 2])
    return np.cumsum(changes, out=changes)  # one by one, unlike np.sum
