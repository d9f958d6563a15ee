"""The matching engine holds the true state at the exchange: orders arrive, match, change and end, and are reported.

It has no latency and no clients. `report` receives each order version and each trade in the order they happened.
`check_funds` returns why the broker's risk check refuses an order, "" if it does not. `auction_starts` is the market ns
at which each instrument's continuous trading gives way to a closing auction.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tradebot.domain.market import Ints
from tradebot.domain.order import ZERO, OrderKind, Validity
from tradebot.exchange.client_order_book import ClientOrderBook
from tradebot.exchange.matching import BookEvent, BookFill, InstrumentBook, WorkingOrder, depth_row
from tradebot.exchange.position import average_price
from tradebot.exchange.snapshot import PriceSource, Snapshots
from tradebot.exchange.ticket import (
    BookOrder,
    BookStatus,
    Ticket,
    TradeRow,
    kind_has_price,
    kind_has_trigger,
    kind_needs_protection,
)

LAPSED_REASON = "order lapsed at the end of the session"
IOC_REASON = "the unfilled rest of an IOC order"
CLOSED_REASON = "the market is closed"
AUCTION_REASON = "stop orders are cancelled by the exchange at the end of continuous trading"

Mask = npt.NDArray[np.bool_]
ReportCallback = Callable[[BookOrder | TradeRow], None]


class MatchingEngine:
    """Our orders at the exchange, matched against the rows of one price source."""

    def __init__(
        self,
        source: PriceSource,
        columns: dict[str, Ints],
        order_numbers: ClientOrderBook,
        *,
        report: ReportCallback,
        check_funds: Callable[[BookOrder], str],
        auction_starts: Ints,
    ) -> None:
        self._source, self._universe, self._columns = source, source.universe, columns
        self._order_numbers, self._report, self._check_funds = order_numbers, report, check_funds
        self._auction_starts = auction_starts
        self._live: dict[str, BookOrder] = {}  # order id -> its true version
        self._value: dict[str, Decimal] = {}  # order id -> sum of quantity * price of its fills, exact
        self._books: dict[int, InstrumentBook] = {}  # instrument id -> our orders in it
        self._has_working = np.zeros(len(self._universe), dtype=np.bool_)  # by instrument id: has working orders
        self._sequence = 0
        self._is_over = np.zeros(len(self._universe), dtype=np.bool_)  # by instrument id: its session has ended

    @property
    def is_empty(self) -> bool:
        """Return whether no order is live."""
        return not self._live

    def is_trading(self, symbol: str) -> bool:
        """Return whether the session of a symbol's instrument has not ended."""
        return not self._is_over[self._universe.id_of(symbol)]

    def enter_order(self, order: BookOrder, at: int) -> None:
        """Process an order that arrived: validate it, open it, and match it at once as far as possible."""
        order = self._add_version(order, at, status=BookStatus.VALIDATING)
        reason = self._check_funds(order) if self.is_trading(order.ticket.symbol) else CLOSED_REASON
        if reason:
            ended = {"cancelled": order.pending, "pending": ZERO}
            self._add_version(order, at, status=BookStatus.REJECTED, reason=reason, **ended)
            return
        order = self._add_version(order, at, status=BookStatus.OPENING)
        order = msgspec.structs.replace(order, exchange_order_id=self._order_numbers.next_exchange_order_id())
        self._start_working(order, at)

    def change_order(self, order_id: str, changes: dict[str, Any], at: int) -> None:
        """Apply a modification that arrived. One that is not possible leaves the order as it was, with the reason."""
        order = self._live.get(order_id)
        if order is None:
            return  # it ended while the request was in transit; its end is reported or in transit
        ticket = changed_ticket(order.ticket, changes)
        changed = msgspec.structs.replace(order, ticket=ticket, pending=ticket.quantity - order.filled, limit=None)
        if ticket.quantity <= order.filled:
            reason = f"modification rejected: {order.filled} already filled"
        else:
            reason = self._check_funds(changed)
        if reason:
            self._add_version(order, at, status=_resting_status(order), reason=reason)
            return
        id_, book = self._book(order)
        # A smaller quantity alone keeps the place in the queue; any other change enters the order again.
        if _keeps_queue_place(order.ticket, ticket):
            changed = msgspec.structs.replace(changed, limit=order.limit)
            book.orders[order_id].remaining = self._quantity_units(id_, changed.pending)
            changed = self._add_version(changed, at, status=BookStatus.MODIFIED, reason="")
            self._add_version(changed, at, status=_resting_status(changed))
            self._end_ioc(changed.order_id, at)
            return
        book.remove_order(order_id)
        changed = self._add_version(changed, at, status=BookStatus.MODIFIED, reason="")
        self._start_working(changed, at)

    def withdraw_order(self, order_id: str, at: int, reason: str = "") -> None:
        """Cancel the rest of an order. An ended order stays as it is."""
        order = self._live.get(order_id)
        if order is not None:
            id_, book = self._book(order)
            book.remove_order(order_id)
            self._has_working[id_] = bool(book.orders)
            self._add_version(
                order, at, status=BookStatus.CANCELLED, reason=reason, cancelled=order.pending, pending=ZERO
            )

    def restate_order(self, order_id: str, at: int) -> None:
        """Report a working order unchanged. The end of an ended order was reported before."""
        order = self._live.get(order_id)
        if order is not None:
            self._add_version(order, at)

    def match_snapshots(self, snapshots: Snapshots) -> None:
        """Match the working orders against new rows, in the order of the rows."""
        if not self._live:
            return
        columns = {name: getattr(snapshots, name) for name in MATCHED_COLUMNS}
        for index in np.flatnonzero(self._has_working[snapshots.ids]):
            id_ = int(snapshots.ids[index])
            self._book_events(id_, self._books[id_].match_row(depth_row(columns, int(index))), snapshots.at)

    def end_sessions(self, at: int, over: Mask) -> None:
        """End the session of the instruments marked in `over`: cancel their day orders, and match no more of them.

        The closing auction is not simulated. A limit order that would take part in it is cancelled. The real exchange
        cancels only the stop orders that have not triggered, with a reason of its own here. This errs against traders
        who count on the auction.
        """
        self._is_over |= over
        for order_id, order in list(self._live.items()):
            id_ = self._universe.id_of(order.ticket.symbol)
            if self._is_over[id_]:
                is_cancelled = at >= self._auction_starts[id_] and _resting_status(order) is BookStatus.AWAITING_TRIGGER
                self.withdraw_order(order_id, at, AUCTION_REASON if is_cancelled else LAPSED_REASON)

    def _start_working(self, order: BookOrder, at: int) -> None:
        id_, book = self._book(order)
        instrument, ticket = self._universe[id_], order.ticket
        is_stop = kind_has_trigger(ticket.kind) and not order.triggered
        self._sequence += 1
        working = WorkingOrder(
            order_id=order.order_id,
            side=ticket.side,
            remaining=self._quantity_units(id_, order.pending),
            limit=instrument.price_to_units(ticket.price) if ticket.price is not None else None,
            trigger=instrument.price_to_units(ticket.trigger_price)
            if is_stop and ticket.trigger_price is not None
            else None,
            protection_pct=ticket.protection_pct,
            sequence=self._sequence,
        )
        events = book.enter_order(working, depth_row(self._columns, id_, traded=False))
        # A stop order without a price has no limit to report before it triggers.
        limit = working.limit if not is_stop or ticket.price is not None else None
        order = msgspec.structs.replace(order, limit=instrument.price_from_units(limit) if limit is not None else None)
        order = self._add_version(order, at, status=_resting_status(order))
        self._has_working[id_] = True
        self._book_events(id_, events, at)
        self._end_ioc(order.order_id, at)

    def _book_events(self, id_: int, events: list[BookEvent], at: int) -> None:
        instrument = self._universe[id_]
        for event in events:
            order = self._live[event.order_id]
            if isinstance(event, BookFill):
                self._fill(
                    order, instrument.quantity_from_units(event.quantity), instrument.price_from_units(event.price), at
                )
            else:
                limit = instrument.price_from_units(event.limit) if event.limit else None
                self._add_version(order, at, status=BookStatus.OPEN, triggered=True, limit=limit)
        for order_id in dict.fromkeys(event.order_id for event in events):
            self._end_ioc(order_id, at)
        self._has_working[id_] = bool(self._books[id_].orders)

    def _fill(self, order: BookOrder, quantity: Decimal, price: Decimal, at: int) -> None:
        ticket = order.ticket
        value = self._value[order.order_id] = self._value.get(order.order_id, ZERO) + quantity * price
        filled = order.filled + quantity
        assert filled <= ticket.quantity, f"{order.order_id} filled {filled} of {ticket.quantity}"
        self._report(self._order_numbers.new_trade(order, quantity, price, at))
        self._add_version(
            order,
            at,
            status=BookStatus.COMPLETE if filled == ticket.quantity else BookStatus.OPEN,
            filled=filled,
            pending=ticket.quantity - filled,
            average_price=average_price(value, filled),
        )

    def _end_ioc(self, order_id: str, at: int) -> None:
        order = self._live.get(order_id)
        if order is not None and order.ticket.validity is Validity.IOC and _resting_status(order) is BookStatus.OPEN:
            self.withdraw_order(order_id, at, IOC_REASON)

    def _add_version(self, order: BookOrder, at: int, **changes: Any) -> BookOrder:
        version = msgspec.structs.replace(order, changed_at=at, **changes)
        if version.is_ended:
            self._live.pop(order.order_id, None)
            self._value.pop(order.order_id, None)
        else:
            self._live[order.order_id] = version
        self._report(version)
        return version

    def _book(self, order: BookOrder) -> tuple[int, InstrumentBook]:
        id_ = self._universe.id_of(order.ticket.symbol)
        book = self._books.get(id_)
        if book is None:
            lower, upper = int(self._source.lower_circuit[id_]), int(self._source.upper_circuit[id_])
            book = self._books[id_] = InstrumentBook(
                self._universe[id_],
                lower_circuit=lower,
                upper_circuit=upper,
                known_levels=self._source.depth_levels,
            )
        return id_, book

    def _quantity_units(self, id_: int, quantity: Decimal) -> int:
        return int(quantity.scaleb(self._universe[id_].quantity_decimals))


MATCHED_COLUMNS = ("last", "traded", "bids", "bid_quantities", "asks", "ask_quantities")


def changed_ticket(ticket: Ticket, changes: dict[str, Any]) -> Ticket:
    """Return a ticket with some fields changed, and without the fields that its kind does not have.

    A price given to a market order makes it a limit order; given to a SL-M order, it makes it a SL order.
    """
    kind = changes.get("kind", ticket.kind)
    if "kind" not in changes and "price" in changes and kind_needs_protection(kind):
        kind = OrderKind.LIMIT if kind is OrderKind.MARKET else OrderKind.STOP_LIMIT
    ticket = msgspec.structs.replace(ticket, **(changes | {"kind": kind}))
    return msgspec.structs.replace(
        ticket,
        price=ticket.price if kind_has_price(kind) else None,
        trigger_price=ticket.trigger_price if kind_has_trigger(kind) else None,
        protection_pct=ticket.protection_pct if kind_needs_protection(kind) else None,
    )


def _resting_status(order: BookOrder) -> BookStatus:
    waits = kind_has_trigger(order.ticket.kind) and not order.triggered
    return BookStatus.AWAITING_TRIGGER if waits else BookStatus.OPEN


def _keeps_queue_place(before: Ticket, after: Ticket) -> bool:
    same = (before.kind, before.price, before.trigger_price, before.protection_pct) == (
        after.kind,
        after.price,
        after.trigger_price,
        after.protection_pct,
    )
    return same and after.quantity <= before.quantity
