"""Profit and loss of the account since the journal began and since the day began, for the desk and its gate."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.book.marks import Marks

MAX_DIRECT_SUM = 8  # up to this many open positions are added one by one: as fast as with arrays
MAX_INT64_SUM = 2**62  # no int64 sum may reach this


class Pnl:
    """Exact profit after charges, with open positions at their marks, in the account's currency.

    The day counts from the last `reset_day_base`. The quantities of many positions are kept as arrays, so that the
    question at each tick is one sum of integers.
    """

    def __init__(self, universe: Universe, blotter: Blotter, marks: Marks) -> None:
        self._universe, self._blotter, self._marks = universe, blotter, marks
        self._base = ZERO  # profit at the start of the day
        self.day_base_fills = (0, ZERO)  # fills and charges at the start of the day
        self._units = np.zeros(len(universe), dtype=np.int64)  # signed quantity units by instrument id
        self._max_units = 1  # largest number of units of any instrument so far
        self._costs: dict[str, Decimal] = {}  # symbol -> cost of its position in the array
        self._cost = ZERO  # sum of `_costs`
        self._fractional: set[str] = set()  # open symbols that are not in the array: no whole number of units
        decimals = [i.price_decimals + i.quantity_decimals for i in universe]
        # decimals of price * quantity -> instrument ids
        self._by_decimals = {d: np.flatnonzero(np.array(decimals) == d) for d in set(decimals)}

    def total_profit(self) -> Decimal:
        """Return realized and unrealized profit after charges, since the journal began."""
        blotter = self._blotter
        won = blotter.positions.realized - blotter.positions.charges
        if len(blotter.positions.open) > MAX_DIRECT_SUM:
            return won + self._unrealized()
        return won + blotter.positions.unrealized_profit(self._marks.last_price)

    def day_profit(self) -> Decimal:
        """Return the profit after charges since the day began."""
        return self.total_profit() - self._base

    def reset_day_base(self, *, is_marked: bool = True) -> None:
        """Count the day's profit from now on; with `is_marked` False the base is the realized profit alone."""
        blotter = self._blotter
        self._base = self.total_profit() if is_marked else blotter.positions.realized - blotter.positions.charges
        self.day_base_fills = (blotter.positions.fill_count, blotter.positions.charges)

    @property
    def day_base_profit(self) -> Decimal:
        """Return the profit at which the day began."""
        return self._base

    def _unrealized(self) -> Decimal:
        self._refresh()
        all_units, last, total = self._units, self._marks.last, -self._cost
        for decimals, ids in self._by_decimals.items():
            own_units, prices = (all_units, last) if len(ids) == len(all_units) else (all_units[ids], last[ids])
            if self._max_units * int(prices.max()) * len(own_units) < MAX_INT64_SUM:
                units = int(own_units @ prices)
            else:
                units = sum(a * b for a, b in zip(own_units.tolist(), prices.tolist(), strict=True))
            total += Decimal(units).scaleb(-decimals)
        if np.count_nonzero(last) < len(last):
            # A position without a price counts at cost.
            for id_ in np.flatnonzero((last == 0) & (all_units != 0)).tolist():
                total += self._costs[self._universe[id_].symbol]
        for symbol in self._fractional:
            if (price := self._marks.last_price(symbol)) is not None:
                total += self._blotter.positions.open[symbol].unrealized_pnl(price)
        return total

    def _refresh(self) -> None:
        blotter, dirty = self._blotter, self._blotter.positions.dirty_pnl
        for symbol in dirty:
            self._cost -= self._costs.pop(symbol, ZERO)
            self._fractional.discard(symbol)
            position = blotter.positions.open.get(symbol)
            id_ = self._universe.ids_by_symbol.get(symbol)
            if id_ is None:  # an earlier run traded the symbol, this one does not: there is no price for it
                continue
            units = ZERO if position is None else position.quantity.scaleb(self._universe[id_].quantity_decimals)
            self._units[id_] = 0
            if position is None:
                continue
            if units == int(units):  # else a fraction of a unit, which the array of integers cannot hold
                self._units[id_] = int(units)
                self._max_units = max(self._max_units, abs(int(units)))
                self._costs[symbol] = position.cost
                self._cost += position.cost
            else:
                self._fractional.add(symbol)
        dirty.clear()
