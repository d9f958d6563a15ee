"""A venue's list as far as it could be read: its rows, and what is known of those that could not be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tradebot.domain.message import Message

Row = TypeVar("Row")


class UnreadRow(Message, frozen=True):
    """A row of a venue's list that could not be read: why, and what of it could be; "" where that could not be either.

    The row is there. Whoever reads the list must not take what it may stand for as absent.
    """

    book: str  # orders, trades, positions or holdings
    reason: str
    venue_order_id: str = ""
    tag: str = ""
    exchange: str = ""
    symbol: str = ""
    product: str = ""


class VenueRows(list[Row]):
    """The rows that could be read, in their order, and `unread`, which stands for the others."""

    __slots__ = ("unread",)

    def __init__(self, rows: Iterable[Row] = (), unread: Iterable[UnreadRow] = ()) -> None:
        super().__init__(rows)
        self.unread = tuple(unread)
