"""The journal's own story of each order, folded here a second time and on purpose not with the daemon's table."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.evidence import Journal, Row

ENDED = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "LAPSED", "ABSENT"})
WORKING = ("ACKED", "OPEN", "PARTIAL")
GONE = ("ABSENT", "LAPSED", "REJECTED")
UNPROVED = ("SENDING", "UNKNOWN", *GONE)
# (state, event) -> state; fills, and what changes the quantity, are counted instead.
LEADS: dict[tuple[str, str], str] = {
    ("INTENT", "lapsed"): "LAPSED",
    ("SENDING", "not_sent"): "ABSENT",
    ("SENDING", "ambiguous"): "UNKNOWN",
    ("UNKNOWN", "not_found"): "ABSENT",
    **{(state, "accepted"): "ACKED" for state in ("SENDING", "UNKNOWN", "ABSENT")},
    **{(state, "refused"): "REJECTED" for state in ("SENDING", "ACKED")},
    **{(state, event): "UNKNOWN" for state in WORKING for event in ("not_found", "day_ended")},
    **{(state, "seen_acked"): "ACKED" for state in UNPROVED},
    **{(state, event): "OPEN" for state in (*UNPROVED, "ACKED") for event in ("seen_open", "seen_filled")},
    **{(state, "seen_canceled"): "CANCELED" for state in (*UNPROVED, *WORKING)},
    **{(state, "seen_expired"): "EXPIRED" for state in (*UNPROVED, *WORKING)},
    **{(state, "seen_rejected"): "REJECTED" for state in (*UNPROVED, *WORKING)},
}


class Fills:
    """The rows that book the fills of one order, without those taken back; `quantity` is what they add up to."""

    def __init__(self) -> None:
        self.quantity = Fraction(0)
        self.heard: dict[tuple[str, str], int] = {}  # key of a fill -> seq of the first row that booked it
        self.entries: dict[int, int] = {}  # seq of a row that books a fill: 1, or takes one back: -1
        self.again: list[tuple[Row, Row]] = []  # (first row of a fill, another row of the same)
        self._booked: dict[tuple[str, str], Row] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._booked.values())

    def book(self, row: Row) -> bool:
        """Take a fill; False where it stands in a row already."""
        key = _key(row)
        if key in self._booked:
            self.again.append((self._booked[key], row))
            return False
        self._booked[key] = row
        self.heard.setdefault(key, row.seq)
        self.entries[row.seq] = 1
        self.quantity += _quantity(row)
        return True

    def take_back(self, row: Row) -> bool:
        """Take a fill back; False where none such stands."""
        first = self._booked.pop(_key(row), None)
        if first is None:
            return False
        self.entries[row.seq] = -1
        self.quantity -= _quantity(first)
        return True


class OrderStory:
    """One order as its rows tell it; `facts` are all of them, and `begins` those that begin it."""

    def __init__(self, row: Row) -> None:
        request: dict[str, Any] = row.body.get("request") or {}
        self.order_id = str(row.body["order_id"])
        self.request = request
        self.symbol = str(request.get("symbol", ""))
        self.quantity = number(request.get("quantity", "0"))
        self.purpose = str(request.get("purpose", ""))
        self.state = "INTENT" if row.body["event"] == "intent" else "DENIED"
        self.begins = [row]
        self.facts: list[Row] = [row]
        self.sending: list[Row] = []
        self.fills = Fills()
        self.odd: list[Row] = []  # fills past the end or past the quantity
        self.given_up: list[tuple[Row, Row]] = []  # (row that put it in doubt, row that then took it for absent)
        self.venue_ids: set[str] = set()
        self._doubted = row
        self._link(row)

    @property
    def begun(self) -> Row:
        return self.begins[0]

    @property
    def filled(self) -> Fraction:
        return self.fills.quantity

    @property
    def is_live(self) -> bool:
        return self.state not in ENDED

    @property
    def is_external(self) -> bool:
        return self.purpose == "external"

    def add(self, row: Row) -> None:
        """Take the next row of this order."""
        event = str(row.body["event"])
        self.facts.append(row)
        self._link(row)
        match event:
            case "intent" | "denied":
                self.begins.append(row)
            case "executed":
                self._book(row)
            case "reversed":
                self._reverse(row)
            case "sending":
                self.sending.append(row)
                self.state = "SENDING" if self.state == "INTENT" else self.state
            case "replaced" | "changed":
                self._terms(row)
            case _ if (self.state, event) in LEADS:
                self._enter(LEADS[self.state, event], row)

    def _enter(self, state: str, row: Row) -> None:
        if state == "UNKNOWN":
            self._doubted = row
        elif self.state == "UNKNOWN" and state == "ABSENT":
            self.given_up.append((self._doubted, row))
        if self.filled and state in ("ACKED", "OPEN"):
            state = "PARTIAL" if self.filled < self.quantity else "FILLED"
        elif self.filled and state == "REJECTED":
            state = "CANCELED"
        self.state = state

    def _terms(self, row: Row) -> None:
        terms = row.body.get("venue") or row.body.get("terms") or {}
        if self.is_live and terms.get("quantity"):
            self.quantity = number(terms["quantity"])
            self.state = "FILLED" if self.filled >= self.quantity else self.state

    def _link(self, row: Row) -> None:
        if row.body.get("venue_order_id"):
            self.venue_ids.add(str(row.body["venue_order_id"]))

    def _book(self, row: Row) -> None:
        if not self.fills.book(row):
            return
        if self.state in ENDED or self.filled > self.quantity:
            self.odd.append(row)
        if self.filled >= self.quantity:
            self.state = "FILLED"
        elif self.state not in ENDED or self.state in GONE:
            self.state = "PARTIAL"

    def _reverse(self, row: Row) -> None:
        if self.fills.take_back(row) and self.state == "FILLED" and self.filled < self.quantity:
            self.state = "PARTIAL"


def _key(row: Row) -> tuple[str, str]:
    fill = row.body["execution"]
    return str(fill["exchange"]), str(fill["execution_id"])


def _quantity(row: Row) -> Fraction:
    return number(row.body["execution"]["quantity"])


def stories(journal: Journal) -> tuple[dict[str, OrderStory], list[Row]]:
    """Return order id -> story in order of intent, and the rows of orders that no row begins."""
    found: dict[str, OrderStory] = {}
    lost: list[Row] = []
    for row in journal.of("order"):
        order_id = str(row.body.get("order_id", ""))
        if order_id in found:
            found[order_id].add(row)
        elif row.body.get("event") in ("intent", "denied"):
            found[order_id] = OrderStory(row)
        else:
            lost.append(row)
    return found, lost


def number(text: Any) -> Fraction:
    """Return a number of a record exactly; what is none counts as zero and is found by the arithmetic promise."""
    try:
        return Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
