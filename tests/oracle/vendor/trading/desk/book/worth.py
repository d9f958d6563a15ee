"""What the account has won or lost, since the journal began and since the session did; for the desk and its gate."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.book.marks import Marks

FEW = 8  # open positions that are added up as fast without the columns
MOST = 2**62


class Worth:
    """Profit after charges, open positions at their marks; exact. The day is counted from the last `begin_day`.

    Of many positions the quantities are kept as columns, so that the clock's question is one sum of integers.
    """

    def __init__(self, universe: Universe, blotter: Blotter, marks: Marks) -> None:
        self._universe, self._blotter, self._marks = universe, blotter, marks
        self._base = ZERO  # profit at the start of the day
        self.day_base = (0, ZERO)  # fills and charges then
        self._held = np.zeros(len(universe), dtype=np.int64)  # signed quantity units
        self._most = 1  # units that any of them ever was
        self._costs: dict[str, Decimal] = {}  # symbol -> cost of what is held in the columns
        self._cost = ZERO  # their sum
        self._apart: set[str] = set()  # open, and not in the columns: of no whole units
        decimals = [i.price_decimals + i.quantity_decimals for i in universe]
        self._alike = {d: np.flatnonzero(np.array(decimals) == d) for d in set(decimals)}  # of price * quantity

    def profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        blotter = self._blotter
        won = blotter.positions.realized - blotter.positions.charges
        if len(blotter.positions.open) > FEW:
            return won + self._unrealized()
        return won + blotter.positions.unrealized(self._marks.price)

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self.profit() - self._base

    def begin_day(self, *, is_marked: bool = True) -> None:
        """Count the day from here; without marks from what was realized."""
        blotter = self._blotter
        self._base = self.profit() if is_marked else blotter.positions.realized - blotter.positions.charges
        self.day_base = (blotter.positions.fills, blotter.positions.charges)

    @property
    def base(self) -> Decimal:
        """The profit at which the day began."""
        return self._base

    def _unrealized(self) -> Decimal:
        self._refresh()
        held, last, total = self._held, self._marks.last, -self._cost
        for decimals, ids in self._alike.items():
            mine, prices = (held, last) if len(ids) == len(held) else (held[ids], last[ids])
            if self._most * int(prices.max()) * len(mine) < MOST:
                units = int(mine @ prices)
            else:
                units = sum(a * b for a, b in zip(mine.tolist(), prices.tolist(), strict=True))
            total += Decimal(units).scaleb(-decimals)
        if np.count_nonzero(last) < len(last):
            for id_ in np.flatnonzero((last == 0) & (held != 0)).tolist():  # without a price it counts as what it cost
                total += self._costs[self._universe[id_].symbol]
        for symbol in self._apart:
            if (price := self._marks.price(symbol)) is not None:
                total += self._blotter.positions.open[symbol].unrealized_pnl(price)
        return total

    def _refresh(self) -> None:
        blotter, moved = self._blotter, self._blotter.positions.moved
        for symbol in moved:
            self._cost -= self._costs.pop(symbol, ZERO)
            self._apart.discard(symbol)
            position = blotter.positions.open.get(symbol)
            id_ = self._universe.ids_by_symbol.get(symbol)
            if id_ is None:  # an earlier run named it, this one does not: there is no price for it
                continue
            units = ZERO if position is None else position.quantity.scaleb(self._universe[id_].quantity_decimals)
            self._held[id_] = 0
            if position is None:
                continue
            if units == int(units):
                self._held[id_] = int(units)
                self._most = max(self._most, abs(int(units)))
                self._costs[symbol] = position.cost
                self._cost += position.cost
            else:
                self._apart.add(symbol)
        moved.clear()
