"""The board: the newest prices of every instrument as columns, and the mark of one as an account needs it."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.domain.instrument import InstrumentKind, Universe
from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO
from tradebot.exchange.account import Mark
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS, Snapshots, latest
from tradebot.exchange.ticket import TradeRow


class Board:
    """The latest columns of every instrument in `state`, row = instrument id."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self.state: dict[str, Ints] = latest(universe)

    def update(self, snapshots: Snapshots) -> None:
        """Take in a step of prices."""
        # Where an instrument has several rows in one step, numpy keeps the last.
        for name in SNAPSHOT_COLUMNS:
            self.state[name][snapshots.ids] = getattr(snapshots, name)

    def mark(self, symbol: str, trades: Sequence[TradeRow]) -> Mark:
        """Return the last price and yesterday's close; of what is not quoted here, the price of its last trade."""
        if symbol not in self._universe:
            last = next((trade.price for trade in reversed(trades) if trade.symbol == symbol), ZERO)
            return Mark(kind=InstrumentKind.EQUITY, last=last, close=last)
        id_ = self._universe.id(symbol)
        instrument = self._universe[id_]
        close = instrument.price(self.state["previous_close"][id_])
        return Mark(kind=instrument.kind, last=instrument.price(self.state["last"][id_]) or close, close=close)
