"""The worst-case gross exposure of the account, kept per symbol, so that the gate gets it by one sum of integers.

Each entry of a burst needs the sum. Adding up thousands of positions each time would block the loop for seconds.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO
from tests.oracle.vendor.trading.desk.book.blotter import Blotter
from tests.oracle.vendor.trading.desk.book.marks import Marks

MAX_DIRECT_SUM = 8  # up to this many exposed symbols are added one by one: as fast as with arrays
MAX_INT64_SUM = 2**62  # no int64 sum may reach this


class GrossExposure:
    """The worst-case quantity of each symbol, in its instrument's quantity units, valued at the newest prices."""

    def __init__(self, universe: Universe, blotter: Blotter, marks: Marks) -> None:
        self._universe, self._blotter, self._marks = universe, blotter, marks
        self._worst = np.zeros(len(universe), dtype=np.int64)
        self._max_units = 1  # largest number of units of any symbol so far
        self._fractional: dict[str, Decimal] = {}  # symbol -> quantity that is not a whole number of units
        decimals = [i.price_decimals + i.quantity_decimals for i in universe]
        # decimals of price * quantity -> instrument ids
        self._by_decimals = {d: np.flatnonzero(np.array(decimals) == d) for d in set(decimals)}

    def value_without(self, symbol: str) -> Decimal:
        """Return the exact worst-case notional of all symbols but `symbol`, in the account's currency.

        A symbol without a price counts as zero.
        """
        if self._blotter.exposure.symbol_count_bound() <= MAX_DIRECT_SUM:
            exposed = self._blotter.exposure.exposed_symbols()
            return sum((self._value(s, self._quantity(s)) for s in exposed if s != symbol), ZERO)
        total, own = self._sum_units(), self._universe.id_of(symbol)
        i = self._universe[own]
        total -= Decimal(int(self._worst[own]) * int(self._marks.last[own])).scaleb(
            -i.price_decimals - i.quantity_decimals
        )
        return total + sum((self._value(s, q) for s, q in self._fractional.items() if s != symbol), ZERO)

    def total_value(self) -> Decimal:
        """Return the exact worst-case notional of all symbols, in the account's currency, as `value_without` does."""
        return self._sum_units() + sum((self._value(s, q) for s, q in self._fractional.items()), ZERO)

    def _sum_units(self) -> Decimal:
        # Of all symbols whose quantity is a whole number of units.
        self._refresh()
        prices, total = self._marks.last, ZERO
        for decimals, ids in self._by_decimals.items():
            worst, last = (self._worst, prices) if len(ids) == len(prices) else (self._worst[ids], prices[ids])
            if self._max_units * int(last.max()) * len(last) < MAX_INT64_SUM:
                units = int(worst @ last)
            else:
                units = sum(a * b for a, b in zip(worst.tolist(), last.tolist(), strict=True))
            total += Decimal(units).scaleb(-decimals)
        return total

    def _refresh(self) -> None:
        blotter, dirty, fractional = self._blotter, self._blotter.dirty_exposure, self._fractional
        for symbol in dirty:
            id_ = self._universe.ids_by_symbol.get(symbol)
            if id_ is None:  # an earlier run traded the symbol, this one does not: there is no price for it
                continue
            fractional.pop(symbol, None)
            if symbol not in blotter.positions.open and not blotter.exposure.has_orders(symbol):
                self._worst[id_] = 0
                continue
            quantity = self._quantity(symbol)
            units = quantity.scaleb(self._universe[id_].quantity_decimals)
            if units == int(units):
                self._worst[id_] = int(units)
                self._max_units = max(self._max_units, int(units))
            else:
                self._worst[id_], fractional[symbol] = 0, quantity
        dirty.clear()

    def _quantity(self, symbol: str) -> Decimal:
        return max(map(abs, self._blotter.exposure.worst_case(symbol)))

    def _value(self, symbol: str, quantity: Decimal) -> Decimal:
        price = self._marks.last_price(symbol)
        return ZERO if price is None else quantity * price
