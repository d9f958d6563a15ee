"""Promises I13 and I14: money is exact, and positions, profit, charges and cash follow from the fills."""

from __future__ import annotations

from fractions import Fraction

from tradebot.checker import arithmetic
from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import to_fraction
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok

# Fields that every record of a row must write as decimal text.
DECIMAL_FIELDS = ("quantity", "price", "trigger_price", "average_price", "filled", "stop_loss", "target", "trail_by")
HALF_PAISA = Fraction(1, 200)  # stated totals are rounded to a paisa


def exact_arithmetic(records: RunRecords) -> PromiseVerdict:
    """I13: money is exact: no record holds a float, and the exchange's cash follows from its fills."""
    faults = [fault for row in records.journal.rows_of_kinds("order") for fault in _floats(row)]
    shares = [i for row in records.journal.rows_of_kinds("universe") for i in row.body.get("instruments", ())]
    ticks = {i["symbol"]: to_fraction(i["tick_size"]) for i in shares}
    for fill in records.journal_fills.values():
        tick = ticks.get(fill["symbol"], Fraction(0))
        if to_fraction(fill["quantity"]) <= 0 or (tick and to_fraction(fill["price"]) % tick):
            faults.append(f"row {fill['seq']} books {fill['quantity']} at {fill['price']}, ticks are {float(tick):g}")
    if records.log is not None and not faults:
        faults += _cash_faults(records)
    if faults:
        return verdict_broken("I13", list_faults(faults))
    if not records.journal_fills:
        return verdict_not_shown("I13", "nothing was traded")
    return verdict_ok("I13", f"{len(records.journal_fills)} fills in exact decimals add up to the exchange's cash")


def _floats(row: EvidenceRow) -> list[str]:
    parts = [row.body.get(name) or {} for name in ("request", "execution", "venue")]
    return [
        f"row {row.seq} writes {name} as {part[name]!r}, which is no decimal text"
        for part in parts
        for name in DECIMAL_FIELDS
        if part.get(name) is not None and not isinstance(part[name], str)
    ]


def _cash_faults(records: RunRecords) -> list[str]:
    assert records.log is not None
    sessions, ends = list(records.log.lines_of_kind("session")), list(records.log.lines_of_kind("end"))
    if not sessions or not ends:
        return []
    line, end = ends[-1]
    began = max((n for n, s in sessions if not s["resumed"]), default=sessions[0][0])
    fills = [fill for n, fill in records.log.lines_of_kind("fill") if began < n < line]
    start = next(to_fraction(s["cash"]) for n, s in sessions if n == began)
    cash = start + arithmetic.cash_flow(fills)
    if cash == to_fraction(end["cash"]):
        return []
    return [f"the exchange's cash is {end['cash']} (line {line}), its fills make it {float(cash):.2f}"]


def pure_function_of_fills(records: RunRecords) -> PromiseVerdict:
    """I14: the positions, profit and charges that a run states at its end follow from its fills."""
    end = records.journal.end_row
    if end is None or not end.body.get("summary"):
        return verdict_not_shown("I14", "no run stated its totals at its end")
    summary = end.body["summary"]
    held = arithmetic.positions_from_fills(records.journal, records.orders.values())
    faults = []
    open_now: dict[str, Fraction] = {}
    for (_, symbol, _), holding in held.items():
        if holding.quantity:
            open_now[symbol] = open_now.get(symbol, Fraction(0)) + holding.quantity
    stated = {symbol: to_fraction(quantity) for symbol, quantity in summary.get("open_positions", {}).items()}
    if open_now != stated:
        faults.append(f"row {end.seq} states positions {_plain(stated)}, the fills make {_plain(open_now)}")
    realized = sum((h.realized for h in held.values()), Fraction(0))
    kinds = {i["kind"] for row in records.journal.rows_of_kinds("universe") for i in row.body.get("instruments", ())}
    totals = {"realized": realized}
    if kinds <= arithmetic.SHARE_KINDS | {"index"}:
        totals["charges"] = arithmetic.total_charges(records.orders.values())
    for name, total in totals.items():
        said = summary.get(f"whole_{name}", summary.get(name))  # older runs wrote the bare name
        if said is not None and abs(to_fraction(said) - total) > HALF_PAISA:
            faults.append(f"row {end.seq} states {name} {said}, the fills make {float(total):.4f}")
    if faults:
        return verdict_broken("I14", list_faults(faults))
    return verdict_ok(
        "I14", f"row {end.seq} states what {len(records.journal_fills)} fills make: realized {float(realized):.2f}"
    )


def _plain(quantities: dict[str, Fraction]) -> str:
    return ", ".join(f"{symbol} {quantity}" for symbol, quantity in sorted(quantities.items())) or "none"
