"""A list that a venue returned: the rows that could be read, and what is known about the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tradebot.domain.message import Message

Row = TypeVar("Row")


class UnreadRow(Message, frozen=True):
    """A row of a venue's list that could not be read: the reason, and its readable fields; "" where a field is not.

    The row exists, so a reader of the list must not treat the order, fill or position in it as absent.
    """

    book: str  # orders, gtt, trades, positions or holdings
    reason: str
    venue_order_id: str = ""
    tag: str = ""
    exchange: str = ""
    symbol: str = ""
    product: str = ""


class VenueRows(list[Row]):
    """The readable rows of a venue's list, in the venue's order; `unread` holds one entry for each of the others."""

    __slots__ = ("unread",)

    def __init__(self, rows: Iterable[Row] = (), unread: Iterable[UnreadRow] = ()) -> None:
        super().__init__(rows)
        self.unread = tuple(unread)
