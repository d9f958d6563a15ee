"""Turns what the venue reports into order events: order reports, fill reports, and whole account snapshots.

A stream is fast but may repeat, reorder or omit reports; a snapshot is complete, and settles what is true. A fill is
booked once per (exchange, execution id), never refused, and always before the status that came with it.
`missing_fills.py` decides about fills that are missing, reported with different figures, or inferred.
"""

from __future__ import annotations

from collections import OrderedDict

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import (
    Fill,
    Order,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    OrderTerms,
    RequestState,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.domain.order_reducer import apply_event, is_outdated, open_order
from tradebot.domain.order_states import AT_VENUE, RULES_BY_PAIR, TRANSITIONS
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.rules.duplicate_fills import DuplicateFills
from tradebot.trading.desk.rules.gtt_reports import GttReports
from tradebot.trading.desk.rules.missing_fills import MissingFills
from tradebot.trading.desk.rules.unread_orders import UnreadOrders

EVENT_OF_STATUS = {
    VenueOrderStatus.ACKED: OrderEventType.SEEN_ACKED,
    VenueOrderStatus.OPEN: OrderEventType.SEEN_OPEN,
    VenueOrderStatus.PENDING_TRIGGER: OrderEventType.SEEN_OPEN,
    VenueOrderStatus.FILLED: OrderEventType.SEEN_FILLED,
    VenueOrderStatus.CANCELED: OrderEventType.SEEN_CANCELED,
    VenueOrderStatus.REJECTED: OrderEventType.SEEN_REJECTED,
    VenueOrderStatus.EXPIRED: OrderEventType.SEEN_EXPIRED,
}
WORKING_STATUSES = (VenueOrderStatus.ACKED, VenueOrderStatus.OPEN, VenueOrderStatus.PENDING_TRIGGER)
LIMIT_KINDS = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
ACTIVE_STATUSES = (VenueOrderStatus.OPEN, VenueOrderStatus.FILLED)  # of a stop: it has triggered
MAX_ORPHANS = 10_000  # fills whose order is not known yet; a venue's day allows 5,000 orders
UNSENT_STATES = (OrderState.INTENT, OrderState.SENDING)
CONFIRMING_LISTS = 2  # complete order lists that must miss an order before its absence counts
REPLACE_SHOWS_WITHIN_NS = 10 * SECOND  # time for a replace that may have been accepted to show in a list
LAG_LIMIT_NS = MINUTE  # how long the venue's cumulative quantity may lag behind the fills it reported
OMISSION_LIMIT_NS = 2 * SECOND  # how long lists may omit a working order before it is in doubt
DISPUTE_POLLING_NS = 10 * SECOND  # how long a fill reported with different figures brings the next poll forward


class ReportTranslator:
    """Turns the venue's reports into order events for one book.

    `VenueRules` in `venues/venue_rules.py` explains `absent_after_s` and `absence_is_proof`.
    """

    def __init__(
        self, book: Book, missing_fills: MissingFills, *, absent_after_s: float = 60.0, absence_is_proof: bool = False
    ) -> None:
        self._blotter, self._universe, self._conditions = book.blotter, book.universe, book.conditions
        self._missing_fills = missing_fills
        self._absent_after_ns, self._absence_is_proof = int(absent_after_s * SECOND), absence_is_proof
        self.orphan_fills: OrderedDict[str, list[Fill]] = OrderedDict()  # venue_order_id -> fills
        # order_id -> (asked_at of the first list that missed the order, how many such lists count)
        self._misses: dict[str, tuple[int, int]] = {}
        # order_id -> asked_at of the first list whose filled quantity is below the fills that we booked
        self._lagging_since: dict[str, int] = {}
        self._duplicates = DuplicateFills(book.blotter)
        self.gtt_reports = GttReports(book.blotter)
        self._polled_mono = 0  # monotonic ns at which the last snapshot was requested

    def next_poll_at(self) -> int | None:
        """Return the monotonic ns from which a poll of the venue may resolve a doubt, None when no poll can."""
        if self._conditions.links.is_cut_off:
            return None
        due = [
            self._absence_due_mono(order)
            for order in self._blotter.all_live_orders()
            if order.state is OrderState.UNKNOWN
        ]
        due += self._blotter.exposure.lists_due()
        due.append(self._duplicates.recheck_mono())
        # The last poll is past, so `_polled_mono` in `due` means that a poll may start at once.
        disputed_at = self._missing_fills.disputed_mono
        if disputed_at is not None and self._polled_mono - disputed_at < DISPUTE_POLLING_NS:
            due.append(self._polled_mono)
        # None: no snapshot was requested since the last fill of the overfilled symbol.
        is_held = self.gtt_reports.holds_reports or self._blotter.external.needs_poll
        if is_held or any(held is None for _, held in self._blotter.overfilled.values()):
            due.append(self._polled_mono)
        return min((at for at in due if at is not None), default=None)

    def order_report_events(
        self, report: VenueOrder, *, at: int, mono: int, asked_at: int | None = None
    ) -> list[OrderEvent]:
        """Return the events of one order that the venue reported; an order that is not ours is recorded as external.

        `at` is market ns, `mono` monotonic ns. `asked_at` is the monotonic ns at which the list was requested, None for
        a report on the stream. An unknown order in a symbol outside the universe gives no events.
        """
        events: list[OrderEvent] = []
        order_id = report.tag if report.tag in self._blotter.orders else self.gtt_reports.order_id_of(report)
        if order_id is None:
            # A GTT order of the owner does nothing before it places an order. An order that one of ours may have placed
            # waits for the next lists.
            is_later = report.gtt is not None or self.gtt_reports.holds(report, mono)
            if is_later or report.symbol not in self._universe:
                return []
            # Book it as an order that is being sent. The report then moves it to its true state.
            intent = self._external(report, at, mono)
            order_id = intent.order_id
            sending = OrderEvent(
                order_id=order_id, type=OrderEventType.SENDING, at=at, mono=mono, reason="placed elsewhere"
            )
            events += [intent, sending]
            order = apply_event(open_order(intent), sending)
        else:
            order = self._blotter.orders[order_id]
        self._misses.pop(order_id, None)
        placed_id = report.gtt.placed_order_id if report.gtt is not None else ""
        for event_type in _events(order, report, asked_at):
            is_placed = event_type is OrderEventType.TRIGGERED and placed_id
            events.append(
                OrderEvent(
                    order_id=order_id,
                    type=event_type,
                    at=at,
                    mono=mono,
                    reason=report.reason,
                    venue_order_id=placed_id if is_placed else report.venue_order_id,
                    venue_order=report,
                )
            )
        for id_ in (report.venue_order_id, placed_id) if placed_id else (report.venue_order_id,):
            for fill in self.orphan_fills.pop(id_, ()):
                events += self._missing_fills.fill_events(order_id, fill, at=at, mono=mono)
        return events

    def fill_report_events(self, fill: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events of one fill; none if it is booked already.

        A fill whose order is not known yet is kept until it is, and gives no events now.
        """
        order_id = self._blotter.fill_order_id(fill.fill_key) or self._blotter.by_venue_id.get(fill.venue_order_id)
        if order_id is None:
            waiting = self.orphan_fills.setdefault(fill.venue_order_id, [])
            if all(e.execution_id != fill.execution_id for e in waiting):
                waiting.append(fill)
            while len(self.orphan_fills) > MAX_ORPHANS:  # forget those that came first
                self.orphan_fills.popitem(last=False)
            return []
        return self._missing_fills.fill_events(order_id, fill, at=at, mono=mono)

    def orphan_fill_events(self, venue_order_id: str, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events of the fills that came before the venue's id of their order was known."""
        events: list[OrderEvent] = []
        if not self.orphan_fills:  # nearly always: saves the look-up for every order that is accepted
            return events
        order_id = self._blotter.by_venue_id[venue_order_id]
        for fill in self.orphan_fills.pop(venue_order_id, ()):
            events += self._missing_fills.fill_events(order_id, fill, at=at, mono=mono)
        return events

    def snapshot_fill_events(self, snapshot: AccountSnapshot, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events of the snapshot's fills that are not booked.

        Apply them before calling `snapshot_order_events`.
        """
        events: list[OrderEvent] = []
        # An order's row carries our order id as its tag. The book may not know the venue's id of the order yet.
        tags = {o.venue_order_id: o.tag for o in snapshot.orders if o.tag in self._blotter.orders}
        tags |= {row.venue_order_id: row.tag for row in snapshot.unread if row.tag in self._blotter.orders}
        seen_keys: set[tuple[str, str]] = set()
        for fill in snapshot.fills:
            if fill.fill_key in seen_keys:
                continue
            seen_keys.add(fill.fill_key)
            events += self._missing_fills.listed_fill_events(fill, at=at, mono=mono)
            order_id = self._blotter.by_venue_id.get(fill.venue_order_id) or tags.get(fill.venue_order_id)
            if order_id is None:
                # Gives no events: it keeps the fill until `snapshot_order_events` books its external order.
                self.fill_report_events(fill, at=at, mono=mono)
            elif fill.fill_key not in self._blotter.booked_fills:
                events += self._missing_fills.fill_events(order_id, fill, at=at, mono=mono)
        return events

    def snapshot_order_events(self, snapshot: AccountSnapshot, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the events of the snapshot's order statuses, then of absent orders, then of duplicate fills."""
        events: list[OrderEvent] = []
        self._polled_mono = snapshot.asked_at
        # Two rows may show one order. Only the last is used: the second would be compared with a book in which the
        # events of the first are not booked yet.
        for order in self.gtt_reports.read_lists(snapshot):
            events += self.order_report_events(order, at=at, mono=mono, asked_at=snapshot.asked_at)
        shown = ({o.tag for o in snapshot.orders} | {o.venue_order_id for o in snapshot.orders}) - {""}
        unread = UnreadOrders(snapshot, self._blotter)
        events += self._absence_events(snapshot, shown, unread, at=at, mono=mono)
        # While a link is lost, a fill that the snapshot does not list proves nothing.
        return (
            events
            if self._conditions.links.is_cut_off
            else events + self._duplicates.reversal_events(snapshot, unread, at=at, mono=mono)
        )

    def lagging_orders(self, snapshot: AccountSnapshot) -> list[Order]:
        """Return the orders whose filled quantity at the venue has been below our booked fills for a minute.

        An order with several ids at the venue is left out: its rows may share the filled quantity.
        """
        below: dict[str, int] = {}
        for shown in snapshot.orders:
            order_id = self._blotter.by_venue_id.get(shown.venue_order_id, "")
            order = self._blotter.orders.get(order_id)
            if order is not None and not order.other_ids and shown.filled < order.filled:
                below[order_id] = self._lagging_since.get(order_id, snapshot.asked_at)
        self._lagging_since = below
        return [self._blotter.orders[i] for i, since in below.items() if snapshot.asked_at - since >= LAG_LIMIT_NS]

    def _absence_events(
        self, snapshot: AccountSnapshot, shown: set[str], unread: UnreadOrders, *, at: int, mono: int
    ) -> list[OrderEvent]:
        events: list[OrderEvent] = []
        live = list(self._blotter.all_live_orders())
        self._misses = {o.order_id: self._misses[o.order_id] for o in live if o.order_id in self._misses}
        if self._conditions.links.is_cut_off:
            return events  # while a link is lost, a missing order is no evidence, however many lists miss it
        for order in live:
            ids = (order.order_id, order.venue_order_id, *order.other_ids)
            if order.state in UNSENT_STATES or any(i in shown for i in ids):
                continue
            if (row := unread.own_rows.get(order.order_id)) is not None:
                self._misses.pop(order.order_id, None)
                if order.state in AT_VENUE:  # it exists, but its state can no longer be read: it becomes UNKNOWN
                    why = f"its row in the venue's list cannot be read: {row.reason}"
                    events.append(_not_found(order, why, at=at, mono=mono))
            elif order.state is OrderState.UNKNOWN and unread.may_include_order(order):
                continue  # an unreadable row may be this order: do not end it
            elif order.order_id in self.gtt_reports.ambiguous:
                continue  # one of several rows is this order
            elif (misses := self._count_miss(order, snapshot.asked_at)) >= CONFIRMING_LISTS:
                del self._misses[order.order_id]
                why = f"not in {misses} complete order lists"
                if order.state is OrderState.UNKNOWN and self._is_of_earlier_day(order):
                    events.append(_expired(order, at=at, mono=mono))
                else:
                    events.append(_not_found(order, why, at=at, mono=mono, is_proof=self._absence_is_proof))
        return events

    def _is_of_earlier_day(self, order: Order) -> bool:
        # The venue had accepted it, and ended it with its day, whose lists are gone.
        session = self._conditions.times.session
        if session is None or order.is_waiting_gtt:
            return False
        return bool(order.venue_order_id) and order.times.begun_at < session.opens_at

    def _count_miss(self, order: Order, asked_at: int) -> int:
        # Note one more list without the order; return how many lists without it count as evidence.
        since, misses = self._misses.setdefault(order.order_id, (asked_at, 0))
        if (due := self._absence_due_mono(order)) is not None and asked_at > due:
            misses += 1
        self._misses[order.order_id] = since, misses
        return misses

    def _absence_due_mono(self, order: Order) -> int | None:
        # The monotonic ns from which a list without the order counts as evidence, None if no time runs yet.
        # Working order: two seconds after the first list that missed it. It then becomes UNKNOWN, it does not end.
        # UNKNOWN order: `absent_after_s` after it was sent, or, if the venue ever acknowledged it, after the first list
        # that missed it. It then counts as absent.
        # A list that was requested too soon after a lost link came back never counts.
        since, _ = self._misses.get(order.order_id, (None, 0))
        patience = OMISSION_LIMIT_NS
        if order.state is OrderState.UNKNOWN:
            patience = self._absent_after_ns
            if order.times.sent_mono and not order.times.acked_mono:
                since = order.times.sent_mono
        return None if since is None else max(since + patience, self._conditions.links.evidence_from_mono)

    def _external(self, order: VenueOrder, at: int, mono: int) -> OrderEvent:
        order_id = f"EXT-{order.venue_order_id}"
        request = OrderRequest(
            order_id=order_id,
            symbol=order.symbol,
            exchange=order.exchange,
            side=order.side,
            kind=order.kind,
            quantity=order.quantity,
            price=order.price,
            trigger_price=order.trigger_price,
            product=order.product,
            purpose=OrderPurpose.EXTERNAL,
            reason="placed elsewhere",
        )
        return OrderEvent(
            order_id=order_id,
            type=OrderEventType.INTENT,
            at=at,
            mono=mono,
            request=request,
            venue_order_id=order.venue_order_id,
        )


def _expired(order: Order, *, at: int, mono: int) -> OrderEvent:
    why = "its day is over; the lists of this day do not show how it ended"
    return OrderEvent(order_id=order.order_id, type=OrderEventType.SEEN_EXPIRED, at=at, mono=mono, reason=why)


def _not_found(order: Order, why: str, *, at: int, mono: int, is_proof: bool = False) -> OrderEvent:
    return OrderEvent(
        order_id=order.order_id, type=OrderEventType.NOT_FOUND, at=at, mono=mono, reason=why, is_proof=is_proof
    )


def _events(order: Order, shown: VenueOrder, asked_at: int | None) -> list[OrderEventType]:
    # The events for what is new in a row: terms, state, filled quantity, venue id. A row with nothing new gives none.
    event_type = EVENT_OF_STATUS[shown.status]
    is_current = not is_outdated(order, event_type, shown)
    changes_state = is_current and (order.state, event_type) in TRANSITIONS
    has_known_id = order.venue_order_id == shown.venue_order_id or shown.venue_order_id in order.other_ids
    events = [event_type] if changes_state or shown.filled > order.reported.filled or not has_known_id else []
    if order.waits_for_trigger and is_current and _shows_trigger(shown):
        events.append(OrderEventType.TRIGGERED)
    terms = _terms_event(order, shown, asked_at) if is_current else None
    if terms is None:
        return events
    # Terms can change in a working order only. If the order is not working yet, the status has to come first.
    if (order.state, terms) in RULES_BY_PAIR:
        return [terms, *events]
    next_state = TRANSITIONS.get((order.state, event_type))
    return [*events, terms] if next_state in AT_VENUE else events


def _terms_event(order: Order, shown: VenueOrder, asked_at: int | None) -> OrderEventType | None:
    # The event for the row's quantity and price, None if they are the order's, out of date, or of an ended order.
    if shown.quantity <= 0 or shown.status not in (*WORKING_STATUSES, VenueOrderStatus.FILLED):
        return None
    # The venue's times are whole seconds and the stream may repeat. Within one second only a list can show which terms
    # are newer, and only one that was requested after our last change.
    since_change = None if asked_at is None else asked_at - order.replace.mono
    is_list = since_change is not None and since_change > 0
    is_newer = is_list or not shown.changed_at or shown.changed_at > order.reported.seen_at
    if order.replace.terms is not None:
        return _replace_result(order, order.replace.terms, shown, since_change, is_newer=is_newer)
    return OrderEventType.CHANGED if is_newer and _has_other_terms(order, shown) else None


def _replace_result(
    order: Order, wanted: OrderTerms, shown: VenueOrder, since_change: int | None, *, is_newer: bool
) -> OrderEventType | None:
    # The event that ends a pending replace, None while it is undecided.
    shows_prices = wanted.price in (None, shown.price) and wanted.trigger_price in (None, shown.trigger_price)
    if shown.quantity == wanted.quantity and shows_prices:
        # A larger quantity may be taken as confirmed too early: the exposure is then overstated. A smaller quantity
        # would understate it, so it needs a row that is newer.
        return OrderEventType.REPLACED if is_newer or wanted.quantity >= order.quantity else None
    # The row shows other terms than the replace asked for. They stay in force if its list was requested after the venue
    # refused the replace, or ten seconds after the replace was sent. A filled order changes no more.
    patience = 0 if order.replace.state is RequestState.REFUSED else REPLACE_SHOWS_WITHIN_NS
    is_settled = since_change is not None and since_change > patience
    return OrderEventType.CHANGED if is_settled or shown.status is VenueOrderStatus.FILLED else None


def _has_other_terms(order: Order, shown: VenueOrder) -> bool:
    kind = order.request.kind
    is_priced = kind in LIMIT_KINDS and shown.kind is kind and None not in (shown.price, order.price)
    # Only while it waits: a venue may show no trigger of a stop that has triggered.
    waits = shown.status is VenueOrderStatus.PENDING_TRIGGER and None not in (shown.trigger_price, order.trigger_price)
    is_moved = (is_priced and shown.price != order.price) or (waits and shown.trigger_price != order.trigger_price)
    return shown.quantity != order.quantity or is_moved


def _shows_trigger(shown: VenueOrder) -> bool:
    return shown.status in ACTIVE_STATUSES or shown.filled > 0
