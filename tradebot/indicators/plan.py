"""A plan: the nodes some expressions need, in the order to compute them; and the batch evaluation over arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tradebot.domain.market import Floats, Ints
from tradebot.indicators import talib_bridge
from tradebot.indicators.arithmetic import ELEMENTWISE
from tradebot.indicators.node import Node, Op, order
from tradebot.indicators.sessions import OpeningState, VwapState

BAR_ROW = {name: i for i, name in enumerate(talib_bridge.COLUMNS)}  # column -> its row in a (5, n) array of bars


class Plan:
    """The nodes of `roots` in evaluation order; a node that several roots need stands once.

    `args[i]` are the positions of the arguments of `nodes[i]`.
    """

    def __init__(self, roots: Iterable[Node]) -> None:
        self.roots = tuple(roots)
        self.nodes = order(self.roots)
        self.position = {n: i for i, n in enumerate(self.nodes)}
        self.args = [tuple(self.position[a] for a in n.args) for n in self.nodes]

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

    Row t of every value depends on rows 0..t only.
    """
    values: list[Value] = []
    with np.errstate(all="ignore"):
        for expression, args in zip(plan.nodes, plan.args, strict=True):
            values.append(_batch_node(expression, args, values, bars, starts))
    return Values(plan, values)


def _batch_node(expression: Node, args: tuple[int, ...], values: list[Value], bars: Floats, starts: Ints) -> Value:
    op, params = expression.op, expression.params
    match op:
        case Op.TA:
            return talib_bridge.batch(params[0], params[1], columns(values, args))
        case Op.LAG:
            return shift(columns(values, args)[0], params[0])
        case Op.OPENING_HIGH | Op.OPENING_LOW:
            return OpeningState(params, 1, is_high=op is Op.OPENING_HIGH).fill(0, starts, columns(values, args))
        case Op.SESSION_VWAP:
            return VwapState(params, 1).fill(0, starts, columns(values, args))
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
