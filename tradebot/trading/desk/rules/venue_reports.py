"""Books what the venue reports: results of requests, order and fill reports, snapshots, and fills that are missing."""

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
    """Books the venue's reports.

    `VenueRules` in `venues/venue_rules.py` explains `absent_after_s` and `absence_is_proof`.
    """

    def __init__(self, book: Book, *, absent_after_s: float, absence_is_proof: bool) -> None:
        self._book = book
        self._asked: set[str] = set()  # our ids of GTT orders that the operator was asked about
        self._missing_fills = MissingFills(book.blotter, book.universe, book.marks.reference_price)
        self._translator = ReportTranslator(
            book, self._missing_fills, absent_after_s=absent_after_s, absence_is_proof=absence_is_proof
        )

    def on_request_result(self, result: RequestResult) -> Iterator[Decision]:
        """Book the result of a request, and the fills that came before the venue's id of its order was known."""
        event = result.event
        # SENDING is in the journal already: its row had to be on disk before the order's first byte left.
        if event.type is OrderEventType.SENDING:
            yield RecordJournaled(event)
            return
        yield RecordEvent(event)
        if event.venue_order_id:
            at = self._book.conditions.now
            yield from record_events(self._translator.orphan_fill_events(event.venue_order_id, at=at, mono=event.mono))

    def on_order_report(self, report: OrderReport) -> Decisions:
        """Book what is new in an order report."""
        return record_events(
            self._translator.order_report_events(report.order, at=self._book.conditions.now, mono=report.mono)
        )

    def on_fill_report(self, report: FillReport) -> Decisions:
        """Book a fill once; a fill whose order is not known yet is kept until it is."""
        return record_events(
            self._translator.fill_report_events(report.fill, at=self._book.conditions.now, mono=report.mono)
        )

    def on_reconcile(self, decision: Reconcile) -> Iterator[Decision]:
        """Book a whole account snapshot: fills first, then statuses and absences."""
        c, snapshot = self._book.conditions, decision.books
        yield from record_events(self._translator.snapshot_fill_events(snapshot, at=c.now, mono=c.mono))
        yield CheckOverfills(snapshot)
        yield from record_events(self._translator.snapshot_order_events(snapshot, at=c.now, mono=c.mono))
        yield from self._ask_operator()
        # Last, when the fills of this snapshot are booked: now it tells what became of the stops that ended.
        self._book.blotter.note_list(snapshot.asked_at)
        for order in self._translator.lagging_orders(snapshot):
            if not c.halts.has_scope(scope := Scope.for_symbol(order.symbol)):
                text = f"{order.order_id}: the venue has for a minute known fewer fills than it told us"
                yield from report_violations(self._book, (Violation(text, scope),), order)

    def _ask_operator(self) -> Iterator[Decision]:
        # A GTT order without an answer that several at the venue may be. Only a person can tell them apart.
        ambiguous = self._translator.gtt_reports.ambiguous
        for order_id, ids in ambiguous.items():
            if order_id not in self._asked and (order := self._book.blotter.orders.get(order_id)) is not None:
                text = (
                    f"{order_id} had no answer, and the GTT orders {', '.join(ids)} may each be it:"
                    " delete all but one of them in the broker's app"
                )
                yield self._book.make_incident(text, order)
        self._asked = set(ambiguous)

    def on_tick(self, tick: ClockTick) -> Decisions:
        """Infer the fills that have been missing for too long."""
        if not self._missing_fills.missing_since:
            return NOTHING
        return record_events(self._missing_fills.infer_fills(at=tick.at, mono=self._book.conditions.mono))

    def on_change(self, change: OrderChange) -> Decisions:
        """Note which orders have missing fills, and which fills are inferred."""
        # Fills can be missing only if the venue reported a filled quantity. Most events skip this.
        if change.event.fill is not None or change.after.reported.filled:
            self._missing_fills.note_event(change.after, change.event, self._book.conditions.mono)
        if forgotten := self._book.blotter.forgotten_orders:
            for order in forgotten:
                self._missing_fills.forget_order(order)
            forgotten.clear()
        return NOTHING

    @property
    def lacks_fills(self) -> bool:
        """Return whether the venue reports a larger filled quantity of any order than the fills that we have of it."""
        return bool(self._missing_fills.missing_since)

    def next_poll_at(self) -> int | None:
        """Return the monotonic ns from which a poll of the venue may resolve a doubt, None when no poll can."""
        return self._translator.next_poll_at()
