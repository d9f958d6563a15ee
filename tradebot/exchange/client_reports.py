"""Reports to clients: books, logs and publishes the exchange's answers, in the order they arrive.

It holds what the client knows. The matching engine is ahead of it by the latency and holds what is true.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tradebot.domain.order import ZERO
from tradebot.exchange.account import Account, InstrumentMark
from tradebot.exchange.client_order_book import ClientOrderBook
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.margin import reservation_price
from tradebot.exchange.matching_engine import LAPSED_REASON
from tradebot.exchange.ticket import BookOrder, BookStatus, TradeRow, order_to_line


class ClientReports:
    """Books order versions and trades for one account, and passes each booked version to `order_listeners`."""

    def __init__(
        self, book: ClientOrderBook, account: Account, log: EventLog, *, mark: Callable[[str], InstrumentMark]
    ) -> None:
        self._book, self._account, self._log, self._mark = book, account, log, mark
        self.order_listeners: list[Callable[[BookOrder], None]] = []

    def publish_version(self, version: BookOrder) -> None:
        """Book a version as clients see it, and report it."""
        self._notify(self._book.add_version(version))

    def publish_late_version(self, version: BookOrder) -> None:
        """Book a version that arrives after the order has ended, and report it."""
        self._book.add_version_as_given(version)
        self._notify(version)

    def book_request(self, seen: BookOrder, status: BookStatus, now: int) -> BookOrder:
        """Book a client's request for a cancel or a change, report it, and return the version that shows it."""
        version = msgspec.structs.replace(seen, status=status, changed_at=now)
        self._book.add_version_as_given(version)
        if status is not BookStatus.MODIFY_VALIDATING:
            self._book.begin_request(seen.order_id, status)
        self._notify(version)
        return version

    def book_fill(self, trade: TradeRow) -> None:
        """Book a fill in the account, with its charges. The version that reports it comes after it."""
        self._book.add_trade(trade)
        bill = self._account.book_fill(trade)
        self._log.append_line("fill", **msgspec.structs.asdict(trade), charges=bill.total)

    def lapse_open_orders(self, *, at: int) -> None:
        """End every order that an earlier run left working, because its session is over; `at` is market ns."""
        for order in self._book.latest_versions():
            if not order.is_ended:
                ended = {
                    "status": BookStatus.CANCELLED,
                    "reason": LAPSED_REASON,
                    "cancelled": order.pending,
                    "pending": ZERO,
                }
                self.publish_version(msgspec.structs.replace(order, changed_at=max(order.changed_at, at), **ended))

    def _notify(self, version: BookOrder) -> None:
        if version.is_ended or self._account.has_reservation(version):
            self._account.reserve_margin(
                version, reservation_price(version, self._mark(version.ticket.symbol).last_price)
            )
        self._log.append_line("order", **order_to_line(version))
        for listener in self.order_listeners:
            listener(version)
