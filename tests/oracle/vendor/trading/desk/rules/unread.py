"""Rows of the venue's books that could not be read: which orders they stand for, and what they may stand for.

A row is there. The order whose row it is, is in doubt by itself; an order that it may be is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Mapping

from tradebot.domain.venue_rows import UnreadRow
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import Order
from tests.oracle.vendor.trading.desk.book.blotter import Blotter

NONE: Mapping[str, UnreadRow] = {}


class UnreadOrders:
    """The rows of orders and trades of one look that could not be read, held against a blotter."""

    def __init__(self, books: AccountSnapshot, blotter: Blotter) -> None:
        self.ours: Mapping[str, UnreadRow] = NONE  # order_id -> the row of its order
        self._foreign: tuple[UnreadRow, ...] = ()
        self._trades = tuple(row for row in books.unread if row.book == "trades")
        if not books.unread:
            return
        ours: dict[str, UnreadRow] = {}
        foreign = []
        for row in books.unread:
            if row.book == "orders":
                id_ = row.tag if row.tag in blotter.orders else blotter.by_venue.get(row.venue_order_id)
                if id_ is None:
                    foreign.append(row)
                else:
                    ours[id_] = row
        self.ours, self._foreign = ours, tuple(foreign)

    def may_be(self, order: Order) -> bool:
        """True where one of the rows that are of no order known may still be of `order`.

        Not where it names another venue's id than that of `order`, or another symbol.
        """
        return any(_fits(row, order) for row in self._foreign)

    def may_fill(self, order: Order) -> bool:
        """True where a trade that could not be read may be of `order`."""
        return any(_fits(row, order) for row in self._trades)


def _fits(row: UnreadRow, order: Order) -> bool:
    if row.symbol not in ("", order.symbol):
        return False
    ids = (order.venue_order_id, *order.other_ids)
    return not row.venue_order_id or not order.venue_order_id or row.venue_order_id in ids
