"""The audit: the venue's whole books held against ours; the desk shows them, and what is found goes the desk's way.

What the books tell is booked first, then differences count. An order that outlived its cancels, or the day it was for,
is told to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradebot.clock import SECOND
from tradebot.domain.control import Scope
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Books, LinkDown, LinkUp, Reconciled, SessionBegins
from tradebot.domain.order import Order, OrderEvent, OrderFact
from tradebot.domain.order_states import AT_VENUE
from tradebot.stages.desk.blotter import Blotter
from tradebot.stages.desk.conditions import Conditions
from tradebot.stages.desk.ordering import Ordering
from tradebot.stages.desk.sightings import WORKS, Sightings

DAY_GRACE = 900 * SECOND  # market ns after the close in which the venue ends the orders of the day


class Audit:
    """Compares with the venue.

    `emit_all` takes facts, `tell` an event of an order, `incident` what a person must know of one and the scope it
    halts.
    """

    def __init__(
        self, *, blotter: Blotter, conditions: Conditions, sightings: Sightings, ordering: Ordering,
        emit_all: Callable[[Sequence[OrderFact], bool], None], tell: Callable[[Order, OrderEvent, str], None],
        incident: Callable[[str, Order, Scope | None], None],
    ) -> None:  # fmt: skip
        self._blotter, self._conditions, self._sightings, self._ordering = blotter, conditions, sightings, ordering
        self._emit_all, self._tell, self._incident = emit_all, tell, incident
        self._closed_at = 0  # the end of the last session that is over
        self._link_back_at = 0
        self._given_up: set[str] = set()  # order_ids whose cancel was tried enough

    def link_down(self, link: LinkDown) -> None:
        """Note that a link is lost: what is open is stale, and that an order is not shown proves nothing."""
        c = self._conditions
        if not c.down:
            self._sightings.pause()
            for order in self._blotter.live():
                if not order.is_stale:
                    self._tell(order, OrderEvent.LINK_LOST, link.reason)
        c.down[link.source] = link.reason

    def link_up(self, link: LinkUp) -> None:
        """Note that a link is back: only books that are asked for now tell of the time without it."""
        c = self._conditions
        c.down.pop(link.source, None)
        if not c.down:
            self._link_back_at = c.mono
            self._sightings.resume(c.mono)

    def session_over(self, session: SessionBegins | None, now: int) -> None:
        """Note the end of a session that is over at `now`."""
        if session is not None and session.closes_at <= now:
            self._closed_at = max(self._closed_at, session.closes_at)

    def adopt(self, books: Books, universe: Universe) -> Reconciled:
        """Take the venue's positions over into a blotter that knows none; the trades of the books tell the others."""
        traded = {e.symbol for e in books.executions} | {row.symbol for row in books.unread if row.book == "trades"}
        adopted = tuple(
            (p.symbol, p.quantity, p.average_price)
            for p in books.positions
            if p.quantity and p.symbol in universe and p.symbol not in traded
        )
        for symbol, quantity, price in adopted:
            self._blotter.adopt(symbol, quantity, price)
        return Reconciled(at=self._conditions.now, cash=books.cash, adopted=adopted)

    def take(self, books: Books, *, is_start: bool = False) -> None:
        """Book what the venue's books tell, and see to the orders that are not as they should be."""
        c, blotter = self._conditions, self._blotter
        c.looked(books.asked_at)
        self._emit_all(self._sightings.trades(books, at=c.now, mono=c.mono), is_start)
        self._emit_all(self._sightings.orders(books, at=c.now, mono=c.mono), is_start)
        for order in self._sightings.behind(books):
            if not c.halts.has(scope := Scope.symbol(order.symbol)):
                text = f"{order.order_id}: the venue has for a minute known fewer fills than it told us"
                self._incident(text, order, scope)
        self._cancel_again(books)
        self.session_over(c.session, c.now)
        if self._closed_at and c.now >= self._closed_at + DAY_GRACE:
            for order in blotter.live():
                if order.begun_at < self._closed_at and order.state in AT_VENUE:
                    self._tell(order, OrderEvent.DAY_ENDED, "the day of the order is over")
        if not c.down and books.asked_at >= self._link_back_at:
            for order in blotter.live():
                if order.is_stale:
                    self._tell(order, OrderEvent.LINK_BACK, "compared with the venue")

    def compare(self, books: Books) -> Reconciled:
        """Return what differs; a symbol whose position has differed for two rounds opens nothing until it agrees."""
        c = self._conditions
        c.halted_symbols = self._sightings.differences(books)
        return Reconciled(at=c.now, differences=tuple(c.halted_symbols.values()), cash=books.cash)

    def _cancel_again(self, books: Books) -> None:
        orders = self._blotter.orders
        for shown in books.orders:
            found = orders.get(self._blotter.by_venue.get(shown.venue_order_id, ""))
            if found is None or shown.status not in WORKS or not found.is_live:
                continue
            tried_enough = not self._ordering.cancel_again(found, asked_at=books.asked_at)
            if tried_enough and found.order_id not in self._given_up:
                self._given_up = {i for i in self._given_up if i in orders} | {found.order_id}
                self._incident(f"{found.order_id} outlived {found.cancel_tries} cancels", found, None)
