"""The halts in force, by scope, reduced from the commands `halt`, `flatten` and `resume`; for desk and recovery."""

from __future__ import annotations

from collections.abc import Iterable

from tradebot.domain.commands import CommandVerb, HaltExpiry, Scope
from tradebot.domain.messages import Command

VERB_STRENGTH = {CommandVerb.HALT: 1, CommandVerb.FLATTEN: 2}


class Halts:
    """The halts in force by scope and expiry, with flattens among them; a new halt never weakens or shortens another.

    A `resume` lifts the halts of its own scope; an account-wide `resume` lifts all. The end of a session lifts the
    halts that a rule called for that session only.
    """

    def __init__(self, commands: Iterable[Command] = ()) -> None:
        self._standing: dict[tuple[Scope, HaltExpiry], Command] = {}  # (scope, until) -> the command in force
        self.is_empty = True  # an attribute, because every order and tick reads it
        self.flatten_ids: set[str] = set()  # ids of all flattens so far
        for command in commands:
            self.apply_command(command)

    def apply_command(self, command: Command) -> None:
        """Apply a command. A weaker command leaves a stronger one in force; `stop` changes nothing."""
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
        """Lift the halts of the session that ended, and return them."""
        over = tuple(command for command in self._standing.values() if command.until is HaltExpiry.SESSION)
        for command in over:
            del self._standing[command.scope, command.until]
        self.is_empty = not self._standing
        return over

    def __bool__(self) -> bool:
        return bool(self._standing)

    @property
    def active_commands(self) -> tuple[Command, ...]:
        """Return the commands in force, oldest first."""
        return tuple(self._standing.values())

    @property
    def global_reason(self) -> str:
        """Return why no position may be opened anywhere, "" when no account-wide halt is in force."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if c.scope.is_account_wide), "")

    @property
    def active_flattens(self) -> tuple[Command, ...]:
        """Return the flatten commands in force, oldest first."""
        return tuple(command for command in self._standing.values() if command.verb == CommandVerb.FLATTEN)

    def is_flattened_by(self, control: str) -> bool:
        """Return True while a flatten of the rule `control` is in force."""
        return any(command.control == control for command in self.active_flattens)

    def reason_for(self, symbol: str, strategy: str = "") -> str:
        """Return why `strategy` may open no position in `symbol`, "" when it may."""
        if not self._standing:
            return ""
        return next((_reason(c) for c in self._standing.values() if c.scope.covers_order(symbol, strategy)), "")

    def has_scope(self, scope: Scope) -> bool:
        """Return True while a halt of exactly this scope is in force."""
        return any((scope, until) in self._standing for until in HaltExpiry)


def surviving_session(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Return the commands that stay in force after the session in which they were given."""
    return tuple(command for command in commands if command.until is not HaltExpiry.SESSION)


def _reason(command: Command) -> str:
    return command.reason or {CommandVerb.FLATTEN: "flattened"}.get(command.verb, "halted")
