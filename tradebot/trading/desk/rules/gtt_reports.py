"""Finds our GTT order behind a report of the venue: a GTT has no tag, and neither has the order that it places.

A GTT order whose request had no answer is found by its content. The owner's GTT orders are never ours. An order that a
GTT of ours may have placed waits until the venue's list says whether it did.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import Order, VenueOrder, VenueOrderStatus
from tradebot.trading.desk.book.blotter import Blotter

# The venue counts whole seconds, and its clock may be behind ours: a GTT that is this much older than ours may be it.
CREATED_BEFORE_NS = 2 * SECOND
PLACED_SHOWS_WITHIN_NS = 10 * SECOND  # within this time of its first report the list says which GTT placed an order


class GttReports:
    """Knows which rows of the venue's lists belong to the GTT orders of one blotter."""

    def __init__(self, blotter: Blotter) -> None:
        self._blotter = blotter
        self._found: dict[str, str] = {}  # venue_order_id in the last lists -> our order_id
        self._held_since: dict[str, int] = {}  # venue_order_id of a report that waits -> its first monotonic ns
        # our order_id -> the GTT orders of the venue that may each be it; for the operator to decide
        self.ambiguous: dict[str, tuple[str, ...]] = {}

    @property
    def holds_reports(self) -> bool:
        """Return whether a report waits for the next lists of the venue."""
        return bool(self._held_since)

    def read_lists(self, snapshot: AccountSnapshot) -> list[VenueOrder]:
        """Find our GTT orders in a snapshot; return its orders, each once, GTT orders first."""
        rows = {order.venue_order_id: order for order in snapshot.orders}
        gtts = [row for row in rows.values() if row.gtt is not None]
        self._found, self.ambiguous = {}, {}
        unknown = [row for row in gtts if row.venue_order_id not in self._blotter.by_venue_id]
        taken: set[str] = set()
        for order in self._unanswered() if unknown else ():
            same = [row for row in unknown if _is_same(order, row) and row.venue_order_id not in taken]
            # One that a person deleted is ours only if no other can be.
            match [row for row in same if row.status is not VenueOrderStatus.CANCELED] or same:
                case [row]:
                    taken.add(row.venue_order_id)
                    self._found[row.venue_order_id] = order.order_id
                case [_, *_] as several:
                    self.ambiguous[order.order_id] = tuple(row.venue_order_id for row in several)
        for row in gtts:
            if row.gtt is not None and row.gtt.placed_order_id and (order_id := self.order_id_of(row)):
                self._found[row.gtt.placed_order_id] = order_id
        self._held_since = {i: since for i, since in self._held_since.items() if i in rows and i not in self._found}
        return gtts + [row for row in rows.values() if row.gtt is None]

    def order_id_of(self, report: VenueOrder) -> str | None:
        """Return our id of the order that a report without a tag of ours is about, None if it is not ours."""
        id_ = report.venue_order_id
        return self._blotter.by_venue_id.get(id_) or self._found.get(id_)

    def holds(self, report: VenueOrder, mono: int) -> bool:
        """Return whether a GTT order of ours may have placed this order, and the venue has not said so yet.

        The report is not booked then; it comes again with the next lists. `mono` is monotonic ns.
        """
        if report.tag or not any(_may_have_placed(order, report) for order in self._waiting(report.symbol)):
            self._held_since.pop(report.venue_order_id, None)
            return False
        since = self._held_since.setdefault(report.venue_order_id, mono)
        return mono - since < PLACED_SHOWS_WITHIN_NS

    def _unanswered(self) -> Iterator[Order]:
        return (o for o in self._blotter.live_orders() if o.request.gtt is not None and not o.venue_order_id)

    def _waiting(self, symbol: str) -> Iterator[Order]:
        return (o for o in self._blotter.live_orders(symbol) if o.is_waiting_gtt)


def _is_same(order: Order, row: VenueOrder) -> bool:
    request, gtt = order.request, row.gtt
    if request.gtt is None or gtt is None:
        return False
    return (
        (row.symbol, row.exchange, row.side, row.product) == _place_of(order)
        and (row.quantity, row.trigger_price) == (order.quantity, order.trigger_price)
        and gtt.target_trigger == request.gtt.target_trigger
        and gtt.created_at >= order.times.begun_at - CREATED_BEFORE_NS
    )


def _may_have_placed(order: Order, row: VenueOrder) -> bool:
    target = order.request.gtt.target_price if order.request.gtt is not None else None
    prices = {order.price, target} - {None}
    is_there = (row.symbol, row.exchange, row.side, row.product) == _place_of(order)
    return is_there and row.quantity == order.quantity and row.price in prices


def _place_of(order: Order) -> tuple[object, ...]:
    request = order.request
    return request.symbol, request.exchange, request.side, request.product
