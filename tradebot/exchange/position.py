"""One position of the account: exact sums of its fills, from which every number that a client sees is derived."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Side

COST_GRAIN = Decimal("0.00000001")  # divided costs are rounded to this, so that cost and profit add up exactly
PRICE_GRAIN = Decimal("0.000001")


class PositionRow(Message, frozen=True):
    """One position as a broker shows it; `quantity` is signed, prices are averages, values exact.

    `unrealised` is measured against the last price, `realised` is the profit of what was closed, both before charges;
    `pnl` is their sum. Fields without `day_` include what was carried over from earlier days.
    """

    exchange: str
    symbol: str
    product: str
    quantity: Decimal
    overnight_quantity: Decimal
    average_price: Decimal
    close_price: Decimal
    last_price: Decimal
    value: Decimal
    pnl: Decimal
    m2m: Decimal
    unrealised: Decimal
    realised: Decimal
    buy_quantity: Decimal
    buy_price: Decimal
    buy_value: Decimal
    sell_quantity: Decimal
    sell_price: Decimal
    sell_value: Decimal
    day_buy_quantity: Decimal
    day_buy_price: Decimal
    day_buy_value: Decimal
    day_sell_quantity: Decimal
    day_sell_price: Decimal
    day_sell_value: Decimal
    multiplier: Decimal = Decimal(1)


class PositionCost:
    """A signed quantity at average cost; `cost` carries the sign of the quantity.

    After any fills and conversions: cost == carried cost + buys - sells + realised, exactly.
    """

    __slots__ = (
        "buy_quantity",
        "buy_value",
        "cost",
        "overnight_cost",
        "overnight_quantity",
        "quantity",
        "realised",
        "sell_quantity",
        "sell_value",
    )

    def __init__(self, quantity: Decimal = ZERO, cost: Decimal = ZERO) -> None:
        self.quantity = self.overnight_quantity = quantity
        self.cost = self.overnight_cost = cost
        self.realised = ZERO
        self.buy_quantity = self.buy_value = self.sell_quantity = self.sell_value = ZERO

    def book_fill(self, *, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Book one fill. The quantity that crosses zero opens at the fill's price."""
        signed = quantity * side.sign
        if side is Side.BUY:
            self.buy_quantity += quantity
            self.buy_value += quantity * price
        else:
            self.sell_quantity += quantity
            self.sell_value += quantity * price
        held = self.quantity
        self.quantity = held + signed
        if held * signed >= 0:  # the fill opens the position or adds to it
            self.cost += signed * price
            return
        # The fill closes: `closed` has the position's sign, `share` is its part of the cost. A rest beyond zero opens.
        closed = min(quantity, abs(held)) * (1 if held > 0 else -1)
        share = self.cost if closed == held else (self.cost * closed / held).quantize(COST_GRAIN, ROUND_HALF_EVEN)
        self.realised += closed * price - share
        self.cost += (signed + closed) * price - share

    def take_out(self, quantity: Decimal, *, is_carried: bool) -> Decimal:
        """Remove `quantity`, above zero, at average cost and return its cost with the sign of the position."""
        held = self.quantity
        assert 0 < quantity <= abs(held), f"{quantity} of {held}"
        cost = self.cost if quantity == abs(held) else (self.cost * quantity / abs(held)).quantize(COST_GRAIN)
        self._move(-quantity if held > 0 else quantity, -cost, is_long=held > 0, is_carried=is_carried)
        return cost

    def take_over(self, signed: Decimal, cost: Decimal, *, is_carried: bool) -> None:
        """Add what was taken out of another position. It may not close anything, which only a trade does."""
        assert self.quantity * signed >= 0, f"{signed} to {self.quantity}"
        self._move(signed, cost, is_long=signed > 0, is_carried=is_carried)

    def _move(self, signed: Decimal, cost: Decimal, *, is_long: bool, is_carried: bool) -> None:
        self.quantity += signed
        self.cost += cost
        if is_carried:
            self.overnight_quantity += signed
            self.overnight_cost += cost
        elif is_long:
            self.buy_quantity += signed
            self.buy_value += cost
        else:
            self.sell_quantity -= signed
            self.sell_value -= cost

    def net_row(self, key: tuple[str, str, str], *, last: Decimal, close: Decimal) -> PositionRow:
        """Return the position, carried quantity included, marked at `last`; `close` is the previous close."""
        carried, cost = self.overnight_quantity, self.overnight_cost
        bought = (max(carried, ZERO), max(cost, ZERO))
        sold = (max(-carried, ZERO), max(-cost, ZERO))
        unrealised = self.quantity * last - self.cost
        buys = (self.buy_quantity + bought[0], self.buy_value + bought[1])
        sells = (self.sell_quantity + sold[0], self.sell_value + sold[1])
        value = sells[1] - buys[1]
        return PositionRow(
            exchange=key[0],
            symbol=key[1],
            product=key[2],
            quantity=self.quantity,
            overnight_quantity=carried,
            average_price=average_price(self.cost, self.quantity),
            close_price=close if carried else ZERO,
            last_price=last,
            value=value,
            pnl=unrealised + self.realised,
            # Carried quantity counts from the previous close, today's fills count from their prices.
            m2m=unrealised + self.realised - (carried * close - cost if carried else ZERO),
            unrealised=unrealised,
            realised=self.realised,
            buy_quantity=buys[0],
            buy_price=average_price(buys[1], buys[0]),
            buy_value=buys[1],
            sell_quantity=sells[0],
            sell_price=average_price(sells[1], sells[0]),
            sell_value=sells[1],
            day_buy_quantity=self.buy_quantity,
            day_buy_price=average_price(self.buy_value, self.buy_quantity),
            day_buy_value=self.buy_value,
            day_sell_quantity=self.sell_quantity,
            day_sell_price=average_price(self.sell_value, self.sell_quantity),
            day_sell_value=self.sell_value,
        )

    def today_alone(self) -> PositionCost | None:
        """Return today's fills alone, as one buy and one sell at their average prices; None without fills."""
        if not self.buy_quantity and not self.sell_quantity:
            return None
        today = PositionCost()
        today.buy_quantity, today.buy_value = self.buy_quantity, self.buy_value
        today.sell_quantity, today.sell_value = self.sell_quantity, self.sell_value
        today.quantity = quantity = self.buy_quantity - self.sell_quantity
        if quantity > 0:
            today.cost = self.buy_value * quantity / self.buy_quantity
        elif quantity < 0:
            today.cost = self.sell_value * quantity / self.sell_quantity
        today.cost = today.cost.quantize(COST_GRAIN, ROUND_HALF_EVEN)
        today.realised = today.cost + self.sell_value - self.buy_value
        return today

    def carried_over(self) -> PositionCost:
        """Return the position as the next day starts with it."""
        return PositionCost(self.quantity, self.cost)


def average_price(value: Decimal, quantity: Decimal) -> Decimal:
    """Return value / quantity to at most six decimals, 0 for no quantity; for display, never for sums."""
    if not quantity:
        return ZERO
    price = value / quantity
    exponent = price.as_tuple().exponent
    return price.quantize(PRICE_GRAIN, ROUND_HALF_EVEN) if isinstance(exponent, int) and exponent < -6 else price
