"""Cancels: an order is taken back once; a cancel that it outlives is sent again, and in the end a person is told."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Cancel, RequestResult
from tradebot.domain.order import Order, OrderEventType, OrderState, RequestState
from tradebot.domain.order_states import AT_VENUE, NOT_AT_VENUE
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import NOTHING, CancelOrder, Decision, Decisions, Look, Record, Stand
from tests.oracle.vendor.trading.desk.rules.sightings import WORKS

UNSENT = (OrderState.INTENT, OrderState.SENDING)
CANCELLABLE = frozenset((*AT_VENUE, OrderState.UNKNOWN))
CANCEL_TRIES = 4  # the first, and three more
CANCEL_PAUSE = 2 * SECOND  # between two tries, for the first to show
CANCEL_PATIENCE = 10 * SECOND  # for a cancel that was accepted to show


class Cancels:
    """Takes orders back. One placed elsewhere is not ours to cancel."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._given_up: set[str] = set()  # order_ids whose cancel was tried enough

    def on_cancel(self, decision: CancelOrder) -> Decisions:
        """Ask for a cancel once; what is being sent or in doubt is cancelled when its outcome is known."""
        order = self._book.blotter.orders.get(decision.order_id)
        if order is None or order.cancel.state is not RequestState.NONE or not order.is_live or not order.may_trade:
            return NOTHING
        return NOTHING if order.is_external else self._take_back(order, decision.reason)

    def on_stand(self, decision: Stand) -> Decisions:
        """Take back the entries that work where a halt stands from now on."""
        return NOTHING if decision.command.verb is CommandVerb.RESUME else self._halted(decision)

    def on_outcome(self, outcome: RequestResult) -> Decisions:
        """Take back an order whose id at the venue became known while the daemon stops."""
        book, fact = self._book, outcome.event
        if fact.venue_order_id and book.conditions.stopping and book.settings.on_stop == "cancel":
            return (CancelOrder(fact.order_id, "the daemon is stopping"),)
        return NOTHING

    def on_change(self, change: OrderChange) -> Decisions:
        """Send the cancel that waited for the outcome of an order, or of one that came back from the dead."""
        if change.before is None:
            return NOTHING
        was = change.before.state
        # What an earlier rule decided just now may have changed the order.
        order = self._book.blotter.orders.get(change.fact.order_id, change.after)
        if was not in NOT_AT_VENUE and order.cancel.state is not RequestState.SENDING:
            return NOTHING
        if not order.venue_order_id or order.state not in CANCELLABLE:
            return NOTHING
        if order.cancel.state is RequestState.SENDING:
            return self._send(order, "asked before it had an outcome")
        if order.cancel.state is RequestState.NONE and was in NOT_AT_VENUE and order.may_trade:
            return self._send(order, "it was taken for gone")
        return NOTHING

    def on_look(self, look: Look) -> Iterator[Decision]:
        """Send a cancel again that an order outlived, and tell a person of one that was tried enough."""
        blotter, asked_at = self._book.blotter, look.books.asked_at
        for shown in look.books.orders:
            order = blotter.orders.get(blotter.by_venue.get(shown.venue_order_id, ""))
            if order is None or shown.status not in WORKS or not order.is_live:
                continue
            pause = CANCEL_PATIENCE if order.cancel.state is RequestState.SENT else CANCEL_PAUSE
            if order.cancel.state in (RequestState.NONE, RequestState.SENDING) or asked_at - order.cancel.sent_mono < pause:
                continue
            if order.cancel.tries < CANCEL_TRIES:
                yield from self._send(order, f"still working, try {order.cancel.tries + 1}")
            elif order.order_id not in self._given_up:
                self._given_up = {i for i in self._given_up if i in blotter.orders} | {order.order_id}
                yield self._book.incident(f"{order.order_id} outlived {order.cancel.tries} cancels", order)

    def _halted(self, decision: Stand) -> Iterator[Decision]:
        for order in self._book.blotter.live():
            covers = decision.command.scope.covers_order(order.symbol, order.request.strategy)
            if covers and not order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "halted")

    def _take_back(self, order: Order, reason: str) -> Iterator[Decision]:
        if order.venue_order_id and order.state not in UNSENT:
            yield from self._send(order, reason)
            return
        yield Record(self._book.fact(order, OrderEventType.CANCEL_ASKED, reason))
        if order.state is OrderState.INTENT:
            yield Cancel(order_id=order.order_id, venue_order_id="", reason=reason)  # not sent at all, if in time

    def _send(self, order: Order, reason: str) -> Iterator[Decision]:
        yield Record(self._book.fact(order, OrderEventType.CANCEL_SENT, reason))
        yield Cancel(order_id=order.order_id, venue_order_id=order.venue_order_id, reason=reason)
