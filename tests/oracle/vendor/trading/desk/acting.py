"""Acting on signals: an exit closes what its strategy holds, an entry becomes an order or waits for an exit."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Action, Signal, Signals
from tradebot.domain.order import ZERO, Purpose
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.exits import Exits
from tests.oracle.vendor.trading.desk.ordering import DeskSettings, Ordering
from tests.oracle.vendor.trading.desk.reversals import Reversals

EXIT, EXIT_LONG = Purpose.EXIT, Action.EXIT_LONG


class Acting:
    """Does what signals ask for where there is something to do; `counts` says how many came, and of how many nothing
    came of."""

    def __init__(
        self, *, universe: Universe, blotter: Blotter, exits: Exits, ordering: Ordering, reversals: Reversals,
        settings: DeskSettings,
    ) -> None:  # fmt: skip
        self._ids, self._blotter, self._exposure = universe.ids, blotter, blotter.exposure
        self._exits, self._ordering, self._reversals = exits, ordering, reversals
        self._max_age, self._reverses = settings.signal_max_age_s * SECOND, settings.reverses
        self.counts = {"signals": 0, "ignored": 0, "late_signals": 0}

    def take_all(self, told: Signals) -> None:
        """Act on the signals of one close, in their order."""
        for signal in told.signals:
            self.take(signal)

    def take(self, signal: Signal) -> None:
        """Act on one signal."""
        self.counts["signals"] += 1
        symbol, exits = signal.symbol, self._exits
        if symbol not in self._ids:
            self.counts["ignored"] += 1
            return
        position = self._blotter.open.get(symbol)
        quantity = ZERO if position is None else position.quantity
        if not signal.action.is_entry:
            wrong_way = quantity <= 0 if signal.action is EXIT_LONG else quantity >= 0
            # What another strategy opened is not this one's to close; a position of unknown origin is anybody's.
            is_anothers = exits.holders.get(symbol, signal.strategy) != signal.strategy
            if wrong_way or is_anothers or symbol in exits.wanted:
                self.counts["ignored"] += 1
            else:
                reason = f"{signal.strategy}: {signal.action.text}"
                exits.want(symbol, EXIT, reason, quoted_at=signal.quoted_at, signal=signal)
        elif quantity or symbol in exits.wanted or (self._exposure.working and self._exposure.has_live(symbol)):
            is_late = signal.made_at - signal.quoted_at > self._max_age
            if is_late or not self._reverses or not self._reversals.wait(signal):
                self.counts["ignored"] += 1
        elif signal.made_at - signal.quoted_at > self._max_age:
            self.counts["late_signals"] += 1
        else:
            self._ordering.enter(signal)
