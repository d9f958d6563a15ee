"""Positions as pure functions of the ordered fills: exact, and rebuilt from the journal to the same bytes."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Fill, Side
from tradebot.domain.position_key import PositionKey

BUY = Side.BUY


class Position(Message, frozen=True, kw_only=False):
    """A signed position of one key at average cost; money is in the currency of the instrument.

    `cost` is the cost of the open quantity, with the sign of the quantity. `realized` is the profit of the closed
    quantity before charges. `charges` are all fees and taxes of the fills. When a fill crosses zero, its open part
    starts at the price of the fill.
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
        """Return the symbol of the position."""
        return self.key.symbol

    @property
    def is_flat(self) -> bool:
        """Return True when nothing is held."""
        return self.quantity == 0

    @property
    def average_price(self) -> Decimal:
        """Return the average price of the open quantity, 0 when flat."""
        return self.cost / self.quantity if self.quantity else ZERO

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Return the profit of the open quantity at the price `mark`, before charges."""
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
        # The fill opens or enlarges the position, closes it exactly, or closes a part of it and perhaps crosses zero.
        if not quantity or (quantity > 0) is is_buy:
            cost += value
        elif not held:
            realized -= value + cost
            cost -= cost
        else:
            closed = signed if abs(signed) < abs(quantity) else -quantity  # with the sign of the fill
            share = cost * -closed / quantity if closed is signed else cost
            realized -= closed * price + share
            cost -= share
            if closed is not signed:  # the fill crossed zero: what it opened costs its own price
                cost = held * price
        return Position(self.key, held, cost, realized, self.charges + charges, bought, sold)

    def with_quantity(self, quantity: Decimal, average_price: Decimal) -> Position:
        """Return the position with another quantity and price that came from no fill; `realized` stays."""
        return msgspec.structs.replace(self, quantity=quantity, cost=quantity * average_price)

    def release_quantity(self, quantity: Decimal, price: Decimal) -> Position:
        """Return the position after a signed `quantity` left it at `price`; that part is no longer ours."""
        share = self.cost * quantity / self.quantity
        return msgspec.structs.replace(
            self,
            quantity=self.quantity - quantity,
            cost=self.cost - share,
            realized=self.realized + quantity * price - share,
        )

    def reverse_fill(self, fill: Fill, charges: Decimal = ZERO) -> Position:
        """Return the position after the venue took a fill back, with `charges` refunded.

        The fill is booked again on the other side at its own price.
        """
        back = self.apply_fill(msgspec.structs.replace(fill, side=fill.side.opposite), -charges)
        value = fill.quantity * fill.price * fill.side.sign
        return msgspec.structs.replace(
            back,
            bought=self.bought - max(value, ZERO),
            sold=self.sold + min(value, ZERO),
        )
