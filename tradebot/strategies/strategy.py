"""What a strategy is: parameters, rules over expressions, and `decide` for what rules cannot express."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, overload

from tradebot.domain.market import Bar
from tradebot.domain.message import Message
from tradebot.domain.messages import Action
from tradebot.indicators.expressions import Bars
from tradebot.indicators.node import Node, Operand, hold

T = TypeVar("T")


class Param(Generic[T]):
    """A parameter of a strategy with its default and its bounds, both inclusive. Read it as `self.name`."""

    def __init__(self, default: T, *, low: T | None = None, high: T | None = None, choices: tuple[T, ...] = ()) -> None:
        self.default, self.low, self.high, self.choices = default, low, high, choices
        self.name = ""
        self.validate_value(default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = instance.__dict__[self.name]
        return value

    def __set__(self, instance: object, value: T) -> None:
        raise AttributeError(f"parameter {self.name} is set when the strategy is loaded, not later")

    def validate_value(self, value: object) -> T:
        """Return `value` in the type of the default. Raises ValueError that says what is allowed."""
        kind = type(self.default)
        number: Any = value  # a numpy number is one too
        if kind is float and isinstance(value, Decimal):  # as the config keeps a fraction
            value = float(value)
        elif isinstance(number, Real) and type(value) is not bool:
            value = float(number) if kind is float else int(number) if isinstance(number, Integral) else value
        if type(value) is not kind:
            raise ValueError(f"must be a {kind.__name__}, was {value!r}")
        checked: Any = value
        if self.choices and checked not in self.choices:
            raise ValueError(f"must be one of {', '.join(map(repr, self.choices))}, was {checked!r}")
        low_ok = self.low is None or checked >= self.low
        high_ok = self.high is None or checked <= self.high
        if not (low_ok and high_ok):
            raise ValueError(f"must be {self.bounds_text}, was {checked!r}")
        return checked  # type: ignore[no-any-return]

    @property
    def bounds_text(self) -> str:
        """The bounds as text."""
        if self.low is not None and self.high is not None:
            return f"from {self.low} to {self.high}"
        return f"at least {self.low}" if self.low is not None else f"at most {self.high}"


LevelExpression = Node | float | int | tuple[Operand, Operand]  # one expression, or one for long and one for short


class Rules:
    """What `rules()` returns: when to enter and exit, and the levels of stops and targets, as expressions.

    An entry is signalled where its expression is true, its exit is not, and every level given for it is a finite
    number. So no position begins without the stop its rules ask for. A level may be a pair (long, short). `stop_loss`
    and `target` are prices, `trail_by` is a distance. A level computed from longer bars keeps its value between them.
    The desk ignores an entry into a position that is already open.
    """

    def __init__(
        self,
        *,
        enter_long: Node | None = None,
        exit_long: Node | None = None,
        enter_short: Node | None = None,
        exit_short: Node | None = None,
        stop_loss: LevelExpression | None = None,
        trail_by: LevelExpression | None = None,
        target: LevelExpression | None = None,
    ) -> None:
        given = {
            Action.EXIT_LONG: exit_long,
            Action.EXIT_SHORT: exit_short,
            Action.ENTER_LONG: enter_long,
            Action.ENTER_SHORT: enter_short,
        }
        self.when: dict[Action, Node] = {
            action: _expression(action.value, when) for action, when in given.items() if when is not None
        }
        levels = {"stop_loss": stop_loss, "trail_by": trail_by, "target": target}
        self.protection: dict[Action, dict[str, Node]] = {
            action: {
                name: hold(level[side] if isinstance(level, tuple) else level)
                for name, level in levels.items()
                if level is not None
            }
            for side, action in enumerate((Action.ENTER_LONG, Action.ENTER_SHORT))
        }

    @property
    def root_nodes(self) -> list[Node]:
        """All expressions of the rules."""
        return [*self.when.values(), *(node for levels in self.protection.values() for node in levels.values())]


def _expression(name: str, value: object) -> Node:
    if not isinstance(value, Node):
        raise TypeError(f"{name} must be an expression, was {value!r}")
    return value


class Holding(NamedTuple):
    """What the strategy holds of its symbol: signed quantity and average price, both 0 when flat."""

    quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)

    @property
    def is_flat(self) -> bool:
        """True when nothing is held."""
        return self.quantity == 0


class Intent(Message, frozen=True):
    """A signal that `decide` returns. With `quantity` None the desk chooses the size; prices may be Decimal or float.

    `inputs` are the values behind the decision, shown where the trade is explained.
    """

    action: Action
    quantity: Decimal | float | None = None
    stop_loss: Decimal | float | None = None
    trail_by: Decimal | float | None = None
    target: Decimal | float | None = None
    inputs: dict[str, float] = {}


class Strategy:
    """A trading idea. Subclass it, declare `Param`s, and write `rules`, `decide`, or both.

    `rules` is called on one object for all symbols, `decide` on one object per symbol, which may keep state in `self`.
    The code runs in a worker process: no sockets, no clock, no other symbols. An exception disables the strategy for
    that symbol.
    """

    params: ClassVar[Mapping[str, Param[Any]]] = {}
    takes_frames: ClassVar[bool] = False  # True for a FrameStrategy; can be read without importing pandas

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Param)}
        inherited = {name: value for name, value in cls.params.items() if name not in vars(cls)}
        cls.params = inherited | own

    def __new__(cls, **values: object) -> Self:
        made = super().__new__(cls)
        for name, param in cls.params.items():
            made.__dict__[name] = values.get(name, param.default)
        return made

    def __init__(self) -> None:
        """Prepare the state of the strategy. Its parameters are set already, checked by `load_strategy`."""

    def rules(self, bars: Bars) -> Rules | None:
        """Return the rules over `bars`, built once for all symbols."""
        return None

    def decide(self, bar: Bar, now: int, position: Holding) -> Intent | Iterable[Intent] | None:
        """Return what to do after `bar` closed at `now` (market ns) with `position` held.

        Called for every bar of the symbol, oldest first, including the bars of the warm-up. For these the result is
        dropped and the position is flat.
        """
        return None
