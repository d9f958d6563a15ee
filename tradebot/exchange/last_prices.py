"""The newest prices of every instrument as columns, and the mark of one instrument for the account."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.domain.instrument import InstrumentKind, Universe
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO
from tradebot.exchange.account import InstrumentMark
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS, Snapshots, empty_columns
from tradebot.exchange.ticket import TradeRow


class LastPrices:
    """The newest columns of every instrument in `columns`, row = instrument id."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self.columns: dict[str, Ints] = empty_columns(universe)

    def apply_snapshots(self, snapshots: Snapshots) -> None:
        """Overwrite the columns with the rows of one step."""
        # Where an instrument has several rows in one step, numpy keeps the last.
        for name in SNAPSHOT_COLUMNS:
            self.columns[name][snapshots.ids] = getattr(snapshots, name)

    def instrument_mark(self, symbol: str, trades: Sequence[TradeRow]) -> InstrumentMark:
        """Return the last price and the previous close of an instrument.

        An instrument that is not quoted here has the price of its last trade for both.
        """
        if symbol not in self._universe:
            last = next((trade.price for trade in reversed(trades) if trade.symbol == symbol), ZERO)
            return InstrumentMark(kind=InstrumentKind.EQUITY, last_price=last, previous_close=last)
        id_ = self._universe.id_of(symbol)
        instrument = self._universe[id_]
        close = instrument.price_from_units(self.columns["previous_close"][id_])
        return InstrumentMark(
            kind=instrument.kind,
            last_price=instrument.price_from_units(self.columns["last"][id_]) or close,
            previous_close=close,
        )
