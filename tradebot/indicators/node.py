"""An expression over bars: immutable nodes, one object per distinct expression; the evaluators compute them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any
from weakref import WeakValueDictionary

from tradebot.clock import DAY, HOUR, MINUTE, SECOND
from tradebot.indicators.session_opens import Anchor


class Op(StrEnum):
    """What a node computes from its arguments.

    A truth value is 1.0, 0.0 or NaN for "not known yet"; a rule fires on 1.0 only. AND is known to be false when one
    side is, OR is known to be true when one side is; everything else with an unknown part is unknown.
    """

    BAR = "bar"
    NUMBER = "number"
    TA = "ta"
    PICK = "pick"
    LAG = "lag"
    OPENING_HIGH = "opening_high"
    OPENING_LOW = "opening_low"
    SESSION_VWAP = "session_vwap"
    RESAMPLE = "resample"
    HOLD = "hold"
    RANK = "rank"
    ZSCORE = "zscore"
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    NEG = "neg"
    ABS = "abs"
    MIN = "minimum"
    MAX = "maximum"
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    AND = "&"
    OR = "|"
    NOT = "~"


CROSS_SECTIONAL_OPS = frozenset({Op.RANK, Op.ZSCORE})  # a symbol's value depends on the other symbols of the close
# People see these as indicators.
NAMED_OPS = frozenset({Op.PICK, Op.SESSION_VWAP, Op.OPENING_HIGH, Op.OPENING_LOW}) | CROSS_SECTIONAL_OPS

Timeframe = tuple[int, Anchor]  # length of the longer bars in ns, and when their session begins
BASE_TIMEFRAME: Timeframe = (0, 0)  # the timeframe of the base bars, as they come
NO_TIMEFRAME: Timeframe = (-1, 0)  # the timeframe of numbers, which go with any other


class Node:
    """One expression. Build it with operators and the functions of this package, never change it.

    Two equal expressions are the same object, so a plan computes each once. `==` compares identity; use `>=` and `<=`
    for prices. `and`, `or`, `not` cannot be overloaded in Python and raise TypeError: write `&`, `|`, `~`.

    `timeframe` says which bars it belongs to: an expression of longer bars has a value at the row that closes one and
    NaN at the rows between.
    """

    __slots__ = ("__weakref__", "args", "op", "params", "timeframe")

    op: Op
    args: tuple[Node, ...]
    params: tuple[Any, ...]
    timeframe: Timeframe

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value; write & | ~ instead of and, or, not")

    def __reduce__(self) -> tuple[object, ...]:
        return intern_node, (self.op, self.args, self.params)

    def __repr__(self) -> str:
        return expression_text(self)

    def __add__(self, other: Operand) -> Node:
        return intern_node(Op.ADD, (self, as_node(other)))

    def __radd__(self, other: Operand) -> Node:
        return intern_node(Op.ADD, (as_node(other), self))

    def __sub__(self, other: Operand) -> Node:
        return intern_node(Op.SUB, (self, as_node(other)))

    def __rsub__(self, other: Operand) -> Node:
        return intern_node(Op.SUB, (as_node(other), self))

    def __mul__(self, other: Operand) -> Node:
        return intern_node(Op.MUL, (self, as_node(other)))

    def __rmul__(self, other: Operand) -> Node:
        return intern_node(Op.MUL, (as_node(other), self))

    def __truediv__(self, other: Operand) -> Node:
        return intern_node(Op.DIV, (self, as_node(other)))

    def __rtruediv__(self, other: Operand) -> Node:
        return intern_node(Op.DIV, (as_node(other), self))

    def __neg__(self) -> Node:
        return intern_node(Op.NEG, (self,))

    def __abs__(self) -> Node:
        return intern_node(Op.ABS, (self,))

    def __gt__(self, other: Operand) -> Node:
        return intern_node(Op.GT, (self, as_node(other)))

    def __ge__(self, other: Operand) -> Node:
        return intern_node(Op.GE, (self, as_node(other)))

    def __lt__(self, other: Operand) -> Node:
        return intern_node(Op.LT, (self, as_node(other)))

    def __le__(self, other: Operand) -> Node:
        return intern_node(Op.LE, (self, as_node(other)))

    def __and__(self, other: Operand) -> Node:
        return intern_node(Op.AND, (self, as_node(other)))

    def __or__(self, other: Operand) -> Node:
        return intern_node(Op.OR, (self, as_node(other)))

    def __invert__(self) -> Node:
        return intern_node(Op.NOT, (self,))


Operand = Node | int | float

_nodes: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


def intern_node(op: Op, args: tuple[Node, ...] = (), params: tuple[Any, ...] = ()) -> Node:
    """Return the one node of this expression; if its arguments have different timeframes, the longer ones are held."""
    if len({arg.timeframe for arg in args if arg.timeframe != NO_TIMEFRAME}) > 1 and op is not Op.HOLD:
        args = tuple(map(hold, args))
    # repr distinguishes 1 from 1.0 and 0.0 from -0.0: they are equal as dict keys, but not the same to TA-Lib.
    key = (op, *map(id, args), repr(params))
    found = _nodes.get(key)
    if found is None:
        found = Node()
        found.op, found.args, found.params = op, args, params
        found.timeframe = _timeframe(op, args, params)
        _nodes[key] = found
    return found


def _timeframe(op: Op, args: tuple[Node, ...], params: tuple[Any, ...]) -> Timeframe:
    match op:
        case Op.RESAMPLE:
            length, anchor = params
            return length, anchor
        case Op.BAR | Op.HOLD:
            return BASE_TIMEFRAME
        case _:
            return next((arg.timeframe for arg in args if arg.timeframe != NO_TIMEFRAME), NO_TIMEFRAME)


def hold(x: Operand) -> Node:
    """Return a value of longer bars as it stands at every row: that of the last closed bar, NaN before any.

    A value of the base bars is returned as it is. Call it only where a rule would otherwise fire at the close of the
    longer bar alone: an expression that mixes timeframes holds by itself.
    """
    x = as_node(x)
    return intern_node(Op.HOLD, (x, longer_close(x.timeframe))) if is_longer_timeframe(x) else x


def is_longer_timeframe(x: Node) -> bool:
    """Return whether an expression belongs to longer bars than the base bars."""
    return x.timeframe not in (BASE_TIMEFRAME, NO_TIMEFRAME)


def longer_close(timeframe: Timeframe) -> Node:
    """Return the close of the longer bars: a number at the rows that close one, NaN at all others."""
    bars = tuple(intern_node(Op.BAR, (), (name,)) for name in ("open", "high", "low", "close", "volume"))
    return intern_node(Op.PICK, (intern_node(Op.RESAMPLE, bars, timeframe),), (3, "close"))


def as_node(value: Operand) -> Node:
    """Return `value` as a node. Raises TypeError if it is neither an expression nor a number."""
    if isinstance(value, Node):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"an expression cannot be combined with {type(value).__name__} {value!r}")
    return intern_node(Op.NUMBER, (), (float(value),))


def evaluation_order(roots: Iterable[Node]) -> list[Node]:
    """Return every node that the roots need, arguments before users, in an order that depends on the roots only."""
    done: dict[Node, None] = {}
    for root in roots:
        waiting = [root]
        while waiting:
            top = waiting[-1]
            missing = [arg for arg in reversed(top.args) if arg not in done]
            waiting.extend(missing)
            if not missing:
                done[waiting.pop()] = None
    return list(done)


def expression_text(expression: Node) -> str:
    """Return an expression as people read it: `EMA(close, 12) > 20`."""
    op, args, params = expression.op, expression.args, expression.params
    match op:
        case Op.BAR:
            return str(params[0])
        case Op.NUMBER:
            return f"{params[0]:g}"
        case Op.RESAMPLE:
            return _length(params[0])
        case Op.HOLD:
            return expression_text(args[0])
        case Op.PICK:
            suffix = f".{params[1]}" if params[1] else ""
            return expression_text(args[0]) + suffix
        case Op.TA:
            name, given = params[0], params[1]
            return f"{name}({', '.join([expression_text(a) for a in args] + [f'{value:g}' for _, value in given])})"
        case (
            Op.LAG | Op.OPENING_HIGH | Op.OPENING_LOW | Op.SESSION_VWAP | Op.MIN | Op.MAX | Op.ABS | Op.RANK | Op.ZSCORE
        ):
            shown = (
                [] if op in (Op.OPENING_HIGH, Op.OPENING_LOW, Op.SESSION_VWAP) else [expression_text(a) for a in args]
            )
            shown = shown[:1] if op is Op.LAG else shown
            told = [] if op is Op.SESSION_VWAP else [str(p) for p in params[:1]]
            return f"{op.value}({', '.join(shown + told)})" if shown or told else op.value
        case Op.NEG | Op.NOT:
            return f"{'-' if op is Op.NEG else '~'}{expression_text(args[0])}"
        case _:
            return f"({expression_text(args[0])} {op.value} {expression_text(args[1])})"


def _length(ns: int) -> str:
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns / SECOND:g}s"


def named_indicators(root: Node) -> Iterator[Node]:
    """Yield the indicators that a rule looks at: the first named value on every path from the root, each once."""
    seen: set[Node] = set()
    waiting = [root]
    while waiting:
        top = waiting.pop()
        if top in seen:
            continue
        seen.add(top)
        if top.op in NAMED_OPS or (top.op is Op.HOLD and top.args[0].op in NAMED_OPS):
            if top.args[0].op is not Op.RESAMPLE:  # a longer bar is a bar and no indicator
                yield top
        else:
            waiting.extend(reversed(top.args[:1] if top.op in (Op.HOLD, Op.LAG) else top.args))
