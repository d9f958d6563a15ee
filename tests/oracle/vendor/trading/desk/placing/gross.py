"""What the account would hold at worst over all symbols, kept symbol by symbol: one sum of integers when the gate asks.

A burst of entries asks once an order; adding up thousands of positions each time would hold the loop for seconds.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.book.marks import Marks

FEW = 8  # exposed symbols that are added up as fast without the columns
MOST = 2**62


class Gross:
    """The worst-case quantity of each symbol in its instrument's quantity units, valued at the newest prices."""

    def __init__(self, universe: Universe, blotter: Blotter, marks: Marks) -> None:
        self._universe, self._blotter, self._marks = universe, blotter, marks
        self._worst = np.zeros(len(universe), dtype=np.int64)
        self._most = 1  # units that any of them ever was
        self._finer: dict[str, Decimal] = {}  # symbol -> quantity that is no whole number of units
        decimals = [i.price_decimals + i.quantity_decimals for i in universe]
        self._alike = {d: np.flatnonzero(np.array(decimals) == d) for d in set(decimals)}  # of the product

    def without(self, symbol: str) -> Decimal:
        """Return the sum over all other symbols; one without a price counts as zero. Exact."""
        if self._blotter.exposure.symbols_at_most() <= FEW:
            exposed = self._blotter.exposure.symbols()
            return sum((self._value(s, self._quantity(s)) for s in exposed if s != symbol), ZERO)
        self._refresh()
        prices, own, total = self._marks.last, self._universe.id_of(symbol), ZERO
        for decimals, ids in self._alike.items():
            worst, last = (self._worst, prices) if len(ids) == len(prices) else (self._worst[ids], prices[ids])
            if self._most * int(last.max()) * len(last) < MOST:
                units = int(worst @ last)
            else:
                units = sum(a * b for a, b in zip(worst.tolist(), last.tolist(), strict=True))
            total += Decimal(units).scaleb(-decimals)
        i = self._universe[own]
        total -= Decimal(int(self._worst[own]) * int(prices[own])).scaleb(-i.price_decimals - i.quantity_decimals)
        return total + sum((self._value(s, q) for s, q in self._finer.items() if s != symbol), ZERO)

    def _refresh(self) -> None:
        blotter, touched, finer = self._blotter, self._blotter.touched, self._finer
        for symbol in touched:
            id_ = self._universe.ids_by_symbol.get(symbol)
            if id_ is None:  # an earlier run named it, this one does not: there is no price for it
                continue
            finer.pop(symbol, None)
            if symbol not in blotter.positions.open and not blotter.exposure.has_orders(symbol):
                self._worst[id_] = 0
                continue
            quantity = self._quantity(symbol)
            units = quantity.scaleb(self._universe[id_].quantity_decimals)
            if units == int(units):
                self._worst[id_] = int(units)
                self._most = max(self._most, int(units))
            else:
                self._worst[id_], finer[symbol] = 0, quantity
        touched.clear()

    def _quantity(self, symbol: str) -> Decimal:
        return max(map(abs, self._blotter.exposure.worst_case(symbol)))

    def _value(self, symbol: str, quantity: Decimal) -> Decimal:
        price = self._marks.price(symbol)
        return ZERO if price is None else quantity * price
