"""Cancels: sends the cancel of an order, repeats it while the order stays open, and at last reports an incident."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Cancel, RequestResult
from tradebot.domain.order import Order, OrderEventType, OrderState, RequestState
from tradebot.domain.order_states import AT_VENUE, NOT_AT_VENUE
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import (
    NOTHING,
    ApplyCommand,
    CancelOrder,
    Decision,
    Decisions,
    Reconcile,
    RecordEvent,
)
from tests.oracle.vendor.trading.desk.rules.report_translator import WORKING_STATUSES

UNSENT_STATES = (OrderState.INTENT, OrderState.SENDING)
CANCELLABLE_STATES = frozenset((*AT_VENUE, OrderState.UNKNOWN))
MAX_CANCELS = 4  # the first cancel and three more
CANCEL_PAUSE_NS = 2 * SECOND  # between two cancels of an order, so that the first can show
CANCEL_SHOWS_WITHIN_NS = 10 * SECOND  # time for an accepted cancel to show in a list


class Cancels:
    """Cancels orders. An order placed elsewhere is not ours to cancel."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._given_up: set[str] = set()  # order_ids that stayed open after `MAX_CANCELS` cancels

    def on_cancel_order(self, decision: CancelOrder) -> Decisions:
        """Cancel an order unless a cancel was requested before.

        An order that is being sent or in doubt is cancelled once its result is known.
        """
        order = self._book.blotter.orders.get(decision.order_id)
        if order is None or order.cancel.state is not RequestState.NONE or not order.is_live or not order.may_trade:
            return NOTHING
        return NOTHING if order.is_external else self._request_cancel(order, decision.reason)

    def on_apply_command(self, decision: ApplyCommand) -> Decisions:
        """Cancel the working entries in the scope of a new halt."""
        return NOTHING if decision.command.verb is CommandVerb.RESUME else self._cancel_entries(decision)

    def on_request_result(self, result: RequestResult) -> Decisions:
        """Cancel an order whose venue id becomes known while the daemon is stopping."""
        book, event = self._book, result.event
        order = book.blotter.orders.get(event.order_id)
        rests = order is not None and order.request.purpose.rests  # it is to hold while the daemon is down
        if event.venue_order_id and book.conditions.is_stopping and book.settings.on_stop == "cancel" and not rests:
            return (CancelOrder(event.order_id, "the daemon is stopping"),)
        return NOTHING

    def on_change(self, change: OrderChange) -> Decisions:
        """Send a cancel that waited for the result of its order; also cancel an order that turned out not to be gone.

        Such an order was absent, rejected or lapsed, and the venue now shows it working. No rule wants it any more.
        """
        if change.before is None:
            return NOTHING
        was = change.before.state
        # Not `change.after`: a decision of an earlier rule about this event may have changed the order since.
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
        """Repeat the cancel of an order that is still open; after `MAX_CANCELS` cancels report an incident."""
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
            # Without the venue's id it only withdraws an order that waits in our queue, if it comes in time.
            yield Cancel(order_id=order.order_id, venue_order_id="", reason=reason)

    def _send_cancel(self, order: Order, reason: str) -> Iterator[Decision]:
        yield RecordEvent(self._book.make_event(order, OrderEventType.CANCEL_SENT, reason))
        yield Cancel(order_id=order.order_id, venue_order_id=order.venue_order_id, reason=reason)
