"""What the venue shows, turned into facts: orders seen, fills, and whole books compared with ours.

Streams are hints and may repeat, reorder or omit; the books are the audit. A fill is booked once per (exchange,
execution id), never refused, and always before the status that came with it.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Books
from tradebot.domain.order import (
    TRANSITIONS,
    ZERO,
    Execution,
    Order,
    OrderEvent,
    OrderFact,
    OrderRequest,
    OrderState,
    Purpose,
    VenueOrder,
    VenueStatus,
)
from tradebot.stages.blotter import Blotter

EVENTS = {
    VenueStatus.ACKED: OrderEvent.SEEN_ACKED,
    VenueStatus.OPEN: OrderEvent.SEEN_OPEN,
    VenueStatus.PENDING_TRIGGER: OrderEvent.SEEN_OPEN,
    VenueStatus.FILLED: OrderEvent.SEEN_FILLED,
    VenueStatus.CANCELED: OrderEvent.SEEN_CANCELED,
    VenueStatus.REJECTED: OrderEvent.SEEN_REJECTED,
    VenueStatus.EXPIRED: OrderEvent.SEEN_EXPIRED,
}
ORPHANS_KEPT = 10_000  # fills whose order is not known yet; a venue's day allows 5,000 orders
UNSENT = (OrderState.INTENT, OrderState.SENDING)
CONFIRMATIONS = 2  # rounds a difference, or an absence, must last before it counts


class Sightings:
    """Turns sightings into facts against one blotter. `absent_after_s`: see `Profile`."""

    def __init__(self, blotter: Blotter, universe: Universe, *, absent_after_s: float = 60.0) -> None:
        self._blotter, self._universe = blotter, universe
        self._absent_after = int(absent_after_s * SECOND)
        self._orphans: OrderedDict[str, list[Execution]] = OrderedDict()  # venue_order_id -> fills
        self._misses: dict[str, tuple[int, int]] = {}  # order_id -> (asked_at of the first miss, misses since due)
        self._odd: dict[str, tuple[Decimal, Decimal, int]] = {}  # symbol -> (theirs, ours, rounds it lasted)

    def seen(self, order: VenueOrder, *, at: int, mono: int) -> list[OrderFact]:
        """Return the facts of one order the venue showed; an order that is not ours is adopted as external."""
        facts: list[OrderFact] = []
        order_id = order.tag if order.tag in self._blotter.orders else self._blotter.by_venue.get(order.venue_order_id)
        if order_id is None:
            if order.symbol not in self._universe:
                return []
            begun = self._external(order, at)
            order_id = begun.order_id
            facts += [begun, OrderFact(order_id=order_id, event=OrderEvent.SENDING, at=at, reason="placed elsewhere")]
            state, claimed, known = OrderState.SENDING, ZERO, ""
        else:
            ours = self._blotter.orders[order_id]
            state, claimed, known = ours.state, ours.claimed, ours.venue_order_id
        self._misses.pop(order_id, None)
        event = EVENTS[order.status]
        changes = (state, event) in TRANSITIONS or order.filled > claimed or known != order.venue_order_id
        if changes or facts:
            facts.append(
                OrderFact(
                    order_id=order_id,
                    event=event,
                    at=at,
                    mono=mono,
                    reason=order.reason,
                    venue_order_id=order.venue_order_id,
                    venue=order,
                )
            )
        for execution in self._orphans.pop(order.venue_order_id, ()):
            facts.append(self._fill(order_id, execution, at, mono))
        return facts

    def executed(self, execution: Execution, *, at: int, mono: int) -> list[OrderFact]:
        """Return the fact of one fill, or nothing if it was booked before or its order is not known yet."""
        if (execution.exchange, execution.execution_id) in self._blotter.executions:
            return []
        order_id = self._blotter.by_venue.get(execution.venue_order_id)
        if order_id is None:
            waiting = self._orphans.setdefault(execution.venue_order_id, [])
            if all(e.execution_id != execution.execution_id for e in waiting):
                waiting.append(execution)
            while len(self._orphans) > ORPHANS_KEPT:
                self._orphans.popitem(last=False)
            return []
        return [self._fill(order_id, execution, at, mono)]

    def linked(self, venue_order_id: str, *, at: int, mono: int) -> list[OrderFact]:
        """Return the fills that came before the venue's id of their order was known."""
        order_id = self._blotter.by_venue[venue_order_id]
        return [self._fill(order_id, e, at, mono) for e in self._orphans.pop(venue_order_id, ())]

    def books(self, books: Books, *, at: int, mono: int) -> list[OrderFact]:
        """Return every fact the books hold that we have not: fills first, then statuses, then absences."""
        facts: list[OrderFact] = []
        tags = {o.venue_order_id: o for o in books.orders}
        done: set[tuple[str, str]] = set()
        for execution in books.executions:
            key = (execution.exchange, execution.execution_id)
            if key in self._blotter.executions or key in done:
                continue
            order_id = self._blotter.by_venue.get(execution.venue_order_id)
            shown = tags.get(execution.venue_order_id)
            if order_id is None and shown is not None and shown.tag in self._blotter.orders:
                order_id = shown.tag
            if order_id is None:
                self.executed(execution, at=at, mono=mono)  # kept until its order is adopted below
            else:
                facts.append(self._fill(order_id, execution, at, mono))
                done.add(key)
        for order in books.orders:
            facts.extend(self.seen(order, at=at, mono=mono))
        facts.extend(self._absent(books, {o.tag for o in books.orders} | set(tags), at=at, mono=mono))
        return facts

    def _absent(self, books: Books, shown: set[str], *, at: int, mono: int) -> list[OrderFact]:
        facts = []
        for order in list(self._blotter.live()):
            if order.order_id in shown or order.venue_order_id in shown or order.state in UNSENT:
                continue
            since, misses = self._misses.get(order.order_id, (books.asked_at, 0))
            if books.asked_at > since + self._patience(order):
                misses += 1
            self._misses[order.order_id] = since, misses
            if misses >= CONFIRMATIONS:
                del self._misses[order.order_id]
                reason = f"not in {misses} complete order lists"
                facts.append(
                    OrderFact(order_id=order.order_id, event=OrderEvent.NOT_FOUND, at=at, mono=mono, reason=reason)
                )
        return facts

    def _patience(self, order: Order) -> int:
        # A working order that the list omits is in doubt soon, but never ended by it; one in doubt has until the
        # venue's validity bound. Counted from the first list that missed it, which is later than its sending.
        return self._absent_after if order.state is OrderState.UNKNOWN else 2 * SECOND

    def differences(self, books: Books) -> dict[str, str]:
        """Return symbol -> explanation where the venue's position and ours have differed for two rounds alike."""
        theirs: dict[str, Decimal] = {}
        for position in books.positions:
            if position.symbol in self._universe:
                theirs[position.symbol] = theirs.get(position.symbol, ZERO) + position.quantity
        ours = {p.symbol: p.quantity for p in self._blotter.positions.values()}
        odd: dict[str, tuple[Decimal, Decimal, int]] = {}
        for symbol in theirs.keys() | ours.keys():
            pair = theirs.get(symbol, ZERO), ours.get(symbol, ZERO)
            if pair[0] != pair[1]:
                before = self._odd.get(symbol)
                odd[symbol] = (*pair, before[2] + 1 if before and before[:2] == pair else 1)
        self._odd = odd
        return {
            symbol: f"{symbol}: the venue holds {venue}, the journal {journal}"
            for symbol, (venue, journal, lasted) in sorted(odd.items())
            if lasted >= CONFIRMATIONS
        }

    def _external(self, order: VenueOrder, at: int) -> OrderFact:
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
            purpose=Purpose.EXTERNAL,
            reason="placed elsewhere",
        )
        return OrderFact(
            order_id=order_id, event=OrderEvent.INTENT, at=at, request=request, venue_order_id=order.venue_order_id
        )

    def _fill(self, order_id: str, execution: Execution, at: int, mono: int) -> OrderFact:
        return OrderFact(
            order_id=order_id,
            event=OrderEvent.EXECUTED,
            at=at,
            mono=mono,
            execution=execution,
            venue_order_id=execution.venue_order_id,
        )
