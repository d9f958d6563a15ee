"""Rows of the venue's lists that could not be read: which orders they belong to, and which they may belong to.

An unreadable row still exists at the venue. If it belongs to a known order, only that order is in doubt. An order that
it may belong to is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import Order
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.book.blotter import Blotter

ORDER_BOOKS = ORDERS, GTTS = "orders", "gtt"  # the lists of a venue that its orders are in
NONE: Mapping[str, UnreadRow] = {}


class UnreadOrders:
    """The unreadable order and trade rows of one snapshot, compared with a blotter."""

    def __init__(self, snapshot: AccountSnapshot, blotter: Blotter) -> None:
        self.own_rows: Mapping[str, UnreadRow] = NONE  # order_id -> unreadable row of that order
        self._foreign: tuple[UnreadRow, ...] = ()
        self._trades = tuple(row for row in snapshot.unread if row.book == "trades")
        if not snapshot.unread:
            return
        own_rows: dict[str, UnreadRow] = {}
        foreign = []
        for row in snapshot.unread:
            if row.book in ORDER_BOOKS:
                id_ = row.tag if row.tag in blotter.orders else blotter.by_venue_id.get(row.venue_order_id)
                if id_ is None:
                    foreign.append(row)
                else:
                    own_rows[id_] = row
        self.own_rows, self._foreign = own_rows, tuple(foreign)

    def may_include_order(self, order: Order) -> bool:
        """Return whether an unreadable order row that belongs to no known order may belong to `order`.

        It does not if it names another symbol, or a venue id that is none of those of `order`. A GTT order is in a list
        of its own until it triggers.
        """
        book = GTTS if order.is_waiting_gtt else ORDERS
        return any(row.book == book and _fits(row, order) for row in self._foreign)

    def may_include_fill(self, order: Order) -> bool:
        """Return whether an unreadable trade may belong to `order`."""
        return any(_fits(row, order) for row in self._trades)


def _fits(row: UnreadRow, order: Order) -> bool:
    if row.symbol not in ("", order.symbol):
        return False
    ids = (order.venue_order_id, *order.other_ids)
    return not row.venue_order_id or not order.venue_order_id or row.venue_order_id in ids
