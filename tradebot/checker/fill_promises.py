"""Promises I8 to I10: every fill of the exchange is in the journal exactly once, late and foreign ones included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import to_fraction
from tradebot.checker.run_records import SETTLE_NS, RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok

POLLS_UNTIL_LOST = 3  # polls of the venue after which an unbooked fill counts as lost, not late
# Field of a fill in the journal -> its name in the exchange's log; both must have the same value.
COMPARED_FIELDS = {
    "execution_id": "trade_id",
    "venue_order_id": "order_id",
    "symbol": "symbol",
    "side": "side",
    "quantity": "quantity",
    "price": "price",
}


def no_fill_lost(records: RunRecords) -> PromiseVerdict:
    """I8: the journal holds every fill of the exchange and no other."""
    if records.log is None:
        return verdict_not_shown(
            "I8", f"the journal holds {len(records.journal_fills)} fills; the exchange's log tells of all"
        )
    theirs = {(f["exchange"], f["trade_id"]): (line, f) for line, f in records.exchange_fills}
    faults, late = [], 0
    for key, (line, fill) in theirs.items():
        if (ours := records.journal_fills.get(key)) is not None:
            faults += _differences(ours, fill, line)
        elif _was_looked_for(records, fill):
            faults.append(f"fill {key[1]} of {fill['symbol']} (line {line}) is in no row")
        else:
            late += 1
    faults += [
        f"row {ours['seq']} books fill {key[1]}, which the exchange does not know"
        for key, ours in records.journal_fills.items()
        if key not in theirs and not ours.get("is_inferred")
    ]
    if faults:
        return verdict_broken("I8", list_faults(faults))
    if not theirs:
        return verdict_not_shown("I8", "the exchange filled nothing")
    if late:
        return verdict_not_shown(
            "I8", f"{late} of {len(theirs)} fills came after the journal was cut off; the next start tells"
        )
    return verdict_ok("I8", f"all {len(theirs)} fills of the exchange are in the journal, to the last digit")


def _differences(ours: dict[str, Any], theirs: dict[str, Any], line: int) -> list[str]:
    for mine, their in COMPARED_FIELDS.items():
        a, b = ours[mine], theirs[their]
        if to_fraction(a) != to_fraction(b) if mine in ("quantity", "price") else str(a) != str(b):
            return [f"row {ours['seq']} reads {mine} {a} where the exchange wrote {b} (line {line})"]
    return []


def _was_looked_for(records: RunRecords, fill: dict[str, Any]) -> bool:
    at = fill["traded_at"]
    looks = sum(1 for row in records.journal.rows_of_kinds("reconciled") if row.at > at + SETTLE_NS)
    return looks >= POLLS_UNTIL_LOST or (
        records.journal.end_row is not None and records.last_reconciled_at > at + SETTLE_NS
    )


def no_fill_twice(records: RunRecords) -> PromiseVerdict:
    """I9: a fill is booked once, whichever source reported it."""
    faults = [
        f"row {again.seq} books the fill of row {first.seq} again"
        for order in records.orders.values()
        for first, again in order.fills.repeated_rows
    ]
    owners: dict[tuple[str, str], EvidenceRow] = {}
    fills = [row for order in records.orders.values() for row in order.fills]
    for row in fills:
        key = (row.body["execution"]["exchange"], row.body["execution"]["execution_id"])
        if key in owners:
            faults.append(f"rows {owners[key].seq} and {row.seq} book fill {key[1]} for two orders")
        owners[key] = row
    if faults:
        return verdict_broken("I9", list_faults(faults))
    return (
        verdict_ok("I9", f"{len(fills)} fills, each in one row")
        if fills
        else verdict_not_shown("I9", "the journal holds no fill")
    )


def fill_never_refused(records: RunRecords) -> PromiseVerdict:
    """I10: late, excess and foreign fills are booked as well."""
    booked_odd_fills = {
        (r.body["execution"]["exchange"], r.body["execution"]["execution_id"])
        for o in records.orders.values()
        for r in o.facts
        if r.body["event"] == "executed" and (o.is_external or r in o.odd_fills)
    }
    faults, seen = [], len(booked_odd_fills)
    for line, fill, oddity in _odd_fills(records):
        key = (fill["exchange"], fill["trade_id"])
        if key not in records.journal_fills and _was_looked_for(records, fill):
            faults.append(f"{oddity} fill {key[1]} (line {line}) is in no row")
        seen += key not in booked_odd_fills
    if faults:
        return verdict_broken("I10", list_faults(faults))
    return (
        verdict_ok("I10", f"{seen} late, excess or foreign fills are booked")
        if seen
        else verdict_not_shown("I10", "no odd fill came")
    )


def _odd_fills(records: RunRecords) -> Iterator[tuple[int, dict[str, Any], str]]:
    # Fills beyond the quantity of their order, and fills of orders that are not ours.
    filled: dict[str, Fraction] = defaultdict(Fraction)
    for line, fill in records.exchange_fills:
        filled[fill["order_id"]] += to_fraction(fill["quantity"])
        version = records.last_versions.get(fill["order_id"])
        if version is None:
            continue
        ticket = version[1]["ticket"]
        if filled[fill["order_id"]] > to_fraction(ticket["quantity"]):
            yield line, fill, "excess"
        elif not records.is_ours(str(ticket["tag"])):
            yield line, fill, "foreign"
