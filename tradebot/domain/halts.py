"""Standing halts: the fold of `halt`, `flatten` and `resume`, by scope; the desk and the recovery share it."""

from __future__ import annotations

from collections.abc import Iterable

from tradebot.domain.commands import CommandVerb, HaltExpiry, Scope
from tradebot.domain.messages import Command

VERB_STRENGTH = {CommandVerb.HALT: 1, CommandVerb.FLATTEN: 2}


class Halts:
    """The halts in force by scope and by how long they last; one never softens or shortens another.

    A `resume` lifts its own scope, that of everything lifts them all; the end of a session lifts what a rule called
    for the session.
    """

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._standing: dict[tuple[Scope, HaltExpiry], Command] = {}  # (scope, until) -> the command that stands
        self.is_empty = True  # asked of every order and tick
        self.flatten_ids: set[str] = set()  # the id of every flatten so far
        for command in commands:
            self.apply_command(command)

    def apply_command(self, command: Command) -> None:
        """Take a command; one does not soften a stronger one. `stop` changes nothing."""
        if command.verb == CommandVerb.RESUME:
            if command.scope.is_account_wide:
                self._standing.clear()
            for until in HaltExpiry:
                self._standing.pop((command.scope, until), None)
        elif command.verb in VERB_STRENGTH:
            if command.verb == CommandVerb.FLATTEN:
                self.flatten_ids.add(command.id)
            key = command.scope, command.until
            before = self._standing.get(key)
            if before is None or VERB_STRENGTH[command.verb] >= VERB_STRENGTH[before.verb]:
                self._standing[key] = command
        self.is_empty = not self._standing

    def lift_session_halts(self) -> tuple[Command, ...]:
        """Lift the halts of the session that is over and return them."""
        over = tuple(command for command in self._standing.values() if command.until is HaltExpiry.SESSION)
        for command in over:
            del self._standing[command.scope, command.until]
        self.is_empty = not self._standing
        return over

    def __bool__(self) -> bool:
        return bool(self._standing)

    @property
    def active_commands(self) -> tuple[Command, ...]:
        """The commands in force, in the order in which they came."""
        return tuple(self._standing.values())

    @property
    def global_reason(self) -> str:
        """Why nothing may be opened anywhere, empty when something may."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if c.scope.is_account_wide), "")

    @property
    def active_flattens(self) -> tuple[Command, ...]:
        """The commands in force by which positions are closed, in the order in which they came."""
        return tuple(command for command in self._standing.values() if command.verb == CommandVerb.FLATTEN)

    def is_flattened_by(self, control: str) -> bool:
        """True while positions are closed by the rule `control`."""
        return any(command.control == control for command in self.active_flattens)

    def reason_for(self, symbol: str, strategy: str = "") -> str:
        """Why `strategy` may open nothing in `symbol`, empty when it may."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if c.scope.covers_order(symbol, strategy)), "")

    def has_scope(self, scope: Scope) -> bool:
        """True while a halt of exactly this scope stands."""
        return any((scope, until) in self._standing for until in HaltExpiry)


def surviving_session(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Return those commands in force that hold beyond the session in which they were given."""
    return tuple(command for command in commands if command.until is not HaltExpiry.SESSION)


def _reason(command: Command) -> str:
    return command.reason or {CommandVerb.FLATTEN: "flattened"}.get(command.verb, "halted")
