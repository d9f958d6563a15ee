"""The broker's order book: the order versions that were reported to clients, and the numbers of orders and trades.

What is true at the exchange is in `matching_engine.py`. Versions and trades arrive here after the answer's latency.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec

from tradebot.domain.order import ZERO
from tradebot.exchange.position import average_price
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.ticket import BookOrder, BookStatus, TradeRow

ORDER_DIGITS = 9
EXCHANGE_ORDER_OFFSET = 1_100_000_000_000_000
TRADE_OFFSET = 10_000_000


class ClientOrderBook:
    """Order versions and trade rows, as the client may see them now."""

    def __init__(self, day: date) -> None:
        self._prefix = day.strftime("%y%m%d")
        self._versions: dict[str, list[BookOrder]] = {}  # order id -> versions, oldest first
        self._trades: list[TradeRow] = []
        self._requests: dict[str, BookStatus] = {}  # order id -> its pending request
        self._orders = self._entered = self._traded = 0

    def next_order_id(self) -> str:
        """Return a new order number of 15 digits: the date of the session and a counter."""
        self._orders += 1
        return f"{self._prefix}{self._orders:0{ORDER_DIGITS}d}"

    def next_exchange_order_id(self) -> str:
        """Return a new order number of the exchange, 16 digits."""
        self._entered += 1
        return str(EXCHANGE_ORDER_OFFSET + self._entered)

    def next_trade_id(self) -> str:
        """Return a new trade number, unique on this exchange."""
        self._traded += 1
        return str(TRADE_OFFSET + self._traded)

    def new_trade(self, order: BookOrder, quantity: Decimal, price: Decimal, at: int) -> TradeRow:
        """Return a fill of an order under a new trade number, without booking it."""
        ticket = order.ticket
        return TradeRow(
            trade_id=self.next_trade_id(),
            order_id=order.order_id,
            exchange_order_id=order.exchange_order_id,
            symbol=ticket.symbol,
            exchange=ticket.exchange,
            product=ticket.product,
            side=ticket.side,
            quantity=quantity,
            price=price,
            traded_at=at,
        )

    def new_late_fill(self, seen: BookOrder, quantity: Decimal, price: Decimal, at: int) -> tuple[TradeRow, BookOrder]:
        """Return a fill of an ended order and the version that reports it, without booking either."""
        filled = seen.filled + quantity
        version = msgspec.structs.replace(
            seen,
            exchange_order_id=seen.exchange_order_id or self.next_exchange_order_id(),
            status=BookStatus.COMPLETE,
            filled=filled,
            cancelled=ZERO,
            average_price=average_price(seen.average_price * seen.filled + price * quantity, filled),
            reason="",
            changed_at=at,
        )
        return self.new_trade(version, quantity, price, at), version

    def latest_version(self, order_id: str) -> BookOrder:
        """Return the newest version of an order. Raises ExchangeRefusal for an unknown one."""
        return self.version_history(order_id)[-1]

    def version_history(self, order_id: str) -> list[BookOrder]:
        """Return every version of an order, oldest first. Raises ExchangeRefusal for an unknown one."""
        versions = self._versions.get(order_id)
        if versions is None:
            raise ExchangeRefusal(RefusalCode.UNKNOWN_ORDER, order_id=order_id)
        return list(versions)

    def latest_versions(self) -> list[BookOrder]:
        """Return the newest version of every order, in the order they were placed."""
        return [versions[-1] for versions in self._versions.values()]

    def trade_rows(self) -> list[TradeRow]:
        """Return every fill, oldest first."""
        return list(self._trades)

    def pending_request(self, order_id: str) -> BookStatus | None:
        """Return the pending cancel or modify request of an order, None without one."""
        return self._requests.get(order_id)

    def begin_request(self, order_id: str, status: BookStatus) -> None:
        """Record a pending request. Until `end_request`, new versions show its status."""
        self._requests[order_id] = status

    def end_request(self, order_id: str, status: BookStatus) -> None:
        """Remove the request if it is still the newest of its order."""
        if self._requests.get(order_id) is status:
            del self._requests[order_id]

    def add_version(self, version: BookOrder) -> BookOrder:
        """Book a version and return it as clients see it.

        It gets the count of modifications requested, and the status of a pending request.
        """
        versions = self._versions.setdefault(version.order_id, [])
        if versions:
            assert not versions[-1].is_ended, f"{version.order_id} has ended and got {version.status}"
            version = msgspec.structs.replace(version, modifications=versions[-1].modifications)
        if version.is_ended:
            self._requests.pop(version.order_id, None)
        elif version.order_id in self._requests:
            version = msgspec.structs.replace(version, status=self._requests[version.order_id])
        versions.append(version)
        return version

    def add_version_as_given(self, version: BookOrder) -> None:
        """Book a version exactly as given: a client's own request, which clients see before the exchange does."""
        self._versions[version.order_id].append(version)

    def add_trade(self, trade: TradeRow) -> None:
        """Book a fill."""
        self._trades.append(trade)

    def restore_earlier_book(self, versions: Iterable[BookOrder], trades: Iterable[TradeRow]) -> None:
        """Take over an earlier book.

        The counters continue after its highest numbers, so that no number is used twice.
        """
        for version in versions:
            self._versions.setdefault(version.order_id, []).append(version)
            self._orders = max(self._orders, int(version.order_id[-ORDER_DIGITS:]))
            if version.exchange_order_id:
                self._entered = max(self._entered, int(version.exchange_order_id) - EXCHANGE_ORDER_OFFSET)
        for trade in trades:
            self._trades.append(trade)
            self._traded = max(self._traded, int(trade.trade_id) - TRADE_OFFSET)
