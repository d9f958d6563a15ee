"""Fill check: is a fill, once booked, of its order, and near the price that the order was decided at.

A fill is a fact and is never refused; what it does not fit is told and its symbol opens nothing until a person has
looked. In a fast market that may be the market's doing, so exits go on. Of live orders alone: in a backtest an order
waits for the open of the next bar, over a night if need be, and no distance is odd.
"""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.commands import Scope
from tradebot.domain.order import Fill, Order
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decisions
from tests.oracle.vendor.trading.desk.rules.finding import Finding, raise_findings

PERCENT = Decimal(100)


class FillCheck:
    """Looks at every fill of an order of ours."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_change(self, change: OrderChange) -> Decisions:
        """Raise what does not fit of a fill."""
        execution = change.fact.fill
        if execution is None:
            return NOTHING
        found = misfits(change.after, execution, self._book.settings.fill_collar_pct)
        return raise_findings(self._book, found, change.after) if found else NOTHING


def misfits(order: Order, fill: Fill, collar_pct: Decimal | None) -> list[Finding]:
    """Return what does not fit of a booked fill; of several alike of one order the first one alone tells.

    The price may be away from the order's reference by twice the collar that the gate holds such an order to: beyond
    it on the worse side the venue did not keep to our price, on the better side the reference was not the market.
    A fill that we made up has no price of its own, and how much was filled the order invariants judge. Without a collar
    no fill is looked at.
    """
    if collar_pct is None:
        return []
    found = _misfits(order, fill, collar_pct)
    if found and any(_misfits(order, other, collar_pct) for other in order.fills if other.fill_key != fill.fill_key):
        return []
    return found


def _misfits(order: Order, fill: Fill, collar_pct: Decimal) -> list[Finding]:
    request, price, reference = order.request, fill.price, order.reference
    if request.is_external:
        return []
    if fill.symbol != request.symbol:
        told = f"fill {fill.execution_id} of it is of {fill.symbol}"
        return [
            Finding(f"{request.order_id} is an order of {request.symbol}, {told}", Scope.for_symbol(request.symbol)),
            Finding(f"{fill.symbol} was traded by {request.order_id}, of {request.symbol}", Scope.for_symbol(fill.symbol)),
        ]
    if fill.exchange != request.exchange:
        told = f"fill {fill.execution_id} of it is at {fill.exchange}"
        text = f"{request.order_id} is an order at {request.exchange}, {told}"
        return [Finding(text, Scope.for_symbol(request.symbol))]
    if fill.side is not request.side:
        text = f"{request.order_id} is a {request.side}, fill {fill.execution_id} of it is a {fill.side}"
        return [Finding(text, Scope.for_symbol(request.symbol))]
    if reference is None or reference <= 0 or fill.is_inferred:
        return []
    limit = collar_pct * (4 if request.purpose.is_exit else 2)
    if price.is_finite() and abs(price - reference) * PERCENT <= limit * reference:
        return []
    away = abs(price - reference) / reference * PERCENT
    text = (
        f"{request.order_id}: a {fill.side} of {fill.quantity:f} was filled at {price:f}, {away:.2f}% from the"
        f" {reference:f} that it was decided at; within {limit.normalize():f}% was expected"
    )
    return [Finding(text, Scope.for_symbol(request.symbol))]
