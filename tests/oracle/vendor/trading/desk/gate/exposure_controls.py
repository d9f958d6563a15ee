"""Controls of the worst-case account: position, gross notional, open orders, exits that only reduce, loss and funds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.commands import DAILY_LOSS
from tradebot.domain.order import ZERO, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import OrderContext, PlainControl, is_within

BUY = Side.BUY
MissingFunds = Callable[[OrderRequest, Decimal], str]  # (entry, its reference price) -> which money is missing, or ""


class MaxPosition(PlainControl):
    """Limits the notional of the worst-case position, per symbol and over the account."""

    name = "position"
    checks_exits = False

    def __init__(self, *, per_symbol: Decimal, gross: Decimal) -> None:
        self._per_symbol, self.max_gross = per_symbol, gross

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry whose worst-case position exceeds `per_symbol`, or takes the account's gross beyond `gross`.

        Both limits are notionals in the account's currency. Worst case: all live orders on the entry's side fill;
        the position is valued at the order's price, else at the reference price. Returns the reason, else None.
        """
        if request.purpose.is_exit:
            return None
        price = request.price or context.reference
        if price is None:
            return "there is no price to value the position with"
        reach = context.longest + request.quantity if request.side is BUY else context.shortest - request.quantity
        worst = abs(reach) * price
        if not is_within(worst, self._per_symbol):
            return f"worst-case position {worst:.2f} is above max_position_notional {self._per_symbol}"
        if not is_within(gross := context.gross_elsewhere() + worst, self.max_gross):
            return f"worst-case gross {gross:.2f} is above max_gross_notional {self.max_gross}"
        return None


class MaxOpenOrders(PlainControl):
    """Limits how many orders of the account may work at one time; exits count, but are never denied."""

    name = "open_orders"
    checks_exits = False

    def __init__(self, *, max_open: int) -> None:
        self.max_open = max_open

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while `max_open` orders work in the account; return the reason, else None."""
        if request.purpose.is_exit or context.open_orders < self.max_open:
            return None
        return f"{context.open_orders} orders are working, max_open_orders is {self.max_open}"


class ReduceOnly(PlainControl):
    """Limits an exit to what is ours and at the venue too, less the exits already working.

    A larger exit would leave a position on the other side.
    """

    name = "reduce_only"
    checks_entries = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an exit above the closable quantity less what working exits may close, in shares or contracts.

        Returns the reason, else None.
        """
        if not request.purpose.is_exit:
            return None
        free = max(ZERO, -context.closable_quantity * request.side.sign - context.closing_quantity)
        if is_within(request.quantity, free):
            return None
        if context.closable_quantity != context.quantity:
            return (
                f"an exit of {request.quantity} exceeds the {free} that is left: we hold {context.quantity}, of which"
                f" the venue holds {context.closable_quantity} that no other order closes"
            )
        return f"an exit of {request.quantity} exceeds the open {free} that nothing closes yet"


class MaxDailyLoss(PlainControl):
    """Lets no entry pass once the day has lost more than the limit, after charges and with open positions marked."""

    name = DAILY_LOSS
    checks_exits = False

    def __init__(self, *, max_loss: Decimal) -> None:
        self.max_loss = max_loss

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while the day's loss is above `max_loss`, in the account's currency; return why, else None."""
        if request.purpose.is_exit or is_within(-(day_pnl := context.day_profit()), self.max_loss):
            return None
        return f"the day is at {day_pnl:.2f}, beyond max_daily_loss {self.max_loss}"


class SufficientFunds(PlainControl):
    """Requires the money for one lot of an entry.

    `missing_funds` returns which money the account lacks for that, empty if none. A larger entry is cut to the money
    when it fills.
    """

    name = "funds"
    checks_exits = False

    def __init__(self, missing_funds: MissingFunds) -> None:
        self.missing_funds = missing_funds

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry if the account's money does not pay one lot at the reference price; return why, else None."""
        if request.purpose.is_exit or context.reference is None:
            return None  # without a price other controls deny
        return self.missing_funds(request, context.reference) or None
