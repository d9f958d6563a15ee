"""What the venue shows, turned into facts: orders seen, fills, and whole books compared with ours.

Streams are hints and may repeat, reorder or omit; the books are the audit. A fill is booked once per (exchange,
execution id), never refused, and always before the status that came with it. What counts of fills that are missing,
told twice or made up stands in `shortfalls.py`.
"""

from __future__ import annotations

from collections import OrderedDict

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import (
    Fill,
    Order,
    OrderEventType,
    OrderEvent,
    OrderKind,
    OrderRequest,
    OrderState,
    OrderPurpose,
    OrderTerms,
    VenueOrder,
    VenueOrderStatus,
    RequestState,
)
from tradebot.domain.order_reducer import apply_event, open_order, is_outdated
from tradebot.domain.order_states import AT_VENUE, RULES_BY_PAIR, TRANSITIONS
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.rules.shortfalls import Shortfalls
from tests.oracle.vendor.trading.desk.rules.twins import Twins
from tests.oracle.vendor.trading.desk.rules.unread import UnreadOrders

EVENTS = {
    VenueOrderStatus.ACKED: OrderEventType.SEEN_ACKED,
    VenueOrderStatus.OPEN: OrderEventType.SEEN_OPEN,
    VenueOrderStatus.PENDING_TRIGGER: OrderEventType.SEEN_OPEN,
    VenueOrderStatus.FILLED: OrderEventType.SEEN_FILLED,
    VenueOrderStatus.CANCELED: OrderEventType.SEEN_CANCELED,
    VenueOrderStatus.REJECTED: OrderEventType.SEEN_REJECTED,
    VenueOrderStatus.EXPIRED: OrderEventType.SEEN_EXPIRED,
}
WORKS = (VenueOrderStatus.ACKED, VenueOrderStatus.OPEN, VenueOrderStatus.PENDING_TRIGGER)
PRICED = (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
ORPHANS_KEPT = 10_000  # fills whose order is not known yet; a venue's day allows 5,000 orders
UNSENT = (OrderState.INTENT, OrderState.SENDING)
CONFIRMATIONS = 2  # rounds that an absence must last before it counts
REPLACE_PATIENCE = 10 * SECOND  # for a change that may have been accepted to show in a list
BELOW_FOR = MINUTE  # how long the venue's cumulative quantity may lag behind the fills it told
OMITTED_FOR = 2 * SECOND  # that lists may omit a working order until it is in doubt
DISPUTED_FOR = 10 * SECOND  # that a fill told with other figures makes looks come soon


class Sightings:
    """Turns sightings into facts against one book. `absent_after_s`, `absence_is_proof`: see `Profile`."""

    def __init__(
        self, book: Book, shortfalls: Shortfalls, *, absent_after_s: float = 60.0, absence_is_proof: bool = False
    ) -> None:
        self._blotter, self._universe, self._conditions = book.blotter, book.universe, book.conditions
        self._shortfalls = shortfalls
        self._absent_after, self._absence_is_proof = int(absent_after_s * SECOND), absence_is_proof
        self.orphans: OrderedDict[str, list[Fill]] = OrderedDict()  # venue_order_id -> fills
        self._misses: dict[str, tuple[int, int]] = {}  # order_id -> (asked_at of the first miss, misses that count)
        self._below: dict[str, int] = {}  # order_id -> asked_at of the first list that knew fewer fills than we
        self._twins = Twins(book.blotter)
        self._looked_at = 0  # when the last books were asked for

    def look_wanted_at(self) -> int | None:
        """Return the monotonic time from which a look may end a doubt; None when no look can."""
        if self._conditions.links.is_cut_off:
            return None
        due = [self._due(order) for order in self._blotter.live_anywhere() if order.state is OrderState.UNKNOWN]
        due.append(self._twins.look_wanted_at())
        disputed_at = self._shortfalls.disputed_at
        if disputed_at is not None and self._looked_at - disputed_at < DISPUTED_FOR:
            due.append(self._looked_at)
        if any(held is None for _, held in self._blotter.in_excess.values()) or self._blotter.external.is_in_doubt:
            due.append(self._looked_at)
        return min((at for at in due if at is not None), default=None)

    def seen(self, shown: VenueOrder, *, at: int, mono: int, asked_at: int | None = None) -> list[OrderEvent]:
        """Return the facts of one order the venue showed; one that is not ours is written down as external.

        `asked_at` is when the list that shows it was asked for, None on the stream.
        """
        facts: list[OrderEvent] = []
        order_id = shown.tag if shown.tag in self._blotter.orders else self._blotter.by_venue.get(shown.venue_order_id)
        if order_id is None:
            if shown.symbol not in self._universe:
                return []
            begun = self._external(shown, at, mono)
            order_id = begun.order_id
            sending = OrderEvent(
                order_id=order_id, type=OrderEventType.SENDING, at=at, mono=mono, reason="placed elsewhere"
            )
            facts += [begun, sending]
            order = apply_event(open_order(begun), sending)
        else:
            order = self._blotter.orders[order_id]
        self._misses.pop(order_id, None)
        for event in _events(order, shown, asked_at):
            facts.append(
                OrderEvent(
                    order_id=order_id,
                    type=event,
                    at=at,
                    mono=mono,
                    reason=shown.reason,
                    venue_order_id=shown.venue_order_id,
                    venue_order=shown,
                )
            )
        for execution in self.orphans.pop(shown.venue_order_id, ()):
            facts += self._shortfalls.fills(order_id, execution, at=at, mono=mono)
        return facts

    def executed(self, execution: Fill, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the facts of one fill, or nothing if it was booked before or its order is not known yet."""
        order_id = self._blotter.owner(execution.fill_key) or self._blotter.by_venue.get(execution.venue_order_id)
        if order_id is None:
            waiting = self.orphans.setdefault(execution.venue_order_id, [])
            if all(e.execution_id != execution.execution_id for e in waiting):
                waiting.append(execution)
            while len(self.orphans) > ORPHANS_KEPT:
                self.orphans.popitem(last=False)
            return []
        return self._shortfalls.fills(order_id, execution, at=at, mono=mono)

    def linked(self, venue_order_id: str, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the fills that came before the venue's id of their order was known."""
        facts: list[OrderEvent] = []
        if not self.orphans:
            return facts
        order_id = self._blotter.by_venue[venue_order_id]
        for execution in self.orphans.pop(venue_order_id, ()):
            facts += self._shortfalls.fills(order_id, execution, at=at, mono=mono)
        return facts

    def trades(self, books: AccountSnapshot, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the fills of the books that we have not; to be applied before `orders` is asked."""
        facts: list[OrderEvent] = []
        tags = {o.venue_order_id: o.tag for o in books.orders if o.tag in self._blotter.orders}
        tags |= {row.venue_order_id: row.tag for row in books.unread if row.tag in self._blotter.orders}
        done: set[tuple[str, str]] = set()
        for execution in books.fills:
            if execution.fill_key in done:
                continue
            done.add(execution.fill_key)
            facts += self._shortfalls.confirmed(execution, at=at, mono=mono)
            order_id = self._blotter.by_venue.get(execution.venue_order_id) or tags.get(execution.venue_order_id)
            if order_id is None:
                self.executed(execution, at=at, mono=mono)  # kept until its order is adopted by `orders`
            elif execution.fill_key not in self._blotter.booked:
                facts += self._shortfalls.fills(order_id, execution, at=at, mono=mono)
        return facts

    def orders(self, books: AccountSnapshot, *, at: int, mono: int) -> list[OrderEvent]:
        """Return the statuses of the books, then the absences, then what was never a trade."""
        facts: list[OrderEvent] = []
        self._looked_at = books.asked_at
        # A row that comes twice is one order: the facts of the first are not applied yet when the second is looked at.
        for order in {order.venue_order_id: order for order in books.orders}.values():
            facts += self.seen(order, at=at, mono=mono, asked_at=books.asked_at)
        shown = ({o.tag for o in books.orders} | {o.venue_order_id for o in books.orders}) - {""}
        unread = UnreadOrders(books, self._blotter)
        facts += self._absent(books, shown, unread, at=at, mono=mono)
        return (
            facts
            if self._conditions.links.is_cut_off
            else facts + self._twins.taken_back(books, unread, at=at, mono=mono)
        )

    def behind(self, books: AccountSnapshot) -> list[Order]:
        """Return the orders of which the venue has for a minute known fewer fills than it told us."""
        below: dict[str, int] = {}
        for shown in books.orders:
            order_id = self._blotter.by_venue.get(shown.venue_order_id, "")
            order = self._blotter.orders.get(order_id)
            if order is not None and not order.other_ids and shown.filled < order.filled:
                below[order_id] = self._below.get(order_id, books.asked_at)
        self._below = below
        return [self._blotter.orders[i] for i, since in below.items() if books.asked_at - since >= BELOW_FOR]

    def _absent(self, books: AccountSnapshot, shown: set[str], unread: UnreadOrders, *, at: int, mono: int) -> list[OrderEvent]:
        facts: list[OrderEvent] = []
        live = list(self._blotter.live_anywhere())
        self._misses = {o.order_id: self._misses[o.order_id] for o in live if o.order_id in self._misses}
        if self._conditions.links.is_cut_off:
            return facts  # an order that is not shown is no evidence then, however often one looks
        for order in live:
            ids = (order.order_id, order.venue_order_id, *order.other_ids)
            if order.state in UNSENT or any(i in shown for i in ids):
                continue
            if (row := unread.ours.get(order.order_id)) is not None:
                self._misses.pop(order.order_id, None)
                if order.state in AT_VENUE:
                    why = f"its row in the venue's list cannot be read: {row.reason}"
                    facts.append(_not_found(order, why, at=at, mono=mono))
            elif order.state is OrderState.UNKNOWN and unread.may_be(order):
                continue  # a list that may show it does not end it
            elif (misses := self._miss(order, books.asked_at)) >= CONFIRMATIONS:
                del self._misses[order.order_id]
                why = f"not in {misses} complete order lists"
                facts.append(_not_found(order, why, at=at, mono=mono, is_proof=self._absence_is_proof))
        return facts

    def _miss(self, order: Order, asked_at: int) -> int:
        # One more list without the order; returns how many of them count.
        since, misses = self._misses.setdefault(order.order_id, (asked_at, 0))
        if (due := self._due(order)) is not None and asked_at > due:
            misses += 1
        self._misses[order.order_id] = since, misses
        return misses

    def _due(self, order: Order) -> int | None:
        # From when on a list without the order counts. A working one is in doubt soon, and never ended by it. One in
        # doubt has until the venue's bound, which runs at the venue: from the sending of one that nobody has seen, from
        # the first list that missed one that was there.
        since, _ = self._misses.get(order.order_id, (None, 0))
        patience = OMITTED_FOR
        if order.state is OrderState.UNKNOWN:
            patience = self._absent_after
            if order.times.sent_mono and not order.times.acked_mono:
                since = order.times.sent_mono
        return None if since is None else max(since + patience, self._conditions.links.shown_from)

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


def _not_found(order: Order, why: str, *, at: int, mono: int, is_proof: bool = False) -> OrderEvent:
    return OrderEvent(
        order_id=order.order_id, type=OrderEventType.NOT_FOUND, at=at, mono=mono, reason=why, is_proof=is_proof
    )


def _events(order: Order, shown: VenueOrder, asked_at: int | None) -> list[OrderEventType]:
    # What a status tells that is new: its terms, its state, its quantity, its id. One that tells nothing leaves no row.
    event = EVENTS[shown.status]
    fresh = not is_outdated(order, event, shown)
    moves = fresh and (order.state, event) in TRANSITIONS
    known = order.venue_order_id == shown.venue_order_id or shown.venue_order_id in order.other_ids
    events = [event] if moves or shown.filled > order.reported.filled or not known else []
    terms = _terms(order, shown, asked_at) if fresh else None
    if terms is None:
        return events
    if (order.state, terms) in RULES_BY_PAIR:
        return [terms, *events]
    reached = TRANSITIONS.get((order.state, event))
    return [*events, terms] if reached in AT_VENUE else events


def _terms(order: Order, shown: VenueOrder, asked_at: int | None) -> OrderEventType | None:
    if shown.quantity <= 0 or shown.status not in (*WORKS, VenueOrderStatus.FILLED):
        return None
    # Times are whole seconds and the stream may repeat: within one second only a list asked for since the last change
    # tells which terms are the later ones.
    since_change = None if asked_at is None else asked_at - order.replace.mono
    is_list = since_change is not None and since_change > 0
    is_newer = is_list or not shown.changed_at or shown.changed_at > order.reported.seen_at
    if order.replace.terms is not None:
        return _settled(order, order.replace.terms, shown, since_change, is_newer=is_newer)
    return OrderEventType.CHANGED if is_newer and _has_other_terms(order, shown) else None


def _settled(
    order: Order, wanted: OrderTerms, shown: VenueOrder, since_change: int | None, *, is_newer: bool
) -> OrderEventType | None:
    # What becomes of a change that is under way.
    if shown.quantity == wanted.quantity and wanted.price in (None, shown.price):
        # Taken for done too early, a larger quantity leaves no less exposed; a smaller one would.
        return OrderEventType.REPLACED if is_newer or wanted.quantity >= order.quantity else None
    # A list asked for after a refusal, or long after a request of unknown fate, proves that the old terms stand; and of
    # an order that is through no change is to come.
    patience = 0 if order.replace.state is RequestState.REFUSED else REPLACE_PATIENCE
    is_settled = since_change is not None and since_change > patience
    return OrderEventType.CHANGED if is_settled or shown.status is VenueOrderStatus.FILLED else None


def _has_other_terms(order: Order, shown: VenueOrder) -> bool:
    kind = order.request.kind
    is_priced = kind in PRICED and shown.kind is kind and None not in (shown.price, order.price)
    return shown.quantity != order.quantity or (is_priced and shown.price != order.price)
