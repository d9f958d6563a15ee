"""Commands: halts and their end, flatten, stop; from a person or from the desk's own rules, carried out at once."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.domain.control import EVERYTHING, Scope, Until, Verb
from tradebot.domain.messages import Command
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.ordering import Ordering


class Commands:
    """Carries commands out. `note` takes each one that changes what stands, to be journaled before what follows it."""

    def __init__(
        self, *, blotter: Blotter, conditions: Conditions, ordering: Ordering, exits: Exits, on_stop: str,
        note: Callable[[Command], None],
    ) -> None:  # fmt: skip
        self._blotter, self._conditions, self._ordering, self._exits = blotter, conditions, ordering, exits
        self._on_stop, self._note = on_stop, note

    def take(self, command: Command) -> None:
        """Carry out a command of an operator."""
        match command.verb:
            case Verb.STOP:
                self._stop()
            case Verb.HALT:
                self._stand(command)
            case Verb.FLATTEN if command.id in self._conditions.halts.flattened:
                pass  # the same command again
            case Verb.FLATTEN:
                self._stand(command)
                self._exits.close_all(command.reason)
            case Verb.RESUME:
                self._conditions.halts.apply(command)
                self._note(command)
            case _:
                raise AssertionError(f"the desk does not know the command {command.verb}")

    def halt(
        self, reason: str, scope: Scope = EVERYTHING, *, control: str, until: Until = Until.RESUME
    ) -> None:  # fmt: skip
        """Let nothing of `scope` be opened by the rule `control`; entries that work there are taken back."""
        self._stand(Command(verb=Verb.HALT, reason=reason, scope=scope, control=control, until=until))

    def close_out(self, reason: str, *, control: str, id_: str) -> None:
        """Let nothing be opened for the session, and close what the rule `control` says; `id_` is its command's."""
        self._stand(Command(verb=Verb.FLATTEN, reason=reason, id=id_, control=control, until=Until.SESSION))

    def halt_once(self, reason: str, scope: Scope, *, control: str) -> None:
        """Halt by a rule of the desk what is not halted by itself; a halt of everything may end before this one."""
        if not self._conditions.halts.has(scope):
            self.halt(reason, scope, control=control)

    def _stop(self) -> None:
        self._conditions.stopping = True
        for order in self._blotter.live():
            if self._on_stop == "cancel" or (self._on_stop == "flatten" and not order.request.purpose.is_exit):
                self._ordering.cancel(order, "the daemon is stopping")
        if self._on_stop == "flatten":
            self._exits.close_all("the daemon is stopping")

    def _stand(self, command: Command) -> None:
        self._conditions.halts.apply(command)
        self._note(command)
        for order in self._blotter.live():
            if not order.request.purpose.is_exit and command.scope.covers(order.symbol, order.request.strategy):
                self._ordering.cancel(order, "halted")
