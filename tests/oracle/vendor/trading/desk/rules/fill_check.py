"""Fill check: compares a booked fill with its order, and its price with the price at which the order was decided.

A fill has happened, so it is never refused. A fill that does not fit its order becomes an incident, and its symbol is
halted until a person resumes it. Exits go on, because a fast market may be the cause. Only live fills are checked: in a
backtest an order waits for the open of the next bar, possibly over a night, and no distance is unusual.
"""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.commands import Scope
from tradebot.domain.order import Fill, Order
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decisions
from tests.oracle.vendor.trading.desk.rules.violation import Violation, report_violations

PERCENT = Decimal(100)


class FillCheck:
    """Checks every fill of our orders."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_change(self, change: OrderChange) -> Decisions:
        """Report the violations by a fill, and halt its symbol."""
        fill = change.event.fill
        if fill is None:
            return NOTHING
        found = fill_violations(change.after, fill, self._book.settings.fill_collar_pct)
        return report_violations(self._book, found, change.after) if found else NOTHING


def fill_violations(order: Order, fill: Fill, collar_pct: Decimal | None) -> list[Violation]:
    """Return the violations by a booked fill; an order with several such fills reports the first one only.

    `collar_pct` is in percent; if it is None no fill is checked. The price may be away from the order's reference, on
    either side, by twice the collar of the gate: twice `collar_pct` for an entry, four times for an exit. A worse price
    than that means that the venue did not keep to our price; a better one, that the reference was not the market's
    price. The price of an inferred fill is not checked, because it is our estimate. `order_invariants.py` judges the
    filled quantity.
    """
    if collar_pct is None:
        return []
    found = _violations(order, fill, collar_pct)
    if found and any(_violations(order, other, collar_pct) for other in order.fills if other.fill_key != fill.fill_key):
        return []
    return found


def _violations(order: Order, fill: Fill, collar_pct: Decimal) -> list[Violation]:
    request, price, reference = order.request, fill.price, order.reference
    if request.is_external:
        return []
    if fill.symbol != request.symbol:
        what = f"fill {fill.execution_id} of it is of {fill.symbol}"
        return [
            Violation(f"{request.order_id} is an order of {request.symbol}, {what}", Scope.for_symbol(request.symbol)),
            Violation(
                f"{fill.symbol} was traded by {request.order_id}, of {request.symbol}", Scope.for_symbol(fill.symbol)
            ),
        ]
    if fill.exchange != request.exchange:
        what = f"fill {fill.execution_id} of it is at {fill.exchange}"
        text = f"{request.order_id} is an order at {request.exchange}, {what}"
        return [Violation(text, Scope.for_symbol(request.symbol))]
    if fill.side is not request.side:
        text = f"{request.order_id} is a {request.side}, fill {fill.execution_id} of it is a {fill.side}"
        return [Violation(text, Scope.for_symbol(request.symbol))]
    if reference is None or reference <= 0 or fill.is_inferred:
        return []
    limit = collar_pct * (4 if request.purpose.is_exit else 2)  # the gate's collar of an exit is twice that of an entry
    if price.is_finite() and abs(price - reference) * PERCENT <= limit * reference:
        return []
    away = abs(price - reference) / reference * PERCENT
    text = (
        f"{request.order_id}: a {fill.side} of {fill.quantity:f} was filled at {price:f}, {away:.2f}% from the"
        f" {reference:f} that it was decided at; within {limit.normalize():f}% was expected"
    )
    return [Violation(text, Scope.for_symbol(request.symbol))]
