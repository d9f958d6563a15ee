"""The audit: the venue's whole books held against ours; the desk shows them, and what is found goes the desk's way.

What the books tell is booked first, then differences count. An order that outlived its cancels, or the day it was for,
is told to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tradebot.clock import SECOND
from tradebot.domain.control import Scope
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Books, BrokerSession, LinkDown, LinkUp, Reconciled, Released, SessionBegins
from tradebot.domain.order import Order, OrderEvent, OrderFact
from tradebot.domain.order_states import AT_VENUE
from tradebot.domain.position_key import Line, PositionKey
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.external import line_of
from tests.oracle.vendor.trading.desk.marks import Marks
from tests.oracle.vendor.trading.desk.ordering import Ordering
from tests.oracle.vendor.trading.desk.sightings import WORKS, Sightings

STALENESS = frozenset((OrderEvent.LINK_LOST, OrderEvent.LINK_BACK))  # tells nothing of the order itself
INTRADAY = "MIS"  # the product that no venue holds over a night
DAY_GRACE = 900 * SECOND  # market ns after the close in which the venue ends the orders of the day


class Audit:
    """Compares with the venue.

    `emit_all` takes facts, `tell` an event of an order, `incident` what a person must know of one and the scope it
    halts.
    """

    def __init__(
        self, *, universe: Universe, product: str, blotter: Blotter, marks: Marks, conditions: Conditions,
        sightings: Sightings, ordering: Ordering,
        emit_all: Callable[[Sequence[OrderFact]], None], tell: Callable[[Order, OrderEvent, str], None],
        incident: Callable[[str, Order, Scope | None], None], day_opens_at: Callable[[], int],
    ) -> None:  # fmt: skip
        self._universe, self._product, self._blotter, self._marks = universe, product, blotter, marks
        self._conditions, self._sightings, self._ordering = conditions, sightings, ordering
        self._emit_all, self._tell, self._incident = emit_all, tell, incident
        self._day_opens_at = day_opens_at
        self._closed_at = 0  # the end of the last session that is over
        self._link_back_at = 0
        self._given_up: set[str] = set()  # order_ids whose cancel was tried enough

    def link_down(self, link: LinkDown) -> None:
        """Note that a link is lost: what is open is stale, and that an order is not shown proves nothing."""
        self._cut_off(link.reason)
        self._conditions.down[link.source] = link.reason

    def link_up(self, link: LinkUp) -> None:
        """Note that a link is back: only books that are asked for now tell of the time without it."""
        self._conditions.down.pop(link.source, None)
        self._back()

    def session(self, session: BrokerSession) -> None:
        """Note whether the venue knows our login; what is open is stale while it does not."""
        c = self._conditions
        if session.lost:
            self._cut_off(session.lost)
        was_lost, c.session_lost, c.orders_refused = c.session_lost, session.lost, session.orders_refused
        if was_lost and not session.lost:
            self._back()

    def _cut_off(self, reason: str) -> None:
        if self._conditions.is_cut_off:
            return
        self._sightings.pause()
        for order in self._blotter.live_anywhere():
            if not order.is_stale:
                self._tell(order, OrderEvent.LINK_LOST, reason)

    def _back(self) -> None:
        c = self._conditions
        if not c.is_cut_off:
            self._link_back_at = c.mono
            self._sightings.resume(c.mono)

    def session_over(self, session: SessionBegins | None, now: int) -> None:
        """Note the end of a session that is over at `now`."""
        if session is not None and session.closes_at <= now:
            self._closed_at = max(self._closed_at, session.closes_at)

    def take(self, books: Books) -> None:
        """Book what the venue's books tell, and see to the orders that are not as they should be."""
        c, blotter = self._conditions, self._blotter
        c.looked(books.asked_at)
        blotter.external.begin_look(books.asked_at)
        self._emit_all(self._sightings.trades(books, at=c.now, mono=c.mono))
        self._emit_all(self._sightings.orders(books, at=c.now, mono=c.mono))
        for order in self._sightings.behind(books):
            if not c.halts.has(scope := Scope.symbol(order.symbol)):
                text = f"{order.order_id}: the venue has for a minute known fewer fills than it told us"
                self._incident(text, order, scope)
        self._cancel_again(books)
        self.session_over(c.session, c.now)
        if self._closed_at and c.now >= self._closed_at + DAY_GRACE:
            for order in blotter.live_anywhere():
                if order.times.begun_at < self._closed_at and order.state in AT_VENUE:
                    self._tell(order, OrderEvent.DAY_ENDED, "the day of the order is over")
        if not c.is_cut_off and books.asked_at >= self._link_back_at:
            for order in blotter.live_anywhere():
                if order.is_stale:
                    self._tell(order, OrderEvent.LINK_BACK, "compared with the venue")

    def compare(self, books: Books, *, is_start: bool = False) -> Reconciled:
        """Hold the venue's net against ours: what others did there, what they took of ours, and what nothing explains.

        A symbol opens nothing while its line is not accounted for, and no longer. The look of a start counts as two.
        """
        c, blotter, external = self._conditions, self._blotter, self._blotter.external
        own = blotter.own(books)
        external.look(books, own)
        for _ in range(2 if is_start else 1):
            external.account(
                own, asked_at=books.asked_at, symbols=self._universe.ids, is_traded=self._is_traded,
                is_over=self._is_over,
            )  # fmt: skip
        released = tuple(self._lost())
        for part in released:
            blotter.give_up(part)
        differences = {
            row.symbol: f"{row.symbol}: the venue's position cannot be read: {row.reason}"
            for row in books.unread
            if row.book == "positions" and row.symbol in self._universe
        }
        for line, rest in sorted(external.rests().items()):
            exchange, symbol, product = line
            ours = blotter.ours(line)
            beyond = external.beyond[line] - rest
            theirs = f", {beyond:f} placed elsewhere" if beyond else ""
            differences[symbol] = (
                f"{exchange}:{symbol} {product}: the venue holds {ours + beyond + rest:f}, the journal {ours:f}{theirs}"
            )
        c.unaccounted = external.unsettled() | differences
        for symbol in list(blotter.open) if external else ():
            self._ordering.shrink(symbol)
        return Reconciled(
            at=c.now, differences=tuple(differences.values()), cash=books.cash,
            external=external.positions(blotter.venue), released=released,
        )  # fmt: skip

    def heard(self, order: Order, fact: OrderFact) -> None:
        """Take a fact of an order of another hand: it bounds our exits at once, and where we trade no entry leaves
        until the books account for it."""
        if fact.event in STALENESS:
            return
        line, request = line_of(order), order.request
        if self._is_traded(line):
            text = f"an order placed elsewhere ({request.side} {order.quantity:f} {request.product}) is not settled yet"
            self._blotter.external.touch(line, self._conditions.mono, text)
            self._conditions.unaccounted[request.symbol] = text
        self._ordering.shrink(request.symbol)

    def key(self, symbol: str) -> PositionKey:
        """Return the key that our entries in a symbol lead to."""
        exchange = self._universe.get(symbol).exchange if symbol in self._universe else ""
        return PositionKey(self._blotter.venue, exchange, symbol, self._product)

    def _is_traded(self, line: Line) -> bool:
        # Where our orders go, or where something of ours is left.
        return line == self.key(line[1]).line or bool(self._blotter.ours(line))

    def _is_over(self, line: Line) -> bool:
        # Of an intraday position of an earlier day a venue that does not hold it has squared it off, and lists no fill.
        # What other hands traded there today does not make ours of today.
        opens_at, blotter = self._day_opens_at(), self._blotter
        today = (
            booked
            for booked in blotter.booked.values()
            if (fill := booked.execution).traded_at >= opens_at
            and (fill.exchange, fill.symbol, fill.product) == line
            and not ((order := blotter.orders.get(booked.order_id)) is not None and order.is_external)
        )
        return line[2] == INTRADAY and bool(opens_at) and next(today, None) is None

    def _lost(self) -> Iterator[Released]:
        for position in list(self._blotter.positions.values()):
            if position.quantity and (lost := self._blotter.external.lost(position)):
                price = self._marks.price_at(position.key) or position.average_price
                yield Released(key=position.key, quantity=lost, price=price, at=self._conditions.now)

    def _cancel_again(self, books: Books) -> None:
        orders = self._blotter.orders
        for shown in books.orders:
            found = orders.get(self._blotter.by_venue.get(shown.venue_order_id, ""))
            if found is None or shown.status not in WORKS or not found.is_live:
                continue
            tried_enough = not self._ordering.cancel_again(found, asked_at=books.asked_at)
            if tried_enough and found.order_id not in self._given_up:
                self._given_up = {i for i in self._given_up if i in orders} | {found.order_id}
                self._incident(f"{found.order_id} outlived {found.cancel.tries} cancels", found, None)
