"""A plan: the nodes that some expressions need, in the order to compute them; and their evaluation over arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Floats, Ints
from tradebot.errors import ConfigError
from tradebot.indicators import talib_bridge
from tradebot.indicators.arithmetic import ELEMENTWISE
from tradebot.indicators.node import CROSS_SECTIONAL_OPS, Node, Op, evaluation_order, expression_text
from tradebot.indicators.session_nodes import OpeningRangeState, SessionVwapState
from tradebot.indicators.session_opens import HOME_OPENS, SessionOpens
from tradebot.indicators.timeframe_nodes import HoldState, LongerLagState, ResampleState

BAR_ROW = {name: i for i, name in enumerate(talib_bridge.BAR_COLUMNS)}  # column -> its row in a (5, n) array of bars


class ExpressionPlan:
    """The nodes of `roots` in evaluation order; a node that several roots need appears once.

    `args[i]` are the indexes of the arguments of `nodes[i]`. `interval_ns` is the length of the bars; only plans with
    longer bars need it. `opens` says when the sessions of the bars' exchange open. Raises ConfigError where longer bars
    are not made of whole bars.
    """

    def __init__(
        self, roots: Iterable[Node], *, interval_ns: int | None = None, opens: SessionOpens = HOME_OPENS
    ) -> None:
        self.roots = tuple(roots)
        self.interval_ns, self.opens = interval_ns, opens
        self.nodes = evaluation_order(self.roots)
        self.index_of = {n: i for i, n in enumerate(self.nodes)}
        self.args = [tuple(self.index_of[a] for a in n.args) for n in self.nodes]
        self.is_cross_sectional = any(n.op in CROSS_SECTIONAL_OPS for n in self.nodes)
        for n in self.nodes:
            if n.op is Op.RESAMPLE and not (
                interval_ns and n.params[0] > interval_ns and n.params[0] % interval_ns == 0
            ):
                bars = f"bars of {interval_ns / SECOND:g} s" if interval_ns else "bars of unknown length"
                raise ConfigError(f"a rule needs bars of {expression_text(n)}, which cannot be made of {bars}")

    def __len__(self) -> int:
        return len(self.nodes)


Value = Floats | tuple[Floats, ...]  # a TA node has one column per output, every other node one column


class ExpressionValues:
    """The values of a plan: one column per expression."""

    __slots__ = ("_plan", "_values")

    def __init__(self, plan: ExpressionPlan, values: Sequence[Value]) -> None:
        self._plan, self._values = plan, values

    def __getitem__(self, expression: Node) -> Floats:
        """Return the column of an expression of the plan. Raises KeyError for one that is not in it."""
        value = self._values[self._plan.index_of[expression]]
        assert not isinstance(value, tuple), f"{expression} has several columns"
        return value


def argument_columns(values: Sequence[Value], args: tuple[int, ...]) -> list[Floats]:
    """Return the argument columns of a node."""
    found = [values[i] for i in args]
    assert not any(isinstance(v, tuple) for v in found), "only a pick may take a node of several columns"
    return found  # type: ignore[return-value]


def evaluate_history(plan: ExpressionPlan, bars: Floats, starts: Ints) -> ExpressionValues:
    """Evaluate a plan over one symbol: `bars` (5, n) open, high, low, close, volume; `starts` (n,) market ns.

    Row t of every value depends on rows 0..t only. A plan that compares symbols needs them together, see
    `evaluate_histories`.
    """
    assert not plan.is_cross_sectional, "a plan over the symbols of a close is evaluated by panel()"
    values: list[Value] = []
    with np.errstate(all="ignore"):
        for expression, args in zip(plan.nodes, plan.args, strict=True):
            values.append(evaluate_node(plan, expression, args, values, bars, starts))
    return ExpressionValues(plan, values)


def evaluate_node(
    plan: ExpressionPlan, expression: Node, args: tuple[int, ...], values: Sequence[Value], bars: Floats, starts: Ints
) -> Value:
    """Compute one node of a plan over the history of one symbol, from the values of the nodes before it."""
    op, params = expression.op, expression.params
    match op:
        case Op.TA:
            return talib_bridge.compute_batch(params[0], params[1], argument_columns(values, args))
        case Op.LAG if len(args) == 1:
            return shift_column(argument_columns(values, args)[0], params[0])
        case Op.LAG:
            return LongerLagState(params[0], 1).feed_history(0, starts, argument_columns(values, args))
        case Op.HOLD:
            return HoldState(1).feed_history(0, starts, argument_columns(values, args))
        case Op.RESAMPLE:
            assert plan.interval_ns is not None, "a plan with longer bars knows its interval"
            return ResampleState(params, plan.interval_ns, 1, plan.opens).feed_history(
                0, starts, argument_columns(values, args)
            )
        case Op.OPENING_HIGH | Op.OPENING_LOW:
            state = OpeningRangeState(params, 1, plan.opens, is_high=op is Op.OPENING_HIGH)
            return state.feed_history(0, starts, argument_columns(values, args))
        case Op.SESSION_VWAP:
            return SessionVwapState(params, 1, plan.opens).feed_history(0, starts, argument_columns(values, args))
        case _:
            return evaluate_stateless(expression, args, values, bars)


def evaluate_stateless(expression: Node, args: tuple[int, ...], values: Sequence[Value], bars: Floats) -> Value:
    """Compute a node without state from its argument columns; a column may run over time or over symbols."""
    match expression.op:
        case Op.BAR:
            return np.ascontiguousarray(bars[BAR_ROW[expression.params[0]]])
        case Op.NUMBER:
            return np.full(bars.shape[1], expression.params[0], dtype=np.float64)
        case Op.PICK:
            outputs = values[args[0]]
            assert isinstance(outputs, tuple), f"{expression} picks from one column"
            index: int = expression.params[0]
            return outputs[index]
        case _:
            return ELEMENTWISE[expression.op](*argument_columns(values, args))


def shift_column(column: Floats, bars: int) -> Floats:
    """Return the column delayed by `bars` rows, NaN first."""
    late = np.full(len(column), np.nan)
    late[bars:] = column[:-bars]
    return late
