"""An expression over bars: immutable nodes, one object per distinct expression; the evaluators compute them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any
from weakref import WeakValueDictionary


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


class Node:
    """One expression. Build it with operators and the functions of this package, never change it.

    Two equal expressions are the same object, so a plan computes each once. `==` compares identity; use `>=` and `<=`
    for prices. `and`, `or`, `not` cannot be overloaded in Python and raise TypeError: write `&`, `|`, `~`.
    """

    __slots__ = ("__weakref__", "args", "op", "params")

    op: Op
    args: tuple[Node, ...]
    params: tuple[Any, ...]

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value; write & | ~ instead of and, or, not")

    def __reduce__(self) -> tuple[object, ...]:
        return node, (self.op, self.args, self.params)

    def __repr__(self) -> str:
        return label(self)

    def __add__(self, other: Operand) -> Node:
        return node(Op.ADD, (self, as_node(other)))

    def __radd__(self, other: Operand) -> Node:
        return node(Op.ADD, (as_node(other), self))

    def __sub__(self, other: Operand) -> Node:
        return node(Op.SUB, (self, as_node(other)))

    def __rsub__(self, other: Operand) -> Node:
        return node(Op.SUB, (as_node(other), self))

    def __mul__(self, other: Operand) -> Node:
        return node(Op.MUL, (self, as_node(other)))

    def __rmul__(self, other: Operand) -> Node:
        return node(Op.MUL, (as_node(other), self))

    def __truediv__(self, other: Operand) -> Node:
        return node(Op.DIV, (self, as_node(other)))

    def __rtruediv__(self, other: Operand) -> Node:
        return node(Op.DIV, (as_node(other), self))

    def __neg__(self) -> Node:
        return node(Op.NEG, (self,))

    def __abs__(self) -> Node:
        return node(Op.ABS, (self,))

    def __gt__(self, other: Operand) -> Node:
        return node(Op.GT, (self, as_node(other)))

    def __ge__(self, other: Operand) -> Node:
        return node(Op.GE, (self, as_node(other)))

    def __lt__(self, other: Operand) -> Node:
        return node(Op.LT, (self, as_node(other)))

    def __le__(self, other: Operand) -> Node:
        return node(Op.LE, (self, as_node(other)))

    def __and__(self, other: Operand) -> Node:
        return node(Op.AND, (self, as_node(other)))

    def __or__(self, other: Operand) -> Node:
        return node(Op.OR, (self, as_node(other)))

    def __invert__(self) -> Node:
        return node(Op.NOT, (self,))


Operand = Node | int | float

_nodes: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


def node(op: Op, args: tuple[Node, ...] = (), params: tuple[Any, ...] = ()) -> Node:
    """Return the one node of this expression."""
    # repr tells 1 from 1.0 and 0.0 from -0.0, which are equal as dict keys and are not the same number to TA-Lib.
    key = (op, *map(id, args), repr(params))
    found = _nodes.get(key)
    if found is None:
        found = Node()
        found.op, found.args, found.params = op, args, params
        _nodes[key] = found
    return found


def as_node(value: Operand) -> Node:
    """Return `value` as a node. Raises TypeError for what is neither an expression nor a number."""
    if isinstance(value, Node):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"an expression cannot be combined with {type(value).__name__} {value!r}")
    return node(Op.NUMBER, (), (float(value),))


def order(roots: Iterable[Node]) -> list[Node]:
    """Return every node the roots need, arguments before their users, in an order that depends on the roots only."""
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


def label(expression: Node) -> str:
    """Format for people: `EMA(close, 12) > 20`."""
    op, args, params = expression.op, expression.args, expression.params
    match op:
        case Op.BAR:
            return str(params[0])
        case Op.NUMBER:
            return f"{params[0]:g}"
        case Op.PICK:
            suffix = f".{params[1]}" if params[1] else ""
            return label(args[0]) + suffix
        case Op.TA:
            name, given = params[0], params[1]
            return f"{name}({', '.join([label(a) for a in args] + [f'{value:g}' for _, value in given])})"
        case Op.LAG | Op.OPENING_HIGH | Op.OPENING_LOW | Op.SESSION_VWAP | Op.MIN | Op.MAX | Op.ABS:
            shown = [] if op in (Op.OPENING_HIGH, Op.OPENING_LOW, Op.SESSION_VWAP) else [label(a) for a in args]
            return f"{op.value}({', '.join(shown + [str(p) for p in params[:1]])})"
        case Op.NEG | Op.NOT:
            return f"{'-' if op is Op.NEG else '~'}{label(args[0])}"
        case _:
            return f"({label(args[0])} {op.value} {label(args[1])})"


def named(root: Node) -> Iterator[Node]:
    """Yield the indicators a rule looks at: the first named values met on every way down, each once."""
    seen: set[Node] = set()
    waiting = [root]
    while waiting:
        top = waiting.pop()
        if top in seen:
            continue
        seen.add(top)
        if top.op in (Op.PICK, Op.SESSION_VWAP, Op.OPENING_HIGH, Op.OPENING_LOW):
            yield top
        else:
            waiting.extend(reversed(top.args))
