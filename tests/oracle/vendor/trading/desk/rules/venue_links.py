"""Links to the venue: once a link or the login is lost, live orders are stale until a later snapshot confirms them."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.messages import BrokerSession, LinkDown, LinkUp
from tradebot.domain.order import OrderEventType
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decision, Decisions, Reconcile, RecordEvent


class VenueLinks:
    """Marks the orders that may have changed while we could not see the venue."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._was_cut_off = False

    def on_start(self) -> Iterator[Decision]:
        """Mark every live order as stale, because a new process knows it from the journal only."""
        for order in self._book.blotter.all_live_orders():
            yield RecordEvent(
                self._book.make_event(order, OrderEventType.LINK_LOST, "a new process knows it from the journal only")
            )

    def on_link(self, link: LinkDown | LinkUp) -> Decisions:
        """Mark the live orders as stale once a link is lost."""
        return self._on_loss(link.reason if isinstance(link, LinkDown) else "")

    def on_login(self, login: BrokerSession) -> Decisions:
        """Mark the live orders as stale once the venue does not accept our login any more."""
        return self._on_loss(login.lost_reason)

    def on_reconcile(self, decision: Reconcile) -> Decisions:
        """Mark stale orders as current, if the snapshot was requested after all links were back."""
        c = self._book.conditions
        return (
            NOTHING if c.links.is_cut_off or decision.books.asked_at < c.links.up_since_mono else self._mark_current()
        )

    def _on_loss(self, reason: str) -> Decisions:
        # Only the first loss marks the orders. At the next one they are stale already.
        was, self._was_cut_off = self._was_cut_off, self._book.conditions.links.is_cut_off
        return self._mark_stale(reason) if self._was_cut_off and not was else NOTHING

    def _mark_stale(self, reason: str) -> Iterator[Decision]:
        for order in self._book.blotter.all_live_orders():
            if not order.is_stale:
                yield RecordEvent(self._book.make_event(order, OrderEventType.LINK_LOST, reason))

    def _mark_current(self) -> Iterator[Decision]:
        for order in self._book.blotter.all_live_orders():
            if order.is_stale:
                yield RecordEvent(self._book.make_event(order, OrderEventType.LINK_BACK, "compared with the venue"))
