"""Streaming evaluation of a plan: one row of many symbols at a time, in constant time per bar, on TA-Lib's states.

Elementwise nodes run over all symbols of a close at once. So do the common indicators where there are enough symbols
for it to pay (`vector_state`); every other function of TA-Lib is stepped by its handle, symbol by symbol. Both give the
numbers of `plan.evaluate_history` over the same bars, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators import talib_bridge
from tradebot.indicators.arithmetic import CROSS_SECTIONAL, ELEMENTWISE, are_finite
from tradebot.indicators.cross_section import BarHistory, evaluate_by_node
from tradebot.indicators.node import Node, Op
from tradebot.indicators.plan import (
    BAR_ROW,
    ExpressionPlan,
    ExpressionValues,
    Value,
    argument_columns,
    evaluate_stateless,
    shift_column,
)
from tradebot.indicators.session_nodes import OpeningRangeState, SessionVwapState
from tradebot.indicators.timeframe_nodes import HoldState, LongerLagState, ResampleState
from tradebot.indicators.vector_averages import ProgramLine, join_averages
from tradebot.indicators.vector_functions import VECTOR_FUNCTIONS
from tradebot.indicators.vector_state import BarStep, RingBuffer, VectorState
from tradebot.indicators.vector_wilder import TrueRanges, VectorAdx, VectorAtr

_NOTHING = np.empty(0)
MIN_VECTOR_SYMBOLS = 24  # symbols; below this the handles are faster than a dozen numpy calls per function


class NodeState(Protocol):
    """The state of one node for all symbols."""

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Value:
        """Feed one bar (k,) per input and return the outputs; `is_finite` promises that all inputs are finite."""

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Value:
        """Feed the history (n,) of a symbol that has seen no bar and return the outputs over it."""


class StreamingIndicators:
    """The indicator state of `size` symbols under one plan; rows are numbered from 0.

    From `vector_from` symbols on, the functions that allow it are stepped over all symbols at once.
    """

    def __init__(self, plan: ExpressionPlan, size: int, *, vector_from: int = MIN_VECTOR_SYMBOLS) -> None:
        self.plan, self.size = plan, size
        self._all = np.arange(size)
        self._states: list[NodeState | None] = []
        # `step_bars` fills in the columns of bars and the numbers, then computes the lines of the program in order.
        self._bars: list[tuple[int, int]] = []
        self._numbers: list[tuple[int, float]] = []
        self._program: list[ProgramLine] = []
        picks: dict[int, list[tuple[int, int]]] = {}
        ranges = TrueRanges()
        for place, (node, args) in enumerate(zip(plan.nodes, plan.args, strict=True)):
            is_bars = all(arg.op is Op.BAR for arg in node.args)
            state = _state(node, size, plan, can_vector=size >= vector_from, is_bars=is_bars)
            self._states.append(state)
            if isinstance(state, VectorAtr | VectorAdx):
                state.ranges = ranges
            if state is not None:
                self._program.append(ProgramLine(place, args, state.step_bar, is_bars, picks.setdefault(place, [])))
            elif node.op is Op.BAR:
                self._bars.append((place, BAR_ROW[node.params[0]]))
            elif node.op is Op.NUMBER:
                self._numbers.append((place, node.params[0]))
            elif node.op is Op.PICK:
                picks[args[0]].append((place, node.params[0]))
            else:
                function: Callable[..., Floats] = CROSS_SECTIONAL.get(node.op) or ELEMENTWISE[node.op]
                self._program.append(ProgramLine(place, args, function, False, None))
        self._program = join_averages(self._program, self._states)
        self._loading = list(self._needed())
        self._ones = np.ones(5 * size)
        self._constants: list[Floats] = []  # the numbers as columns, as long as the last close
        self._width = -1

    def _needed(self) -> Iterator[tuple[int, Node, tuple[int, ...], NodeState | None]]:
        # The nodes with a state, and the nodes that they depend on.
        wanted = {place for place, state in enumerate(self._states) if state is not None}
        for place in range(len(self._states) - 1, -1, -1):
            if place in wanted:
                wanted.update(self.plan.args[place])
        for place in sorted(wanted):
            yield place, self.plan.nodes[place], self.plan.args[place], self._states[place]

    def step_bars(self, rows: Ints, bars: Floats, starts_at: int) -> ExpressionValues:
        """Feed one bar (5, k) of each of the symbols `rows` (k,), all started at `starts_at` (market ns).

        The rows may come in any order; no row may appear twice.
        """
        values: list[Any] = [None] * len(self._states)
        with np.errstate(all="ignore"):
            is_whole = len(rows) == self.size and not np.count_nonzero(rows != self._all)
            step = BarStep(rows, is_whole, starts_at)
            bars = bars.copy()  # the states keep columns of the bars
            # May be False for finite bars too (the test overflows): then each state tests its own inputs.
            flat = bars.reshape(-1)
            is_finite = are_finite(flat, self._ones[: flat.size])
            for place, line in self._bars:
                values[place] = bars[line]
            if self._numbers:
                self._fill_in(values, len(rows))
            for place, args, compute, is_bars, picks in self._program:
                if picks is None:  # a node without state
                    values[place] = compute(*[values[i] for i in args])
                    continue
                found = values[place] = compute(step, [values[i] for i in args], is_finite=is_bars and is_finite)
                for slot, output in picks:
                    values[slot] = found[output]
        return ExpressionValues(self.plan, values)

    def _fill_in(self, values: list[Any], width: int) -> None:
        if width != self._width:
            self._constants = [np.full(width, number) for _, number in self._numbers]
            self._width = width
        for (place, _), column in zip(self._numbers, self._constants, strict=True):
            values[place] = column

    def feed_history(self, row: int, bars: Floats, starts: Ints) -> ExpressionValues:
        """Feed the whole history (5, n) of one symbol that has seen no bar: as n calls of `step_bars` do, much faster.

        A plan with cross-sectional nodes needs the histories of all symbols together, see `feed_histories`.
        """
        assert not self.plan.is_cross_sectional, "feed_histories() feeds a plan over the symbols of a close"
        values: list[Value] = []
        with np.errstate(all="ignore"):
            for node, args, state in zip(self.plan.nodes, self.plan.args, self._states, strict=True):
                if state is None:
                    values.append(evaluate_stateless(node, args, values, bars))
                else:
                    values.append(state.feed_history(row, starts, argument_columns(values, args)))
        return ExpressionValues(self.plan, values)

    def warm_up_states(self, row: int, bars: Floats, starts: Ints) -> None:
        """Feed a history as `feed_history` does, for the states alone: nodes that no state needs are left out."""
        assert not self.plan.is_cross_sectional, "feed_histories() feeds a plan over the symbols of a close"
        values: list[Value] = [_NOTHING] * len(self._states)
        is_finite = bool(np.isfinite(bars).all())
        with np.errstate(all="ignore"):
            for place, node, args, state in self._loading:
                if state is None:
                    values[place] = evaluate_stateless(node, args, values, bars)
                elif isinstance(state, VectorState):
                    are_bars = all(arg.op is Op.BAR for arg in node.args)
                    values[place] = state.feed_history(
                        row, starts, argument_columns(values, args), is_finite=are_bars and is_finite
                    )
                else:
                    values[place] = state.feed_history(row, starts, argument_columns(values, args))

    def feed_histories(self, pasts: Mapping[int, BarHistory]) -> None:
        """Feed the histories of symbols that have seen no bar, by row; bars with one start belong to one close."""
        rows = list(pasts)

        def compute(place: int, i: int, values: Sequence[Value]) -> Value:
            node, args, state = self.plan.nodes[place], self.plan.args[place], self._states[place]
            bars, starts = pasts[rows[i]]
            if state is None:
                return evaluate_stateless(node, args, values, bars)
            return state.feed_history(rows[i], starts, argument_columns(values, args))

        evaluate_by_node(self.plan, list(pasts.values()), compute)


class LagState:
    """The last values of every symbol."""

    def __init__(self, bars: int, size: int) -> None:
        self.bars = bars
        self.ring = RingBuffer(bars, size, empty=np.nan)

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> Floats:
        return self.ring.replace_oldest(None if step.is_whole else step.rows, inputs[0])

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> Floats:
        self.ring.load_values(row, inputs[0])
        return shift_column(inputs[0], self.bars)


class TaState:
    """One TA-Lib handle per symbol. While a symbol's history is too short to open one, the history is kept instead.

    A bar with a non-finite input does not reach the handle, and its value is NaN.
    """

    def __init__(self, name: str, params: talib_bridge.Params, size: int) -> None:
        self.name, self.params = name, params
        self.width = len(talib_bridge.function_signature(name).outputs)
        self.lookback = talib_bridge.lookback_rows(name, params)
        self.blank: Any = float("nan") if self.width == 1 else (float("nan"),) * self.width
        self.updates: list[Callable[..., Any]] = [_Opening(self, row, ()) for row in range(size)]

    def step_bar(self, step: BarStep, inputs: list[Floats], *, is_finite: bool) -> tuple[Floats, ...]:
        updates = self.updates
        bars = zip(step.rows.tolist(), *[column.tolist() for column in inputs], strict=True)
        is_known = None if is_finite else np.logical_and.reduce([np.isfinite(column) for column in inputs])
        if is_known is None or is_known.all():
            found = [updates[row](*bar) for row, *bar in bars]
        else:
            found = [
                updates[row](*bar) if ok else self.blank
                for ok, (row, *bar) in zip(is_known.tolist(), bars, strict=True)
            ]
        table = np.array(found, dtype=np.float64).reshape(len(step.rows), self.width)
        return tuple(np.ascontiguousarray(table[:, i]) for i in range(self.width))

    def feed_history(self, row: int, starts: Ints, inputs: list[Floats]) -> tuple[Floats, ...]:
        outputs, update = talib_bridge.batch_and_open(self.name, self.params, inputs)
        if update is None:
            mask = np.logical_and.reduce([np.isfinite(column) for column in inputs])
            update = _Opening(self, row, tuple(zip(*[column[mask].tolist() for column in inputs], strict=True)))
        self.updates[row] = update
        return outputs


class _Opening:
    # Stands in for the handle of a symbol and collects its bars, until they suffice to open the handle.
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


def _state(node: Node, size: int, plan: ExpressionPlan, *, can_vector: bool, is_bars: bool) -> NodeState | None:
    match node.op:
        case Op.TA:
            name, params = node.params
            function = VECTOR_FUNCTIONS.get(name)
            if can_vector and function is not None and function.matches_talib(dict(params), is_bars=is_bars):
                return function(params, size)
            return TaState(name, params, size)
        case Op.LAG:
            return LagState(node.params[0], size) if len(node.args) == 1 else LongerLagState(node.params[0], size)
        case Op.HOLD:
            return HoldState(size)
        case Op.RESAMPLE:
            assert plan.interval_ns is not None, "a plan with longer bars knows its interval"
            return ResampleState(node.params, plan.interval_ns, size, plan.opens)
        case Op.OPENING_HIGH | Op.OPENING_LOW:
            return OpeningRangeState(node.params, size, plan.opens, is_high=node.op is Op.OPENING_HIGH)
        case Op.SESSION_VWAP:
            return SessionVwapState(node.params, size, plan.opens)
        case _:
            return None
