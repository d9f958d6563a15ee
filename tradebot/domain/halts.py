"""Standing halts: the fold of `halt`, `reduce`, `flatten` and `resume`, by scope; the desk and the recovery share it.

All let only orders pass that reduce a position, until a person resumes; `halt` also takes the entries back that work,
and `flatten` closes every position as well, those of late fills too.

Scopes are `all`, `account`, `symbol:X` and `strategy:Y`; one that is none of these holds for everything, since a
halt that cannot be read must not be a halt that is missed.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradebot.domain.messages import Command
from tradebot.domain.order import OrderRequest

EVERYTHING = "all"
NARROW = ("symbol:", "strategy:")
STRENGTH = {"reduce": 1, "halt": 2, "flatten": 3}
OF_ONE_DAY = "max_daily_loss"  # in the reason of a halt: the loss of a day counts on no other


class Halts:
    """The halts in force by scope; a `resume` lifts its own scope, that of everything lifts them all."""

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._standing: dict[str, Command] = {}  # scope -> the command that stands
        self.are_none = True  # asked of every order and tick
        self.flattened: set[str] = set()  # the id of every flatten so far
        for command in commands:
            self.apply(command)

    def apply(self, command: Command) -> None:
        """Take a command; one does not soften a stronger one of the same scope. Other verbs change nothing."""
        if command.verb == "resume":
            if is_wide(command.scope):
                self._standing.clear()
            self._standing.pop(command.scope, None)
        elif command.verb in STRENGTH:
            if command.verb == "flatten":
                self.flattened.add(command.id)
            before = self._standing.get(command.scope)
            if before is None or STRENGTH[command.verb] >= STRENGTH[before.verb]:
                self._standing[command.scope] = command
        self.are_none = not self._standing

    def __bool__(self) -> bool:
        return bool(self._standing)

    @property
    def standing(self) -> tuple[Command, ...]:
        """The commands in force, in the order in which they came."""
        return tuple(self._standing.values())

    @property
    def of_all(self) -> str:
        """Why nothing may be opened anywhere, empty when something may."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if is_wide(c.scope)), "")

    @property
    def flattening(self) -> str:
        """Why every position is being closed, empty when none is."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if c.verb == "flatten"), "")

    def of(self, symbol: str, strategy: str = "") -> str:
        """Why `strategy` may open nothing in `symbol`, empty when it may."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if _covers(c.scope, symbol, strategy)), "")

    def has(self, scope: str) -> bool:
        return scope in self._standing


def lasting(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Return those commands in force that hold on the days after theirs, too."""
    return tuple(command for command in commands if OF_ONE_DAY not in command.reason)


def is_wide(scope: str) -> bool:
    """True for a scope that holds for everything."""
    return not scope.startswith(NARROW)


def covers(scope: str, request: OrderRequest) -> bool:
    """True when an order lies in `scope`."""
    return _covers(scope, request.symbol, request.strategy)


def _covers(scope: str, symbol: str, strategy: str) -> bool:
    return is_wide(scope) or scope == f"symbol:{symbol}" or (bool(strategy) and scope == f"strategy:{strategy}")


def _reason(command: Command) -> str:
    return command.reason or {"halt": "halted", "flatten": "flattened"}.get(command.verb, "reducing only")
