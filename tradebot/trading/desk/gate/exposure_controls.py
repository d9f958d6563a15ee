"""Controls over what the account would hold at worst: position, gross notional, exits that only reduce, daily loss."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.commands import DAILY_LOSS
from tradebot.domain.order import ZERO, OrderRequest, Side
from tradebot.trading.desk.gate.gate import OrderContext, PlainControl, is_within

BUY = Side.BUY
MissingFunds = Callable[[OrderRequest, Decimal], str]  # (an entry, its reference price) -> what lacks


class MaxPosition(PlainControl):
    """The notional of the worst-case position, per symbol and over the account."""

    name = "position"
    checks_exits = False

    def __init__(self, *, per_symbol: Decimal, gross: Decimal) -> None:
        self._per_symbol, self._gross = per_symbol, gross

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if request.purpose.is_exit:
            return None
        price = request.price or context.reference
        if price is None:
            return "there is no price to value the position with"
        reach = context.longest + request.quantity if request.side is BUY else context.shortest - request.quantity
        worst = abs(reach) * price
        if not is_within(worst, self._per_symbol):
            return f"worst-case position {worst:.2f} is above max_position_notional {self._per_symbol}"
        if not is_within(gross := context.gross_elsewhere() + worst, self._gross):
            return f"worst-case gross {gross:.2f} is above max_gross_notional {self._gross}"
        return None


class MaxOpenOrders(PlainControl):
    """How many orders of the account may work at one time; exits are not counted out."""

    name = "open_orders"
    checks_exits = False

    def __init__(self, *, max_open: int) -> None:
        self._max_open = max_open

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if request.purpose.is_exit or context.open_orders < self._max_open:
            return None
        return f"{context.open_orders} orders are working, max_open_orders is {self._max_open}"


class ReduceOnly(PlainControl):
    """An exit may not exceed what is ours and at the venue as well, less the exits already working.

    One that did would leave the product on the other side.
    """

    name = "reduce_only"
    checks_entries = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if not request.purpose.is_exit:
            return None
        free = max(ZERO, -context.closable_quantity * request.side.sign - context.closing_quantity)
        if is_within(request.quantity, free):
            return None
        if context.closable_quantity != context.quantity:
            return (
                f"an exit of {request.quantity} exceeds the {free} that is left: we hold {context.quantity}, of which the"
                f" venue holds {context.closable_quantity} that no other order closes"
            )
        return f"an exit of {request.quantity} exceeds the open {free} that nothing closes yet"


class MaxDailyLoss(PlainControl):
    """No entry once the day's profit after charges, open positions marked, is down by the limit."""

    name = DAILY_LOSS
    checks_exits = False

    def __init__(self, *, max_loss: Decimal) -> None:
        self._max_loss = max_loss

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if request.purpose.is_exit or is_within(-(day_pnl := context.day_profit()), self._max_loss):
            return None
        return f"the day is at {day_pnl:.2f}, beyond max_daily_loss {self._max_loss}"


class SufficientFunds(PlainControl):
    """An entry needs the money for one lot; `missing_funds` says what an account lacks for that, empty when nothing.

    More than one lot is cut to the money where it is filled.
    """

    name = "funds"
    checks_exits = False

    def __init__(self, missing_funds: MissingFunds) -> None:
        self._lacking = missing_funds

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if request.purpose.is_exit or context.reference is None:
            return None  # without a price others deny
        return self._lacking(request, context.reference) or None
