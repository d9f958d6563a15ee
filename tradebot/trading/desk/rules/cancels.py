"""Cancels: an order is taken back once; a cancel that it outlives is sent again, and in the end a person is told."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Cancel, RequestResult
from tradebot.domain.order import Order, OrderEventType, OrderState, RequestState
from tradebot.domain.order_states import AT_VENUE, NOT_AT_VENUE
from tradebot.trading.desk.book.book import Book, OrderChange
from tradebot.trading.desk.decisions import (
    NOTHING,
    ApplyCommand,
    CancelOrder,
    Decision,
    Decisions,
    Reconcile,
    RecordEvent,
)
from tradebot.trading.desk.rules.report_translator import WORKING_STATUSES

UNSENT_STATES = (OrderState.INTENT, OrderState.SENDING)
CANCELLABLE_STATES = frozenset((*AT_VENUE, OrderState.UNKNOWN))
MAX_CANCELS = 4  # the first, and three more
CANCEL_PAUSE_NS = 2 * SECOND  # between two tries, for the first to show
CANCEL_SHOWS_WITHIN_NS = 10 * SECOND  # for a cancel that was accepted to show


class Cancels:
    """Takes orders back. One placed elsewhere is not ours to cancel."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._given_up: set[str] = set()  # order_ids whose cancel was tried enough

    def on_cancel_order(self, decision: CancelOrder) -> Decisions:
        """Ask for a cancel once; what is being sent or in doubt is cancelled when its outcome is known."""
        order = self._book.blotter.orders.get(decision.order_id)
        if order is None or order.cancel.state is not RequestState.NONE or not order.is_live or not order.may_trade:
            return NOTHING
        return NOTHING if order.is_external else self._request_cancel(order, decision.reason)

    def on_apply_command(self, decision: ApplyCommand) -> Decisions:
        """Take back the entries that work where a halt stands from now on."""
        return NOTHING if decision.command.verb is CommandVerb.RESUME else self._cancel_entries(decision)

    def on_request_result(self, result: RequestResult) -> Decisions:
        """Take back an order whose id at the venue became known while the daemon stops."""
        book, fact = self._book, result.event
        if fact.venue_order_id and book.conditions.is_stopping and book.settings.on_stop == "cancel":
            return (CancelOrder(fact.order_id, "the daemon is stopping"),)
        return NOTHING

    def on_change(self, change: OrderChange) -> Decisions:
        """Send the cancel that waited for the outcome of an order, or of one that came back from the dead."""
        if change.before is None:
            return NOTHING
        was = change.before.state
        # What an earlier rule decided just now may have changed the order.
        order = self._book.blotter.orders.get(change.event.order_id, change.after)
        if was not in NOT_AT_VENUE and order.cancel.state is not RequestState.SENDING:
            return NOTHING
        if not order.venue_order_id or order.state not in CANCELLABLE_STATES:
            return NOTHING
        if order.cancel.state is RequestState.SENDING:
            return self._send_cancel(order, "asked before it had an outcome")
        if order.cancel.state is RequestState.NONE and was in NOT_AT_VENUE and order.may_trade:
            return self._send_cancel(order, "it was taken for gone")
        return NOTHING

    def on_reconcile(self, decision: Reconcile) -> Iterator[Decision]:
        """Send a cancel again that an order outlived, and tell a person of one that was tried enough."""
        blotter, asked_at = self._book.blotter, decision.books.asked_at
        for shown in decision.books.orders:
            order = blotter.orders.get(blotter.by_venue_id.get(shown.venue_order_id, ""))
            if order is None or shown.status not in WORKING_STATUSES or not order.is_live:
                continue
            pause = CANCEL_SHOWS_WITHIN_NS if order.cancel.state is RequestState.SENT else CANCEL_PAUSE_NS
            if (
                order.cancel.state in (RequestState.NONE, RequestState.SENDING)
                or asked_at - order.cancel.sent_mono < pause
            ):
                continue
            if order.cancel.tries < MAX_CANCELS:
                yield from self._send_cancel(order, f"still working, try {order.cancel.tries + 1}")
            elif order.order_id not in self._given_up:
                self._given_up = {i for i in self._given_up if i in blotter.orders} | {order.order_id}
                yield self._book.make_incident(f"{order.order_id} outlived {order.cancel.tries} cancels", order)

    def _cancel_entries(self, decision: ApplyCommand) -> Iterator[Decision]:
        for order in self._book.blotter.live_orders():
            covers = decision.command.scope.covers_order(order.symbol, order.request.strategy)
            if covers and not order.request.purpose.is_exit:
                yield CancelOrder(order.order_id, "halted")

    def _request_cancel(self, order: Order, reason: str) -> Iterator[Decision]:
        if order.venue_order_id and order.state not in UNSENT_STATES:
            yield from self._send_cancel(order, reason)
            return
        yield RecordEvent(self._book.make_event(order, OrderEventType.CANCEL_ASKED, reason))
        if order.state is OrderState.INTENT:
            yield Cancel(order_id=order.order_id, venue_order_id="", reason=reason)  # not sent at all, if in time

    def _send_cancel(self, order: Order, reason: str) -> Iterator[Decision]:
        yield RecordEvent(self._book.make_event(order, OrderEventType.CANCEL_SENT, reason))
        yield Cancel(order_id=order.order_id, venue_order_id=order.venue_order_id, reason=reason)
