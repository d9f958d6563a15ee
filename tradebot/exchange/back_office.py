"""The broker's back office: what the exchange answered is booked, written to the log and told, in the order it arrives.

It keeps what the client knows; the floor, which is ahead of it by the latency, keeps what is true.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tradebot.domain.order import ZERO
from tradebot.exchange.account import Account, Mark
from tradebot.exchange.book import OrderBook
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.floor import LAPSED
from tradebot.exchange.margin import reserve_price
from tradebot.exchange.ticket import BookOrder, BookStatus, TradeRow, line_of


class BackOffice:
    """Books versions of orders and trades for one account; `on_order` is told of each version once it is booked."""

    def __init__(self, book: OrderBook, account: Account, log: EventLog, *, mark: Callable[[str], Mark]) -> None:
        self._book, self._account, self._log, self._mark = book, account, log, mark
        self.on_order: list[Callable[[BookOrder], None]] = []

    def publish(self, version: BookOrder) -> None:
        """Book a version as clients see it, and tell it."""
        self._tell(self._book.add(version))

    def publish_late(self, version: BookOrder) -> None:
        """Book a version that comes after the order had ended, and tell it."""
        self._book.replace(version)
        self._tell(version)

    def ask(self, seen: BookOrder, status: BookStatus, now: int) -> BookOrder:
        """Book that the client asked for a cancel or a change, tell it, and return the version that shows it."""
        asked = msgspec.structs.replace(seen, status=status, changed_at=now)
        self._book.replace(asked)
        if status is not BookStatus.MODIFY_VALIDATING:
            self._book.begin_request(seen.order_id, status)
        self._tell(asked)
        return asked

    def book(self, trade: TradeRow) -> None:
        """Book a fill in the account, with its charges; the version that tells of it comes after it."""
        self._book.add_trade(trade)
        bill = self._account.apply(trade)
        self._log.write("fill", **msgspec.structs.asdict(trade), charges=bill.total)

    def lapse(self, *, at: int) -> None:
        """End every order that an earlier run left working: its session is over."""
        for order in self._book.orders():
            if not order.is_ended:
                ended = {"status": BookStatus.CANCELLED, "reason": LAPSED, "cancelled": order.pending, "pending": ZERO}
                self.publish(msgspec.structs.replace(order, changed_at=max(order.changed_at, at), **ended))

    def _tell(self, version: BookOrder) -> None:
        if version.is_ended or self._account.is_reserved(version):
            self._account.reserve(version, reserve_price(version, self._mark(version.ticket.symbol).last))
        self._log.write("order", **line_of(version))
        for listener in self.on_order:
            listener(version)
