"""Commands of the operator: halt, resume, flatten, stop, and the cancel of one order."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import NOTHING, ApplyCommand, CancelOrder, ClosePositions, Decision, Decisions


class Commands:
    """Turns each command into decisions."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_command(self, command: Command) -> Decisions:
        """Carry out a command; a flatten only once for each id."""
        match command.verb:
            case CommandVerb.STOP:
                return self._stop_daemon()
            case CommandVerb.HALT | CommandVerb.RESUME:
                return (ApplyCommand(command),)
            case CommandVerb.FLATTEN:
                is_known = command.id in self._book.conditions.halts.flatten_ids
                return NOTHING if is_known else self._flatten(command)
            case CommandVerb.CANCEL:
                return (CancelOrder(command.id, command.reason or "cancelled by the operator"),)
        raise AssertionError(f"the desk does not know the command {command.verb}")

    def _flatten(self, command: Command) -> Iterator[Decision]:
        yield ApplyCommand(command)
        yield ClosePositions(self._book.open_symbols(), command.reason)

    def _stop_daemon(self) -> Iterator[Decision]:
        on_stop = self._book.settings.on_stop
        for order in self._book.blotter.live_orders():
            if order.waits_for_trigger:
                continue  # it is to hold while the daemon is down
            if on_stop == "cancel" or (on_stop == "flatten" and not order.request.purpose.is_exit):
                yield CancelOrder(order.order_id, "the daemon is stopping")
        if on_stop == "flatten":
            yield ClosePositions(self._book.open_symbols(), "the daemon is stopping")
