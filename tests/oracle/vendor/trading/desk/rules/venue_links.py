"""Links to the venue: while one or the login is lost what is open is stale, until books asked for later compare it."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.messages import BrokerSession, LinkDown, LinkUp
from tradebot.domain.order import OrderEventType
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decision, Decisions, Look, Record


class VenueLinks:
    """Marks the orders that may have changed unseen."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._was_cut_off = False

    def on_start(self) -> Iterator[Decision]:
        """Take every order for stale: a new process knows it from the journal only."""
        for order in self._book.blotter.live_anywhere():
            yield Record(self._book.fact(order, OrderEventType.LINK_LOST, "a new process knows it from the journal only"))

    def on_link(self, link: LinkDown | LinkUp) -> Decisions:
        """Mark what is open once a link is lost."""
        return self._marked(link.reason if isinstance(link, LinkDown) else "")

    def on_login(self, told: BrokerSession) -> Decisions:
        """Mark what is open once the venue does not know our login any more."""
        return self._marked(told.lost_reason)

    def on_look(self, look: Look) -> Decisions:
        """Take what these books compared for known again, where they were asked for since all links are there."""
        c = self._book.conditions
        return NOTHING if c.links.is_cut_off or look.books.asked_at < c.links.up_at else self._compared()

    def _marked(self, reason: str) -> Decisions:
        was, self._was_cut_off = self._was_cut_off, self._book.conditions.links.is_cut_off
        return self._lost(reason) if self._was_cut_off and not was else NOTHING

    def _lost(self, reason: str) -> Iterator[Decision]:
        for order in self._book.blotter.live_anywhere():
            if not order.is_stale:
                yield Record(self._book.fact(order, OrderEventType.LINK_LOST, reason))

    def _compared(self) -> Iterator[Decision]:
        for order in self._book.blotter.live_anywhere():
            if order.is_stale:
                yield Record(self._book.fact(order, OrderEventType.LINK_BACK, "compared with the venue"))
