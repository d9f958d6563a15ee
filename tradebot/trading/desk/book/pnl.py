"""What the account has won or lost, since the journal began and since the session did; for the desk and its gate."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO
from tradebot.trading.desk.book.blotter import Blotter
from tradebot.trading.desk.book.marks import Marks

MAX_DIRECT_SUM = 8  # open positions that are added up as fast without the columns
MAX_INT64_SUM = 2**62


class Pnl:
    """Profit after charges, open positions at their marks; exact. The day is counted from the last `reset_day_base`.

    Of many positions the quantities are kept as columns, so that the clock's question is one sum of integers.
    """

    def __init__(self, universe: Universe, blotter: Blotter, marks: Marks) -> None:
        self._universe, self._blotter, self._marks = universe, blotter, marks
        self._base = ZERO  # profit at the start of the day
        self.day_base_fills = (0, ZERO)  # fills and charges then
        self._units = np.zeros(len(universe), dtype=np.int64)  # signed quantity units
        self._max_units = 1  # units that any of them ever was
        self._costs: dict[str, Decimal] = {}  # symbol -> cost of what is held in the columns
        self._cost = ZERO  # their sum
        self._fractional: set[str] = set()  # open, and not in the columns: of no whole units
        decimals = [i.price_decimals + i.quantity_decimals for i in universe]
        self._by_decimals = {d: np.flatnonzero(np.array(decimals) == d) for d in set(decimals)}  # of price * quantity

    def total_profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        blotter = self._blotter
        won = blotter.positions.realized - blotter.positions.charges
        if len(blotter.positions.open) > MAX_DIRECT_SUM:
            return won + self._unrealized()
        return won + blotter.positions.unrealized_profit(self._marks.last_price)

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the session's start."""
        return self.total_profit() - self._base

    def reset_day_base(self, *, is_marked: bool = True) -> None:
        """Count the day from here; without marks from what was realized."""
        blotter = self._blotter
        self._base = self.total_profit() if is_marked else blotter.positions.realized - blotter.positions.charges
        self.day_base_fills = (blotter.positions.fill_count, blotter.positions.charges)

    @property
    def day_base_profit(self) -> Decimal:
        """The profit at which the day began."""
        return self._base

    def _unrealized(self) -> Decimal:
        self._refresh()
        held, last, total = self._units, self._marks.last, -self._cost
        for decimals, ids in self._by_decimals.items():
            mine, prices = (held, last) if len(ids) == len(held) else (held[ids], last[ids])
            if self._max_units * int(prices.max()) * len(mine) < MAX_INT64_SUM:
                units = int(mine @ prices)
            else:
                units = sum(a * b for a, b in zip(mine.tolist(), prices.tolist(), strict=True))
            total += Decimal(units).scaleb(-decimals)
        if np.count_nonzero(last) < len(last):
            for id_ in np.flatnonzero((last == 0) & (held != 0)).tolist():  # without a price it counts as what it cost
                total += self._costs[self._universe[id_].symbol]
        for symbol in self._fractional:
            if (price := self._marks.last_price(symbol)) is not None:
                total += self._blotter.positions.open[symbol].unrealized_pnl(price)
        return total

    def _refresh(self) -> None:
        blotter, moved = self._blotter, self._blotter.positions.dirty_pnl
        for symbol in moved:
            self._cost -= self._costs.pop(symbol, ZERO)
            self._fractional.discard(symbol)
            position = blotter.positions.open.get(symbol)
            id_ = self._universe.ids_by_symbol.get(symbol)
            if id_ is None:  # an earlier run named it, this one does not: there is no price for it
                continue
            units = ZERO if position is None else position.quantity.scaleb(self._universe[id_].quantity_decimals)
            self._units[id_] = 0
            if position is None:
                continue
            if units == int(units):
                self._units[id_] = int(units)
                self._max_units = max(self._max_units, abs(int(units)))
                self._costs[symbol] = position.cost
                self._cost += position.cost
            else:
                self._fractional.add(symbol)
        moved.clear()
