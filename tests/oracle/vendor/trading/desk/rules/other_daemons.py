"""Two daemons on one account: an order with a tag of our form that the journal does not know halts everything.

Each would count the other's orders as those of a person, size its own as if it were alone, and close what the other
holds. Both see the other's orders in the account's list, so each halts. Every order of ours has an INTENT in the
journal before it is sent, so an order of an earlier run over this journal is known. An order that a GTT placed has no
tag, and shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tradebot.domain.commands import EVERYTHING, HaltExpiry
from tradebot.domain.messages import OrderReport
from tradebot.domain.order import VenueOrder
from tradebot.domain.order_tags import has_our_form
from tradebot.domain.venue_rows import UnreadRow
from tests.oracle.vendor.trading.desk.book.book import Book
from tests.oracle.vendor.trading.desk.decisions import NOTHING, Decision, Decisions, Reconcile
from tests.oracle.vendor.trading.desk.rules.violation import halt_scope

TWO_DAEMONS_CONTROL = "two_daemons"  # the control that is named in the halt
NAMED_TAGS = 3  # of the tags, in the reason
MAX_SEEN_TAGS = 20_000  # tags that were told; a venue's day allows 5,000 orders


class OtherDaemons:
    """Halts everything until a resume for each tag that is seen the first time; after a resume only for new ones.

    Orders in symbols that we do not trade are in no row of the journal: such a one halts the day's next start, too.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._seen: set[str] = set()

    def on_order_report(self, report: OrderReport) -> Decisions:
        """Judge one order on the stream."""
        return self._judge((report.order,)) if self._is_foreign(report.order) else NOTHING

    def on_reconcile(self, decision: Reconcile) -> Decisions:
        """Judge the orders of an account snapshot, of symbols that we do not trade and unreadable ones, too."""
        books = decision.books
        rows: tuple[VenueOrder | UnreadRow, ...] = (*books.orders, *books.unread)
        foreign = [row for row in rows if self._is_foreign(row)]
        return self._judge(foreign) if foreign else NOTHING

    def _is_foreign(self, row: VenueOrder | UnreadRow) -> bool:
        tag, blotter = row.tag, self._book.blotter
        if not tag or tag in blotter.orders or tag in self._seen or not has_our_form(tag):
            return False
        # The journal may know it as an order placed elsewhere: an earlier run saw it, halted, and was resumed.
        return row.venue_order_id not in blotter.by_venue_id

    def _judge(self, foreign: Iterable[VenueOrder | UnreadRow]) -> Iterator[Decision]:
        rows = {row.tag: row for row in foreign}  # the stream and a list may show one order twice
        if len(self._seen) + len(rows) > MAX_SEEN_TAGS:
            self._seen.clear()
        self._seen |= rows.keys()
        named = ", ".join(f"{row.venue_order_id or 'one'} ({_about(row)})" for row in list(rows.values())[:NAMED_TAGS])
        more = f" and {len(rows) - NAMED_TAGS} more" if len(rows) > NAMED_TAGS else ""
        text = (
            f"another tradebot trades this account: the venue lists {named}{more}, with our form of tag and in no row"
            " of this journal; stop one of the two, then resume the other"
        )
        yield self._book.make_incident(text)
        standing = self._book.conditions.halts.active_commands
        if not any(halt.scope == EVERYTHING and halt.until is HaltExpiry.RESUME for halt in standing):
            yield halt_scope(text, control=TWO_DAEMONS_CONTROL)


def _about(row: VenueOrder | UnreadRow) -> str:
    if isinstance(row, VenueOrder):
        return f"{row.side} {row.quantity:f} {row.symbol}, tag {row.tag}"
    return f"{row.symbol or 'unreadable'}, tag {row.tag}"
