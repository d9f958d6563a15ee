"""I8 to I10: every fill of the exchange is in the journal, once, whatever kind of fill it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.case import SETTLE, Case
from tradebot.checker.evidence import Row
from tradebot.checker.story import number
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

LOOKS = 3  # comparisons after which a fill that the venue showed is not late but lost
# A field of a fill in the journal -> the same in the exchange's log; both must read alike.
ONE_READING = {
    "execution_id": "trade_id",
    "venue_order_id": "order_id",
    "symbol": "symbol",
    "side": "side",
    "quantity": "quantity",
    "price": "price",
}


def no_fill_lost(case: Case) -> Verdict:
    """I8: what the exchange filled is in the journal, and nothing else is."""
    if case.log is None:
        return not_shown("I8", f"the journal holds {len(case.journal_fills)} fills; the exchange's log tells of all")
    theirs = {(f["exchange"], f["trade_id"]): (line, f) for line, f in case.exchange_fills}
    faults, late = [], 0
    for key, (line, fill) in theirs.items():
        if (ours := case.journal_fills.get(key)) is not None:
            faults += _differences(ours, fill, line)
        elif _was_looked_for(case, fill):
            faults.append(f"fill {key[1]} of {fill['symbol']} (line {line}) is in no row")
        else:
            late += 1
    faults += [
        f"row {ours['seq']} books fill {key[1]}, which the exchange does not know"
        for key, ours in case.journal_fills.items()
        if key not in theirs and not ours.get("is_inferred")
    ]
    if faults:
        return broken("I8", listed(faults))
    if not theirs:
        return not_shown("I8", "the exchange filled nothing")
    if late:
        return not_shown(
            "I8", f"{late} of {len(theirs)} fills came after the journal was cut off; the next start tells"
        )
    return ok("I8", f"all {len(theirs)} fills of the exchange are in the journal, to the last digit")


def _differences(ours: dict[str, Any], theirs: dict[str, Any], line: int) -> list[str]:
    for mine, their in ONE_READING.items():
        a, b = ours[mine], theirs[their]
        if number(a) != number(b) if mine in ("quantity", "price") else str(a) != str(b):
            return [f"row {ours['seq']} reads {mine} {a} where the exchange wrote {b} (line {line})"]
    return []


def _was_looked_for(case: Case, fill: dict[str, Any]) -> bool:
    at = fill["traded_at"]
    looks = sum(1 for row in case.journal.of("reconciled") if row.at > at + SETTLE)
    return looks >= LOOKS or (case.journal.ended is not None and case.looked_until > at + SETTLE)


def no_fill_twice(case: Case) -> Verdict:
    """I9: a fill is booked once, whoever brought it."""
    faults = [
        f"row {again.seq} books the fill of row {first.seq} again"
        for order in case.orders.values()
        for first, again in order.fills.again
    ]
    owners: dict[tuple[str, str], Row] = {}
    fills = [row for order in case.orders.values() for row in order.fills]
    for row in fills:
        key = (row.body["execution"]["exchange"], row.body["execution"]["execution_id"])
        if key in owners:
            faults.append(f"rows {owners[key].seq} and {row.seq} book fill {key[1]} for two orders")
        owners[key] = row
    if faults:
        return broken("I9", listed(faults))
    return ok("I9", f"{len(fills)} fills, each in one row") if fills else not_shown("I9", "the journal holds no fill")


def fill_never_refused(case: Case) -> Verdict:
    """I10: late, excess and foreign fills are booked like any other."""
    odd = {
        (r.body["execution"]["exchange"], r.body["execution"]["execution_id"])
        for o in case.orders.values()
        for r in o.facts
        if r.body["event"] == "executed" and (o.is_external or r in o.odd)
    }
    faults, seen = [], len(odd)
    for line, fill, oddity in _odd_fills(case):
        key = (fill["exchange"], fill["trade_id"])
        if key not in case.journal_fills and _was_looked_for(case, fill):
            faults.append(f"{oddity} fill {key[1]} (line {line}) is in no row")
        seen += key not in odd
    if faults:
        return broken("I10", listed(faults))
    return (
        ok("I10", f"{seen} late, excess or foreign fills are booked") if seen else not_shown("I10", "no odd fill came")
    )


def _odd_fills(case: Case) -> Iterator[tuple[int, dict[str, Any], str]]:
    # The exchange's fills past the quantity of their order, and those of orders that are not ours.
    filled: dict[str, Fraction] = defaultdict(Fraction)
    for line, fill in case.exchange_fills:
        filled[fill["order_id"]] += number(fill["quantity"])
        version = case.last_versions.get(fill["order_id"])
        if version is None:
            continue
        ticket = version[1]["ticket"]
        if filled[fill["order_id"]] > number(ticket["quantity"]):
            yield line, fill, "excess"
        elif not case.is_ours(str(ticket["tag"])):
            yield line, fill, "foreign"
