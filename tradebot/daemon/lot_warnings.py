"""Warns of symbols of which one lot costs more than an order may: no entry in them can ever leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import LotOversized
from tradebot.trading.desk.lot_costs import unaffordable_lots


class LotWarnings:
    """Compares prices of the symbols with the notional of an order, in the account's currency."""

    def __init__(self, universe: Universe, order_notional: Decimal, tell: EventListener) -> None:
        self._universe, self._order_notional, self._tell = universe, order_notional, tell

    def check_past(self, past: Sequence[BarSeries]) -> None:
        """Compare the last closes of past bars."""
        closes = {s.symbol: int(s.close[-1]) for s in past if len(s)}
        self.check_prices({s: self._universe.instrument_of(s).price_from_units(close) for s, close in closes.items()})

    def check_prices(self, prices: Mapping[str, Decimal | None]) -> None:
        """Compare prices by symbol; None is a price that is not known."""
        priced = [(self._universe.instrument_of(s), price, price) for s, price in prices.items() if price is not None]
        for reason in unaffordable_lots(priced, self._order_notional):
            self._tell(LotOversized(reason=reason))
