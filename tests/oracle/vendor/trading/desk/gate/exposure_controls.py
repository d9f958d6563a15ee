"""Controls over what the account would hold at worst: position, gross notional, exits that only reduce, daily loss."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.commands import DAILY_LOSS
from tradebot.domain.order import ZERO, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import PlainControl, View, within

BUY = Side.BUY
Lacking = Callable[[OrderRequest, Decimal], str]  # (an entry, its reference price) -> what lacks


class MaxPosition(PlainControl):
    """The notional of the worst-case position, per symbol and over the account."""

    name = "position"
    of_exits = False

    def __init__(self, *, per_symbol: Decimal, gross: Decimal) -> None:
        self._per_symbol, self._gross = per_symbol, gross

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit:
            return None
        price = request.price or view.reference
        if price is None:
            return "there is no price to value the position with"
        reach = view.longest + request.quantity if request.side is BUY else view.shortest - request.quantity
        worst = abs(reach) * price
        if not within(worst, self._per_symbol):
            return f"worst-case position {worst:.2f} is above max_position_notional {self._per_symbol}"
        if not within(gross := view.gross() + worst, self._gross):
            return f"worst-case gross {gross:.2f} is above max_gross_notional {self._gross}"
        return None


class OpenOrders(PlainControl):
    """How many orders of the account may work at one time; exits are not counted out."""

    name = "open_orders"
    of_exits = False

    def __init__(self, *, max_open: int) -> None:
        self._max_open = max_open

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit or view.open_orders < self._max_open:
            return None
        return f"{view.open_orders} orders are working, max_open_orders is {self._max_open}"


class ReduceOnly(PlainControl):
    """An exit may not exceed what is ours and at the venue as well, less the exits already working.

    One that did would leave the product on the other side.
    """

    name = "reduce_only"
    of_entries = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        if not request.purpose.is_exit:
            return None
        free = max(ZERO, -view.closable * request.side.sign - view.closing)
        if within(request.quantity, free):
            return None
        if view.closable != view.quantity:
            return (
                f"an exit of {request.quantity} exceeds the {free} that is left: we hold {view.quantity}, of which the"
                f" venue holds {view.closable} that no other order closes"
            )
        return f"an exit of {request.quantity} exceeds the open {free} that nothing closes yet"


class DailyLoss(PlainControl):
    """No entry once the day's profit after charges, open positions marked, is down by the limit."""

    name = DAILY_LOSS
    of_exits = False

    def __init__(self, *, max_loss: Decimal) -> None:
        self._max_loss = max_loss

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit or within(-(day_pnl := view.day_pnl()), self._max_loss):
            return None
        return f"the day is at {day_pnl:.2f}, beyond max_daily_loss {self._max_loss}"


class Affordable(PlainControl):
    """An entry needs the money for one lot; `lacking` says what an account lacks for that, empty when nothing.

    More than one lot is cut to the money where it is filled.
    """

    name = "funds"
    of_exits = False

    def __init__(self, lacking: Lacking) -> None:
        self._lacking = lacking

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit or view.reference is None:
            return None  # without a price others deny
        return self._lacking(request, view.reference) or None
