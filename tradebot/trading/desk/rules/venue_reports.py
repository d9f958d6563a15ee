"""What the venue reports, turned into facts: answers, orders seen, fills, whole books, and fills that are missing."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.domain.commands import Scope
from tradebot.domain.messages import ClockTick, FillReport, OrderReport, RequestResult
from tradebot.domain.order import OrderEventType
from tradebot.trading.desk.book.book import Book, OrderChange
from tradebot.trading.desk.decisions import (
    NOTHING,
    CheckOverfills,
    Decision,
    Decisions,
    Reconcile,
    RecordEvent,
    RecordJournaled,
    record_events,
)
from tradebot.trading.desk.rules.missing_fills import MissingFills
from tradebot.trading.desk.rules.report_translator import ReportTranslator
from tradebot.trading.desk.rules.violation import Violation, report_violations


class VenueReports:
    """Books what the venue says. `absent_after_s`, `absence_is_proof`: see `VenueRules`."""

    def __init__(self, book: Book, *, absent_after_s: float, absence_is_proof: bool) -> None:
        self._book = book
        self._missing_fills = MissingFills(book.blotter, book.universe, book.marks.reference_price)
        self._translator = ReportTranslator(
            book, self._missing_fills, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof
        )

    def on_request_result(self, result: RequestResult) -> Iterator[Decision]:
        """Book the answer to a request, and the fills that came before the venue's id of its order was known."""
        fact = result.event
        # SENDING is in the journal already: its row had to be on disk before the first byte left.
        if fact.type is OrderEventType.SENDING:
            yield RecordJournaled(fact)
            return
        yield RecordEvent(fact)
        if fact.venue_order_id:
            at = self._book.conditions.now
            yield from record_events(self._translator.orphan_fill_events(fact.venue_order_id, at=at, mono=fact.mono))

    def on_order_report(self, report: OrderReport) -> Decisions:
        """Book what an order showed that is new."""
        return record_events(
            self._translator.order_report_events(report.order, at=self._book.conditions.now, mono=report.mono)
        )

    def on_fill_report(self, report: FillReport) -> Decisions:
        """Book a fill, once; one whose order is not known yet waits."""
        return record_events(
            self._translator.fill_report_events(report.fill, at=self._book.conditions.now, mono=report.mono)
        )

    def on_reconcile(self, decision: Reconcile) -> Iterator[Decision]:
        """Book what the whole books tell: fills first, then statuses and absences."""
        c, books = self._book.conditions, decision.books
        yield from record_events(self._translator.snapshot_fill_events(books, at=c.now, mono=c.mono))
        yield CheckOverfills(books)
        yield from record_events(self._translator.snapshot_order_events(books, at=c.now, mono=c.mono))
        for order in self._translator.lagging_orders(books):
            if not c.halts.has_scope(scope := Scope.for_symbol(order.symbol)):
                text = f"{order.order_id}: the venue has for a minute known fewer fills than it told us"
                yield from report_violations(self._book, (Violation(text, scope),), order)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Make up the fills that have been missing for too long."""
        if not self._missing_fills.missing_since:
            return NOTHING
        return record_events(self._missing_fills.infer_fills(at=tick.at, mono=self._book.conditions.mono))

    def on_change(self, change: OrderChange) -> Decisions:
        """Remember which orders lack fills, and which fills are made up."""
        if change.event.fill is not None or change.after.reported.filled:
            self._missing_fills.note_event(change.after, change.event, self._book.conditions.mono)
        if forgotten := self._book.blotter.forgotten_orders:
            for order in forgotten:
                self._missing_fills.forget_order(order)
            forgotten.clear()
        return NOTHING

    @property
    def lacks_fills(self) -> bool:
        """True while the venue knows of fills that it has not told."""
        return bool(self._missing_fills.missing_since)

    def next_poll_at(self) -> int | None:
        """Return the monotonic time from which a look at the books may end a doubt, None when no look can."""
        return self._translator.next_poll_at()
