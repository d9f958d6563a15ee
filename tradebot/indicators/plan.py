"""A plan: the nodes some expressions need, in the order to compute them; and the batch evaluation over arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Floats, Ints
from tradebot.errors import ConfigError
from tradebot.indicators import talib_bridge
from tradebot.indicators.arithmetic import ELEMENTWISE
from tradebot.indicators.node import CROSS_SECTION, Node, Op, label, order
from tradebot.indicators.opens import HOME, Opens
from tradebot.indicators.sessions import OpeningState, VwapState
from tradebot.indicators.timeframes import HoldState, LongerLagState, ResampleState

BAR_ROW = {name: i for i, name in enumerate(talib_bridge.COLUMNS)}  # column -> its row in a (5, n) array of bars


class Plan:
    """The nodes of `roots` in evaluation order; a node that several roots need stands once.

    `args[i]` are the positions of the arguments of `nodes[i]`. `interval` is the length of the bars in ns; only plans
    with longer bars need it. `opens` is when the sessions of the bars' exchange open. Raises ConfigError where longer
    bars are not made of whole bars.
    """

    def __init__(self, roots: Iterable[Node], *, interval: int | None = None, opens: Opens = HOME) -> None:
        self.roots = tuple(roots)
        self.interval, self.opens = interval, opens
        self.nodes = order(self.roots)
        self.position = {n: i for i, n in enumerate(self.nodes)}
        self.args = [tuple(self.position[a] for a in n.args) for n in self.nodes]
        self.is_cross_sectional = any(n.op in CROSS_SECTION for n in self.nodes)
        for n in self.nodes:
            if n.op is Op.RESAMPLE and not (interval and n.params[0] > interval and n.params[0] % interval == 0):
                bars = f"bars of {interval / SECOND:g} s" if interval else "bars of unknown length"
                raise ConfigError(f"a rule needs bars of {label(n)}, which cannot be made of {bars}")

    def __len__(self) -> int:
        return len(self.nodes)


Value = Floats | tuple[Floats, ...]  # a TA node has one column per output, every other node one column


class Values:
    """What a plan gave: one column per expression."""

    __slots__ = ("_plan", "_values")

    def __init__(self, plan: Plan, values: Sequence[Value]) -> None:
        self._plan, self._values = plan, values

    def __getitem__(self, expression: Node) -> Floats:
        """Return the column of an expression of the plan. Raises KeyError for one that is not in it."""
        value = self._values[self._plan.position[expression]]
        assert not isinstance(value, tuple), f"{expression} has several columns"
        return value


def columns(values: Sequence[Value], args: tuple[int, ...]) -> list[Floats]:
    """Return the argument columns of a node."""
    found = [values[i] for i in args]
    assert not any(isinstance(v, tuple) for v in found), "only a pick may take a node of several columns"
    return found  # type: ignore[return-value]


def batch(plan: Plan, bars: Floats, starts: Ints) -> Values:
    """Evaluate over the history of one symbol: `bars` (5, n) open, high, low, close, volume; `starts` (n,) market ns.

    Row t of every value depends on rows 0..t only. A plan that compares symbols needs them together: `panel`.
    """
    assert not plan.is_cross_sectional, "a plan over the symbols of a close is evaluated by panel()"
    values: list[Value] = []
    with np.errstate(all="ignore"):
        for expression, args in zip(plan.nodes, plan.args, strict=True):
            values.append(batch_node(plan, expression, args, values, bars, starts))
    return Values(plan, values)


def batch_node(
    plan: Plan, expression: Node, args: tuple[int, ...], values: Sequence[Value], bars: Floats, starts: Ints
) -> Value:
    """Compute one node of a plan over the history of one symbol, from the values of the nodes before it."""
    op, params = expression.op, expression.params
    match op:
        case Op.TA:
            return talib_bridge.batch(params[0], params[1], columns(values, args))
        case Op.LAG if len(args) == 1:
            return shift(columns(values, args)[0], params[0])
        case Op.LAG:
            return LongerLagState(params[0], 1).fill(0, starts, columns(values, args))
        case Op.HOLD:
            return HoldState(1).fill(0, starts, columns(values, args))
        case Op.RESAMPLE:
            assert plan.interval is not None, "a plan with longer bars knows its interval"
            return ResampleState(params, plan.interval, 1, plan.opens).fill(0, starts, columns(values, args))
        case Op.OPENING_HIGH | Op.OPENING_LOW:
            state = OpeningState(params, 1, plan.opens, is_high=op is Op.OPENING_HIGH)
            return state.fill(0, starts, columns(values, args))
        case Op.SESSION_VWAP:
            return VwapState(params, 1, plan.opens).fill(0, starts, columns(values, args))
        case _:
            return stateless(expression, args, values, bars)


def stateless(expression: Node, args: tuple[int, ...], values: Sequence[Value], bars: Floats) -> Value:
    """Compute a node without memory from the columns of its arguments; a column may run over time or over symbols."""
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
            return ELEMENTWISE[expression.op](*columns(values, args))


def shift(column: Floats, bars: int) -> Floats:
    """Return the column `bars` rows later, NaN first."""
    late = np.full(len(column), np.nan)
    late[bars:] = column[:-bars]
    return late
