"""Streaming evaluation of a plan: one row of many symbols at a time, in constant time per bar, with TA-Lib's handles.

Elementwise nodes run over all symbols of a close at once; only TA-Lib's handles are stepped symbol by symbol. The
numbers are those of `plan.batch` over the same bars, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators import talib_bridge
from tradebot.indicators.node import Node, Op
from tradebot.indicators.plan import Plan, Value, Values, columns, shift, stateless
from tradebot.indicators.sessions import OpeningState, VwapState


class Live:
    """The indicator state of `size` symbols under one plan; rows are numbered from 0."""

    def __init__(self, plan: Plan, size: int) -> None:
        self.plan, self.size = plan, size
        self._states = [_state(node, size) for node in plan.nodes]

    def step(self, rows: Ints, bars: Floats, starts_at: int) -> Values:
        """Feed one bar (5, k) of each of the symbols `rows` (k,), all started at `starts_at` (market ns)."""
        values: list[Value] = []
        with np.errstate(all="ignore"):
            for node, args, state in zip(self.plan.nodes, self.plan.args, self._states, strict=True):
                if state is None:
                    values.append(stateless(node, args, values, bars))
                else:
                    values.append(state.step(rows, starts_at, *columns(values, args)))
        return Values(self.plan, values)

    def fill(self, row: int, bars: Floats, starts: Ints) -> Values:
        """Feed the whole history (5, n) of one symbol that has seen no bar yet; as `n` steps would, and much faster."""
        values: list[Value] = []
        with np.errstate(all="ignore"):
            for node, args, state in zip(self.plan.nodes, self.plan.args, self._states, strict=True):
                if state is None:
                    values.append(stateless(node, args, values, bars))
                else:
                    values.append(state.fill(row, starts, *columns(values, args)))
        return Values(self.plan, values)


class LagState:
    """A ring of the last values, per symbol."""

    def __init__(self, bars: int, size: int) -> None:
        self.bars = bars
        self.ring = np.full((bars, size), np.nan)
        self.next = np.zeros(size, dtype=np.int64)

    def step(self, rows: Ints, starts_at: int, x: Floats) -> Floats:
        at = self.next[rows]
        late = self.ring[at, rows]
        self.ring[at, rows] = x
        self.next[rows] = (at + 1) % self.bars
        return late

    def fill(self, row: int, starts: Ints, x: Floats) -> Floats:
        last = x[-self.bars :]
        self.ring[: len(last), row] = last
        self.next[row] = len(last) % self.bars
        return shift(x, self.bars)


class TaState:
    """One TA-Lib handle per symbol; until a history is long enough to open it, the history.

    A bar with a non-finite input does not reach the handle and its value is NaN.
    """

    def __init__(self, name: str, params: talib_bridge.Params, size: int) -> None:
        self.name, self.params = name, params
        self.width = len(talib_bridge.signature(name).outputs)
        self.lookback = talib_bridge.lookback(name, params)
        self.blank: Any = float("nan") if self.width == 1 else (float("nan"),) * self.width
        self.updates: list[Callable[..., Any]] = [_Opening(self, row, ()) for row in range(size)]

    def step(self, rows: Ints, starts_at: int, *inputs: Floats) -> tuple[Floats, ...]:
        updates = self.updates
        is_finite = np.isfinite(inputs[0])
        for column in inputs[1:]:
            is_finite &= np.isfinite(column)
        bars = zip(rows.tolist(), *[column.tolist() for column in inputs], strict=True)
        if is_finite.all():
            found = [updates[row](*bar) for row, *bar in bars]
        else:
            found = [
                updates[row](*bar) if ok else self.blank
                for ok, (row, *bar) in zip(is_finite.tolist(), bars, strict=True)
            ]
        table = np.array(found, dtype=np.float64).reshape(len(rows), self.width)
        return tuple(np.ascontiguousarray(table[:, i]) for i in range(self.width))

    def fill(self, row: int, starts: Ints, *inputs: Floats) -> tuple[Floats, ...]:
        outputs, update = talib_bridge.fill(self.name, self.params, inputs)
        if update is None:
            mask = np.logical_and.reduce([np.isfinite(column) for column in inputs])
            update = _Opening(self, row, tuple(zip(*[column[mask].tolist() for column in inputs], strict=True)))
        self.updates[row] = update
        return outputs


class _Opening:
    __slots__ = ("history", "row", "state")

    def __init__(self, state: TaState, row: int, history: tuple[tuple[float, ...], ...]) -> None:
        self.state, self.row, self.history = state, row, list(history)

    def __call__(self, *bar: float) -> Any:
        self.history.append(bar)
        if len(self.history) <= self.state.lookback:
            return self.state.blank
        inputs = [np.array(column) for column in zip(*self.history, strict=True)]
        opened = talib_bridge.open_handle(self.state.name, self.state.params, inputs)
        if opened is None:
            return self.state.blank
        value, self.state.updates[self.row] = opened
        return value


def _state(node: Node, size: int) -> Any:
    match node.op:
        case Op.TA:
            name, params = node.params
            return TaState(name, params, size)
        case Op.LAG:
            return LagState(node.params[0], size)
        case Op.OPENING_HIGH | Op.OPENING_LOW:
            return OpeningState(node.params, size, is_high=node.op is Op.OPENING_HIGH)
        case Op.SESSION_VWAP:
            return VwapState(node.params, size)
        case _:
            return None
