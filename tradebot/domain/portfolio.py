"""Positions and cash as pure functions of the ordered fills: exact, rebuilt from the journal to the same bytes."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Fill, Side
from tradebot.domain.position_key import PositionKey

BUY = Side.BUY


class Position(Message, frozen=True, kw_only=False):
    """A signed holding of one key at average cost.

    `cost` is what the open quantity cost (signed as the quantity), `realized` the profit of closed quantity before
    charges, `charges` every fee and tax of its fills. The open part of a fill that crosses zero starts at its price.
    """

    key: PositionKey
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    charges: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO

    @property
    def symbol(self) -> str:
        return self.key.symbol

    @property
    def is_flat(self) -> bool:
        return self.quantity == 0

    @property
    def average_price(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else ZERO

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Return the profit of the open quantity at price `mark`, before charges."""
        return self.quantity * mark - self.cost

    def apply_fill(self, fill: Fill, charges: Decimal = ZERO) -> Position:
        """Return the position after one fill."""
        signed, price = fill.quantity, fill.price
        value = signed * price
        bought, sold = self.bought, self.sold
        if is_buy := fill.side is BUY:
            bought += value
        else:
            signed, value = -signed, -value
            sold -= value
        quantity, cost, realized = self.quantity, self.cost, self.realized
        held = quantity + signed
        if not quantity or (quantity > 0) is is_buy:
            cost += value
        elif not held:
            realized -= value + cost
            cost -= cost
        else:
            closed = signed if abs(signed) < abs(quantity) else -quantity  # signed as the fill
            share = cost * -closed / quantity if closed is signed else cost
            realized -= closed * price + share
            cost -= share
            if closed is not signed:
                cost = held * price
        return Position(self.key, held, cost, realized, self.charges + charges, bought, sold)

    def with_quantity(self, quantity: Decimal, average_price: Decimal) -> Position:
        """Return the position at another quantity and price that no fill led to; what was realized stays."""
        return msgspec.structs.replace(self, quantity=quantity, cost=quantity * average_price)

    def release_quantity(self, quantity: Decimal, price: Decimal) -> Position:
        """Return the position without a signed `quantity` of it, valued at `price`: somebody else's from now on."""
        share = self.cost * quantity / self.quantity
        return msgspec.structs.replace(
            self,
            quantity=self.quantity - quantity,
            cost=self.cost - share,
            realized=self.realized + quantity * price - share,
        )

    def reverse_fill(self, fill: Fill, charges: Decimal = ZERO) -> Position:
        """Return the position after a fill was taken back: an entry the other way at its price, `charges` returned."""
        back = self.apply_fill(msgspec.structs.replace(fill, side=fill.side.opposite), -charges)
        value = fill.quantity * fill.price * fill.side.sign
        return msgspec.structs.replace(
            back,
            bought=self.bought - max(value, ZERO),
            sold=self.sold + min(value, ZERO),
        )
