"""Repricing: an order that is not filled in time is cancelled, or its price is modified where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.messages import ClockTick, Modify, RequestResult
from tradebot.domain.order import Order, OrderEventType, OrderKind, OrderState, OrderTerms, RequestState
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import NOTHING, CancelOrder, Decision, Decisions, RecordEvent
from tradebot.trading.desk.placing.placement import Placement
from tradebot.trading.desk.placing.requests import OrderRequests

RESTING_STATES = (OrderState.OPEN, OrderState.PARTIAL)


class Repricing:
    """Looks for orders that were not filled in time.

    The unfilled rest of a protected market order stays in the venue's order book as a limit order. A cancelled exit is
    sent again with a new protection price, because the exit is still requested.
    """

    def __init__(self, book: Book, requests: OrderRequests, placement: Placement) -> None:
        self._book, self._requests, self._placement = book, requests, placement
        self._limit_ns = int(book.settings.chase_after_s * SECOND)
        self._next_mono = 0  # monotonic ns before which no order can be late

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Modify or cancel late orders; do nothing while the login is dead and no request can leave."""
        c = self._book.conditions
        if not self._book.exposure.working or c.links.orders_refused or c.mono < self._next_mono:
            return NOTHING
        return self._chase_orders(c.mono)

    def on_request_result(self, result: RequestResult) -> Decisions:
        """Cancel an order whose price change the venue refused."""
        order = self._book.blotter.orders.get(result.event.order_id)
        waits = order is not None and order.waits_for_trigger
        if result.event.type is OrderEventType.REPLACE_REFUSED and not waits:
            return (CancelOrder(result.event.order_id, "its price could not be moved"),)
        return NOTHING

    def _chase_orders(self, mono: int) -> Iterator[Decision]:
        # `_next_mono` becomes the earliest time at which an order is late, at most a quarter of the limit from now. An
        # order acknowledged meanwhile is not late by then, unless its event arrives three quarters of the limit late.
        limit, settings = self._limit_ns, self._book.settings
        self._next_mono = mono + limit // 4
        for order in self._book.blotter.live_orders():
            times = order.times
            if not times.acked_mono or order.waits_for_trigger:
                continue
            late_mono = max(times.acked_mono, times.triggered_mono, order.replace.mono) + limit
            if mono <= late_mono:
                self._next_mono = min(self._next_mono, late_mono)
                continue
            modifies = settings.chase == "modify" and order.request.purpose.is_exit
            if modifies or order.cancel.state is RequestState.NONE:
                self._next_mono = mono  # something is to be done: check on every tick until it is done
            if modifies and self._may_modify(order):
                yield from self._modify_price(order)
            else:
                yield CancelOrder(order.order_id, "not filled in time")

    def _may_modify(self, order: Order) -> bool:
        has_price = self._book.marks.reference_price(order.symbol) is not None
        return has_price and order.state in RESTING_STATES and order.replace.tries < self._book.settings.most_changes

    def _modify_price(self, order: Order) -> Iterator[Decision]:
        # The order keeps its price while a replace or a cancel is pending, while its state is stale, if the new price
        # would not be more aggressive, and if the gate denies the new price.
        book = self._book
        reference = book.marks.reference_price(order.symbol)
        price = self._requests.protected_price(book.universe.instrument_of(order.symbol), order.request.side, reference)
        assert price is not None, f"{order.order_id} is moved without a price"
        is_better = order.price is None or (price - order.price) * order.request.side.sign > 0
        if order.replace.terms is not None or order.cancel.state.is_pending or order.is_stale or not is_better:
            return
        request = msgspec.structs.replace(
            order.request,
            kind=OrderKind.LIMIT,
            price=price,
            trigger_price=None,
            quantity=order.quantity,
            protection_pct=None,
            gtt=None,
        )
        # The gate judges the unfilled rest as a new order, without the old one: only one of them can be in force.
        rest = msgspec.structs.replace(request, quantity=order.quantity - order.filled, signal_id="")
        decision = self._placement.check_replacement(rest, reference, instead_of=order)
        # A denial that repeats on each tick is recorded once.
        if not decision.is_passed:
            if order.replace.state is not RequestState.REFUSED:
                event = book.make_event(order, OrderEventType.REPLACE_REFUSED, decision.reason)
                yield RecordEvent(msgspec.structs.replace(event, checks=decision.checks))
            return
        terms = OrderTerms(quantity=request.quantity, price=price)
        event = book.make_event(order, OrderEventType.REPLACE_SENT, "not filled in time")
        yield RecordEvent(msgspec.structs.replace(event, terms=terms, checks=decision.checks, reference=reference))
        yield Modify(request=request, venue_order_id=order.venue_order_id)
