"""What the venue reports, turned into facts: answers, orders seen, fills, whole books, and fills that are missing."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.commands import Scope
from tradebot.domain.messages import FillReport, OrderReport, RequestResult, ClockTick
from tradebot.domain.order import OrderEventType
from tests.oracle.vendor.trading.desk.book.book import Book, OrderChange
from tests.oracle.vendor.trading.desk.decisions import (
    NOTHING,
    CheckExcess,
    Decision,
    Decisions,
    Known,
    Look,
    Record,
    records,
)
from tests.oracle.vendor.trading.desk.rules.finding import Finding, raise_findings
from tests.oracle.vendor.trading.desk.rules.shortfalls import Shortfalls
from tests.oracle.vendor.trading.desk.rules.sightings import Sightings


class VenueReports:
    """Books what the venue says. `absent_after_s`, `absence_is_proof`: see `Profile`."""

    def __init__(self, book: Book, *, absent_after_s: float, absence_is_proof: bool) -> None:
        self._book = book
        self._shortfalls = Shortfalls(book.blotter, book.universe, book.marks.reference)
        self._sightings = Sightings(
            book, self._shortfalls, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof
        )

    def on_outcome(self, outcome: RequestResult) -> Iterator[Decision]:
        """Book the answer to a request, and the fills that came before the venue's id of its order was known."""
        fact = outcome.event
        # SENDING is in the journal already: its row had to be on disk before the first byte left.
        if fact.type is OrderEventType.SENDING:
            yield Known(fact)
            return
        yield Record(fact)
        if fact.venue_order_id:
            at = self._book.conditions.now
            yield from records(self._sightings.linked(fact.venue_order_id, at=at, mono=fact.mono))

    def on_seen(self, seen: OrderReport) -> Decisions:
        """Book what an order showed that is new."""
        return records(self._sightings.seen(seen.order, at=self._book.conditions.now, mono=seen.mono))

    def on_executed(self, told: FillReport) -> Decisions:
        """Book a fill, once; one whose order is not known yet waits."""
        return records(self._sightings.executed(told.fill, at=self._book.conditions.now, mono=told.mono))

    def on_look(self, look: Look) -> Iterator[Decision]:
        """Book what the whole books tell: fills first, then statuses and absences."""
        c, books = self._book.conditions, look.books
        yield from records(self._sightings.trades(books, at=c.now, mono=c.mono))
        yield CheckExcess(books)
        yield from records(self._sightings.orders(books, at=c.now, mono=c.mono))
        for order in self._sightings.behind(books):
            if not c.halts.has_scope(scope := Scope.for_symbol(order.symbol)):
                text = f"{order.order_id}: the venue has for a minute known fewer fills than it told us"
                yield from raise_findings(self._book, (Finding(text, scope),), order)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Make up the fills that have been missing for too long."""
        if not self._shortfalls.short:
            return NOTHING
        return records(self._shortfalls.infer(at=tick.at, mono=self._book.conditions.mono))

    def on_change(self, change: OrderChange) -> Decisions:
        """Remember which orders lack fills, and which fills are made up."""
        if change.fact.fill is not None or change.after.reported.filled:
            self._shortfalls.note(change.after, change.fact, self._book.conditions.mono)
        if forgotten := self._book.blotter.forgotten:
            for order in forgotten:
                self._shortfalls.forget(order)
            forgotten.clear()
        return NOTHING

    @property
    def lacks_fills(self) -> bool:
        """True while the venue knows of fills that it has not told."""
        return bool(self._shortfalls.short)

    def look_wanted_at(self) -> int | None:
        """Return the monotonic time from which a look at the books may end a doubt, None when no look can."""
        return self._sightings.look_wanted_at()
