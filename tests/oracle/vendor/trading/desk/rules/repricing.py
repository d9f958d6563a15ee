"""Repricing: what hangs in the market is taken back, or has its price moved where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tradebot.clock import SECOND
from tradebot.domain.messages import Modify, RequestResult, ClockTick
from tradebot.domain.order import Order, OrderEventType, OrderKind, OrderState, OrderTerms, RequestState
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, CancelOrder, Decision, Decisions, Record
from tests.oracle.vendor.trading.desk.placing.placement import Placement
from tests.oracle.vendor.trading.desk.placing.requests import OrderRequests

AT_BOOK = (OrderState.OPEN, OrderState.PARTIAL)


class Repricing:
    """Looks for orders that were not filled in time.

    A protected market order leaves its rest in the book as a limit. An exit that is taken back is sent again with a
    fresh protection price, because its symbol is still wanted flat.
    """

    def __init__(self, book: Book, requests: OrderRequests, placement: Placement) -> None:
        self._book, self._requests, self._placement = book, requests, placement
        self._limit = int(book.settings.chase_after_s * SECOND)
        self._next_at = 0  # mono before which no order hangs

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Move or take back what hangs; nothing while a dead login lets nothing leave."""
        c = self._book.conditions
        if not self._book.exposure.working or c.links.orders_refused or c.mono < self._next_at:
            return NOTHING
        return self._chase(c.mono)

    def on_outcome(self, outcome: RequestResult) -> Decisions:
        """Take an order back whose price the venue did not let us move."""
        if outcome.event.type is OrderEventType.REPLACE_REFUSED:
            return (CancelOrder(outcome.event.order_id, "its price could not be moved"),)
        return NOTHING

    def _chase(self, mono: int) -> Iterator[Decision]:
        # Nobody hangs before one of these has its time, nor one that is acknowledged meanwhile: a fact comes late by
        # less than three quarters of the limit.
        limit, settings = self._limit, self._book.settings
        self._next_at = mono + limit // 4
        for order in self._book.blotter.live():
            if not order.times.acked_mono:
                continue
            hangs_at = max(order.times.acked_mono, order.replace.mono) + limit
            if mono <= hangs_at:
                self._next_at = min(self._next_at, hangs_at)
                continue
            moves = settings.chase == "modify" and order.request.purpose.is_exit
            if moves or order.cancel.state is RequestState.NONE:
                self._next_at = mono  # there is something to do, and until it is done at every tick
            if moves and self._may_move(order):
                yield from self._move(order)
            else:
                yield CancelOrder(order.order_id, "not filled in time")

    def _may_move(self, order: Order) -> bool:
        has_price = self._book.marks.reference(order.symbol) is not None
        return has_price and order.state in AT_BOOK and order.replace.tries < self._book.settings.most_changes

    def _move(self, order: Order) -> Iterator[Decision]:
        # An order that a change or a cancel is under way for, whose price is still the best, or whose new price the
        # gate denies, stays as it is.
        book = self._book
        reference = book.marks.reference(order.symbol)
        price = self._requests.protected_price(book.universe.instrument_of(order.symbol), order.request.side, reference)
        assert price is not None, f"{order.order_id} is moved without a price"
        is_better = order.price is None or (price - order.price) * order.request.side.sign > 0
        if order.replace.terms is not None or order.cancel.state.is_pending or order.is_stale or not is_better:
            return
        request = msgspec.structs.replace(
            order.request, kind=OrderKind.LIMIT, price=price, quantity=order.quantity, protection_pct=None
        )
        # The gate judges the order as if it were new and the old one not there: at worst one of the two is in force.
        rest = msgspec.structs.replace(request, quantity=order.quantity - order.filled, signal_id="")
        verdict = self._placement.judge(rest, reference, instead_of=order)
        if not verdict.is_passed:
            if order.replace.state is not RequestState.REFUSED:
                fact = book.fact(order, OrderEventType.REPLACE_REFUSED, verdict.reason)
                yield Record(msgspec.structs.replace(fact, checks=verdict.checks))
            return
        terms = OrderTerms(quantity=request.quantity, price=price)
        fact = book.fact(order, OrderEventType.REPLACE_SENT, "not filled in time")
        yield Record(msgspec.structs.replace(fact, terms=terms, checks=verdict.checks, reference=reference))
        yield Modify(request=request, venue_order_id=order.venue_order_id)
