"""Our positions by key; totals are kept as fills come."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.order import ZERO, Fill
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import NettingKey, PositionKey


class Positions:
    """Every position that was ever ours at a venue; a flat one keeps its realized profit."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.by_key: dict[PositionKey, Position] = {}
        self.open: dict[str, Position] = {}  # symbol -> our open position; with several in one symbol, the oldest key
        self._keys: dict[str, PositionKey] = {}  # symbol -> key traded last
        self._with_many_keys: set[str] = set()  # symbols with several keys
        self.dirty_pnl: set[str] = set()  # symbols whose position changed since this was last emptied
        self.realized = ZERO  # realized profit before charges
        self.charges = ZERO
        self.fill_count = 0

    def position_of(self, symbol: str) -> Position:
        """Return our position in a symbol: the open one if there is one, else a flat one."""
        position = self.open.get(symbol)
        if position is None:
            key = self._keys.get(symbol) or PositionKey(self.venue, "", symbol, "")
            position = self.by_key.get(key) or Position(key)
        return position

    def open_quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity that we hold of `symbol`."""
        position = self.open.get(symbol)
        return ZERO if position is None else position.quantity

    def netted_quantity(self, netting_key: NettingKey) -> Decimal:
        """Return the signed quantity that we hold under a netting key."""
        position = self.by_key.get(PositionKey(self.venue, *netting_key))
        return ZERO if position is None else position.quantity

    def unrealized_profit(self, mark: Callable[[str], Decimal | None]) -> Decimal:
        """Return the profit of all open positions before charges; a position without a mark counts as zero.

        `mark` returns the price of a symbol, None without one.
        """
        total = ZERO
        for position in self.open.values():
            if (price := mark(position.symbol)) is not None:
                total += position.unrealized_pnl(price)
        return total

    def position_for_fill(self, fill: Fill) -> Position:
        """Return our position under the netting key of a fill, a flat one where there is none."""
        key = self._keys.get(fill.symbol)
        if key is None or key.product != fill.product or key.exchange != fill.exchange:
            key = PositionKey(self.venue, fill.exchange, fill.symbol, fill.product)
            self.set_current_key(key)
        return self.by_key.get(key) or Position(key)

    def set_current_key(self, key: PositionKey) -> None:
        """Set the key under which a symbol is traded from now on."""
        if self._keys.setdefault(key.symbol, key) != key:
            self._with_many_keys.add(key.symbol)
            self._keys[key.symbol] = key

    def replace_position(self, old: Position, new: Position, charges: Decimal = ZERO) -> None:
        """Replace a position by its next state, and add `charges` to the total."""
        symbol = new.key.symbol
        if new.realized is not old.realized:
            self.realized += new.realized - old.realized
        self.charges += charges
        self.by_key[new.key] = new
        self.dirty_pnl.add(symbol)
        # With several keys, this one may be flat while another is open.
        if self._with_many_keys and symbol in self._with_many_keys:
            new = next((p for p in self.by_key.values() if p.key.symbol == symbol and p.quantity), new)
        if new.quantity:
            self.open[symbol] = new
        else:
            self.open.pop(symbol, None)
