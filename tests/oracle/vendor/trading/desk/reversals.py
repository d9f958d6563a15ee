"""Reversals: entries of the other side that wait until the exit before them has made their symbol flat."""

from __future__ import annotations

from tradebot.domain.messages import Signal
from tradebot.domain.order import Purpose
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.ordering import Ordering


class Reversals:
    """The entries that wait, one a symbol, at most `max_age` ns. A process that starts again has forgotten them.

    An entry becomes an order when its symbol is flat, with what the market is then: its size and the gate's answer are
    of that moment.
    """

    def __init__(
        self, *, blotter: Blotter, conditions: Conditions, exits: Exits, ordering: Ordering, max_age: int
    ) -> None:  # fmt: skip
        self._blotter, self._conditions, self._exits, self._ordering = blotter, conditions, exits, ordering
        self._max_age = max_age
        self.waiting: dict[str, tuple[Signal, int]] = {}  # symbol -> the entry, and the mono from which it ages
        self.late = 0  # entries dropped because their exit took too long

    def wait(self, signal: Signal) -> bool:
        """Keep an entry against a position that is being closed; False for any other, which is not kept.

        What the clock or an operator closes is not to be followed by anything.
        """
        position, wanted = self._blotter.open.get(signal.symbol), self._exits.wanted.get(signal.symbol)
        if position is None or wanted is None or wanted[0] is Purpose.FLATTEN:
            return False
        if position.quantity * signal.action.side.sign > 0:
            return False
        self.waiting[signal.symbol] = signal, signal.quoted_at
        return True

    def skip_to(self, mono: int) -> None:
        """Let it be `mono` after a time in which nothing could trade: no entry ages by it."""
        ns = mono - self._conditions.mono
        self.waiting = {symbol: (signal, since + ns) for symbol, (signal, since) in self.waiting.items()}

    def drop(self, symbol: str) -> None:
        """Drop the entry of a symbol whose exit was not filled in time."""
        if self.waiting.pop(symbol, None) is not None:
            self.late += 1

    def follow(self) -> None:
        """Drop the entries that are too old, and send those whose symbols are flat now."""
        blotter, wanted, mono = self._blotter, self._exits.wanted, self._conditions.mono
        for symbol, (signal, since) in list(self.waiting.items()):
            if mono - since > self._max_age:
                self.drop(symbol)
            elif symbol not in blotter.open and symbol not in wanted and not blotter.exposure.has_live(symbol):
                del self.waiting[symbol]
                self._ordering.enter(signal)
