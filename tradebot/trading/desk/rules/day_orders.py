"""Day orders: the venue ends them after the close; an order that it does not report as ended then is in doubt.

The DAY_ENDED event makes the order UNKNOWN, and `order_invariants.py` reports it as an incident.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.order import OrderEventType
from tradebot.domain.order_states import AT_VENUE
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import NOTHING, Decision, Decisions, Reconcile, RecordEvent

GRACE_NS = 900 * SECOND  # market time after the close in which the venue ends the orders of the day


class DayOrders:
    """Looks for orders that are still open after their day."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def on_reconcile(self, decision: Reconcile) -> Decisions:
        """End the orders of a day that is over, once its grace time has passed."""
        c = self._book.conditions
        return self._end_orders() if c.times.closed_at and c.now >= c.times.closed_at + GRACE_NS else NOTHING

    def _end_orders(self) -> Iterator[Decision]:
        book = self._book
        for order in book.blotter.all_live_orders():
            if order.is_waiting_gtt:
                continue  # it stays over days
            if order.times.begun_at < book.conditions.times.closed_at and order.state in AT_VENUE:
                yield RecordEvent(book.make_event(order, OrderEventType.DAY_ENDED, "the day of the order is over"))
