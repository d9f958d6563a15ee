"""The history of each order in the journal, reduced a second time and on purpose without the daemon's table."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.evidence import EvidenceRow, JournalEvidence

RESTING = "resting_stop"  # purpose of a stop that waits at the venue
ENDED_STATES = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "LAPSED", "ABSENT"})
WORKING_STATES = ("ACKED", "OPEN", "PARTIAL")
GONE_STATES = ("ABSENT", "LAPSED", "REJECTED")
UNPROVED_STATES = ("SENDING", "UNKNOWN", *GONE_STATES)
# (state, event) -> next state. Fills and changed quantities are handled by counting.
TRANSITIONS: dict[tuple[str, str], str] = {
    ("INTENT", "lapsed"): "LAPSED",
    ("SENDING", "not_sent"): "ABSENT",
    ("SENDING", "ambiguous"): "UNKNOWN",
    ("UNKNOWN", "not_found"): "ABSENT",
    **{(state, "accepted"): "ACKED" for state in ("SENDING", "UNKNOWN", "ABSENT")},
    **{(state, "refused"): "REJECTED" for state in ("SENDING", "ACKED")},
    **{(state, event): "UNKNOWN" for state in WORKING_STATES for event in ("not_found", "day_ended")},
    **{(state, "seen_acked"): "ACKED" for state in UNPROVED_STATES},
    **{(state, event): "OPEN" for state in (*UNPROVED_STATES, "ACKED") for event in ("seen_open", "seen_filled")},
    **{(state, "seen_canceled"): "CANCELED" for state in (*UNPROVED_STATES, *WORKING_STATES)},
    **{(state, "seen_expired"): "EXPIRED" for state in (*UNPROVED_STATES, *WORKING_STATES)},
    **{(state, "seen_rejected"): "REJECTED" for state in (*UNPROVED_STATES, *WORKING_STATES)},
}


class BookedFills:
    """The rows that book the fills of one order, without busted fills; `quantity` is their sum."""

    def __init__(self) -> None:
        self.quantity = Fraction(0)
        self.first_seqs: dict[tuple[str, str], int] = {}  # (exchange, execution id) -> seq of its first row
        self.signs_by_seq: dict[int, int] = {}  # seq of a row -> 1 where it books a fill, -1 where it reverses one
        self.repeated_rows: list[tuple[EvidenceRow, EvidenceRow]] = []  # (first row of a fill, a later row of the same)
        self._booked: dict[tuple[str, str], EvidenceRow] = {}

    def __iter__(self) -> Iterator[EvidenceRow]:
        return iter(self._booked.values())

    def book_fill(self, row: EvidenceRow) -> bool:
        """Book a fill; return False where another row has booked it already."""
        key = _key(row)
        if key in self._booked:
            self.repeated_rows.append((self._booked[key], row))
            return False
        self._booked[key] = row
        self.first_seqs.setdefault(key, row.seq)
        self.signs_by_seq[row.seq] = 1
        self.quantity += _quantity(row)
        return True

    def reverse_fill(self, row: EvidenceRow) -> bool:
        """Reverse a busted fill; return False where none such is booked."""
        first = self._booked.pop(_key(row), None)
        if first is None:
            return False
        self.signs_by_seq[row.seq] = -1
        self.quantity -= _quantity(first)
        return True


class CheckedOrder:
    """One order as its rows show it; `facts` are all rows of its events, `opening_rows` the INTENT and DENIED ones."""

    def __init__(self, row: EvidenceRow) -> None:
        request: dict[str, Any] = row.body.get("request") or {}
        self.order_id = str(row.body["order_id"])
        self.request = request
        self.symbol = str(request.get("symbol", ""))
        self.quantity = to_fraction(request.get("quantity", "0"))
        self.purpose = str(request.get("purpose", ""))
        self.state = "INTENT" if row.body["event"] == "intent" else "DENIED"
        self.opening_rows = [row]
        self.facts: list[EvidenceRow] = [row]
        self.sending_rows: list[EvidenceRow] = []
        self.fills = BookedFills()
        self.odd_fills: list[EvidenceRow] = []  # fills after the end or beyond the quantity
        self.given_up: list[tuple[EvidenceRow, EvidenceRow]] = []  # (row of UNKNOWN, row that declared it absent)
        self.venue_ids: set[str] = set()
        self._unknown_row = row
        self._link(row)

    @property
    def first_row(self) -> EvidenceRow:
        """The first row of the order."""
        return self.opening_rows[0]

    @property
    def filled_quantity(self) -> Fraction:
        """The booked quantity."""
        return self.fills.quantity

    @property
    def is_live(self) -> bool:
        """True until the order has ended; an UNKNOWN order is live."""
        return self.state not in ENDED_STATES

    @property
    def is_external(self) -> bool:
        """True for an order in the same account that is not ours."""
        return self.purpose == "external"

    @property
    def is_exit(self) -> bool:
        """True for an order of ours that closes: an exit, or a stop that rests at the venue."""
        return self.purpose not in ("entry", "external", "")

    @property
    def asks_to_close(self) -> bool:
        """True for an order that closes a position now; a resting stop waits with it."""
        return self.is_exit and self.purpose != RESTING

    def add_fact(self, row: EvidenceRow) -> None:
        """Apply the next row of this order."""
        event = str(row.body["event"])
        self.facts.append(row)
        self._link(row)
        match event:
            case "intent" | "denied":
                self.opening_rows.append(row)
            case "executed":
                self._book(row)
            case "reversed":
                self._reverse(row)
            case "sending":
                self.sending_rows.append(row)
                self.state = "SENDING" if self.state == "INTENT" else self.state
            case "replaced" | "changed":
                self._terms(row)
            case _ if (self.state, event) in TRANSITIONS:
                self._enter(TRANSITIONS[self.state, event], row)

    def _enter(self, state: str, row: EvidenceRow) -> None:
        if state == "UNKNOWN":
            self._unknown_row = row
        elif self.state == "UNKNOWN" and state == "ABSENT":
            self.given_up.append((self._unknown_row, row))
        # Fills may be booked before the event that they follow.
        if self.filled_quantity and state in ("ACKED", "OPEN"):
            state = "PARTIAL" if self.filled_quantity < self.quantity else "FILLED"
        elif self.filled_quantity and state == "REJECTED":
            state = "CANCELED"
        self.state = state

    def _terms(self, row: EvidenceRow) -> None:
        terms = row.body.get("venue") or row.body.get("terms") or {}
        if self.is_live and terms.get("quantity"):
            self.quantity = to_fraction(terms["quantity"])
            self.state = "FILLED" if self.filled_quantity >= self.quantity else self.state

    def _link(self, row: EvidenceRow) -> None:
        if row.body.get("venue_order_id"):
            self.venue_ids.add(str(row.body["venue_order_id"]))

    def _book(self, row: EvidenceRow) -> None:
        if not self.fills.book_fill(row):
            return
        if self.state in ENDED_STATES or self.filled_quantity > self.quantity:
            self.odd_fills.append(row)
        if self.filled_quantity >= self.quantity:
            self.state = "FILLED"
        elif self.state not in ENDED_STATES or self.state in GONE_STATES:
            self.state = "PARTIAL"

    def _reverse(self, row: EvidenceRow) -> None:
        if self.fills.reverse_fill(row) and self.state == "FILLED" and self.filled_quantity < self.quantity:
            self.state = "PARTIAL"


def _key(row: EvidenceRow) -> tuple[str, str]:
    fill = row.body["execution"]
    return str(fill["exchange"]), str(fill["execution_id"])


def _quantity(row: EvidenceRow) -> Fraction:
    return to_fraction(row.body["execution"]["quantity"])


def orders_from_rows(journal: JournalEvidence) -> tuple[dict[str, CheckedOrder], list[EvidenceRow]]:
    """Return order id -> order in order of intent, and the rows of orders without an opening row."""
    found: dict[str, CheckedOrder] = {}
    lost: list[EvidenceRow] = []
    for row in journal.rows_of_kinds("order"):
        order_id = str(row.body.get("order_id", ""))
        if order_id in found:
            found[order_id].add_fact(row)
        elif row.body.get("event") in ("intent", "denied"):
            found[order_id] = CheckedOrder(row)
        else:
            lost.append(row)
    return found, lost


def to_fraction(text: Any) -> Fraction:
    """Return a number of a record exactly; 0 for a text that is none, which promise I13 reports."""
    try:
        return Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
