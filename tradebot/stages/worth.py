"""What the account has won or lost, since the journal began and since the session did; for the desk and its gate."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.order import ZERO
from tradebot.stages.blotter import Blotter
from tradebot.stages.marks import Marks


class Worth:
    """Profit after charges, open positions at their marks; exact. The day is counted from the last `begin_day`."""

    def __init__(self, blotter: Blotter, marks: Marks) -> None:
        self._blotter, self._marks = blotter, marks
        self._base = ZERO  # profit at the start of the day

    def profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        blotter = self._blotter
        won = blotter.realized - blotter.charges
        return won + blotter.unrealized(self._marks.price) if blotter.open else won

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self.profit() - self._base

    def begin_day(self, *, is_marked: bool = True) -> None:
        """Count the day from here; without marks from what was realized."""
        self._base = self.profit() if is_marked else self._blotter.realized - self._blotter.charges

    def floor(self, loss: Decimal) -> Decimal:
        """Return what the open positions, each quantity times its mark, are worth when the day has lost `loss`."""
        paid = sum((p.cost for p in self._blotter.open.values()), ZERO)
        return self._base - loss - self._blotter.realized + self._blotter.charges + paid
