"""I8 to I14: fills, positions and money, the journal's word against the exchange's."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

from tradebot.checker import arithmetic
from tradebot.checker.case import EXCHANGE_ENDED, Case
from tradebot.checker.evidence import Row
from tradebot.checker.story import number
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

SETTLE = 10_000_000_000  # market ns that a fill may take to show in the venue's books
LOOKS = 3  # comparisons after which a fill that the venue showed is not late but lost
ONE_READING = {"execution_id": "trade_id", "venue_order_id": "order_id", "symbol": "symbol", "side": "side",
               "quantity": "quantity", "price": "price"}  # fmt: skip
MONEY = ("quantity", "price", "trigger_price", "average_price", "filled", "stop_loss", "target", "trail_by")
TELL_NOTHING = ("link_lost", "link_back", "cancel_asked", "quarantined")  # of an order's fate
DOUBT_WALL = 100_000_000_000  # wall ns after which a run has given up an order that the venue does not show
HALF_PAISA = Fraction(1, 200)


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
        for first, again in order.again
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
    odd = {(r.body["execution"]["exchange"], r.body["execution"]["execution_id"]) for o in case.orders.values()
           for r in o.facts if r.body["event"] == "executed" and (o.is_external or r in o.odd)}  # fmt: skip
    booked: dict[str, Fraction] = defaultdict(Fraction)
    faults, seen = [], len(odd)
    for line, fill in case.exchange_fills:
        booked[fill["order_id"]] += number(fill["quantity"])
        version = case.last_versions.get(fill["order_id"])
        if version is None:
            continue
        ticket = version[1]["ticket"]
        is_excess = booked[fill["order_id"]] > number(ticket["quantity"])
        is_foreign = not case.is_ours(str(ticket["tag"]))
        key = (fill["exchange"], fill["trade_id"])
        if (is_excess or is_foreign) and key not in case.journal_fills and _was_looked_for(case, fill):
            faults.append(f"{'excess' if is_excess else 'foreign'} fill {key[1]} (line {line}) is in no row")
        seen += (is_excess or is_foreign) and key not in odd
    if faults:
        return broken("I10", listed(faults))
    return (
        ok("I10", f"{seen} late, excess or foreign fills are booked") if seen else not_shown("I10", "no odd fill came")
    )


def converges(case: Case) -> Verdict:
    """I11: at the end positions and open orders are the exchange's, nothing is in doubt, or a halt says why."""
    if case.log is None:
        return not_shown("I11", "without the exchange's log there is nothing to converge to")
    if case.journal.ended is None:
        return not_shown("I11", "the last run was cut off; the next start must converge")
    faults = _position_faults(case) + _order_faults(case)
    doubts = [order.order_id for order in case.orders.values() if order.state == "UNKNOWN"]
    if doubts and not faults:
        began = [row.wall for row in case.journal.of("run")][-1]
        if case.journal.ended.wall - began < DOUBT_WALL:
            return not_shown("I11", f"{doubts[0]} is in doubt, and the last run was too short to give it up")
        faults = [f"{order_id} is still in doubt" for order_id in doubts]
    if not faults:
        return ok("I11", f"positions of {len(case.symbols)} symbols and {len(case.orders)} orders agree at the end")
    why = _explained(case)
    return ok("I11", f"halted, {why}: {listed(faults)}") if why else broken("I11", listed(faults))


def _position_faults(case: Case) -> list[str]:
    ours = arithmetic.holdings(case.journal, case.orders.values())
    theirs: dict[str, Fraction] = defaultdict(Fraction)
    for _, fill in case.log.of("fill") if case.log else ():
        known = (fill["exchange"], fill["trade_id"]) in case.journal_fills
        if (fill["symbol"] in case.symbols or not case.symbols) and (known or fill["traded_at"] <= case.looked_until):
            theirs[fill["symbol"]] += arithmetic.signed(fill)
    held = {symbol: (theirs.get(symbol, 0), ours[symbol].quantity if symbol in ours else 0) for symbol in ours | theirs}
    return [
        f"{symbol}: the exchange holds {their}, the journal {our}"
        for symbol, (their, our) in sorted(held.items())
        if their != our
    ]


def _order_faults(case: Case) -> list[str]:
    faults = []
    for order in case.orders.values():
        if order.state == "UNKNOWN":
            continue
        if order.state in ("SENDING", "INTENT"):
            faults.append(f"{order.order_id} is still {order.state}")
            continue
        for venue_id in order.venue_ids & case.last_versions.keys():
            line, version = case.last_versions[venue_id]
            if version["changed_at"] > case.looked_until:
                continue
            is_over = version["status"] in EXCHANGE_ENDED
            if order.is_live == is_over:
                faults.append(
                    f"{order.order_id} is {order.state} here and {version['status']} at the exchange (line {line})"
                )
            elif is_over and number(version["filled"]) != order.filled:
                faults.append(f"{order.order_id} filled {order.filled} here, {version['filled']} there (line {line})")
    for venue_id, (line, version) in case.last_versions.items():
        is_listed = version["ticket"]["symbol"] in case.symbols and version["changed_at"] <= case.looked_until
        if is_listed and version["status"] not in EXCHANGE_ENDED and venue_id not in case.by_venue:
            faults.append(f"the exchange works {venue_id} (line {line}), which is in no row")
    return faults


def _explained(case: Case) -> str:
    halts = list(case.journal.of("halt", "reduce", "resume"))
    if halts and halts[-1].kind != "resume":
        return f"row {halts[-1].seq} says {halts[-1].body.get('reason')!r}"
    looks = list(case.journal.of("reconciled"))
    if looks and looks[-1].body.get("differences"):
        return f"row {looks[-1].seq} says {looks[-1].body['differences'][0]!r}"
    return ""


def truth_after_restart(case: Case) -> Verdict:
    """I12: a run compares with the venue, and knows every fill and every order left in the air, before it sends."""
    if not case.journal.runs:
        return not_shown("I12", "the journal holds no run")
    faults: list[str] = []
    looked: Row | None = None
    run: Row | None = None
    open_now: dict[str, str] = {}  # order id -> how the run before left it
    undone: dict[str, str] = {}
    for row in case.journal.of("run", "reconciled", "order"):
        if row.kind == "run":
            run, looked, undone = row, None, dict(open_now)
        elif row.kind == "reconciled":
            if looked is None:
                faults += _missing_at(case, row)
            looked = looked or row
        elif (event := str(row.body.get("event"))) in ("intent", "sending"):
            order_id = str(row.body["order_id"])
            if event == "sending" and not _is_external(case, order_id):
                if looked is None:
                    faults.append(
                        f"row {row.seq} sends {order_id} before run {run.run if run else '?'} looked at the venue"
                    )
                faults += [f"row {row.seq} sends while {o} was left {how}" for o, how in undone.items()]
            open_now[order_id] = event.upper()
        elif event not in TELL_NOTHING:
            open_now.pop(str(row.body.get("order_id")), None)
            undone.pop(str(row.body.get("order_id")), None)
    starts = len(case.journal.runs)
    return (
        broken("I12", listed(faults))
        if faults
        else ok("I12", f"{starts} starts compared with the venue before sending")
    )


def _is_external(case: Case, order_id: str) -> bool:
    return order_id in case.orders and case.orders[order_id].is_external


def _missing_at(case: Case, look: Row) -> list[str]:
    return [
        f"row {look.seq} ends the first look of run {look.run} without fill {fill['trade_id']} (line {line})"
        for line, fill in case.exchange_fills
        if fill["traded_at"] + SETTLE < look.at
        and case.heard.get((fill["exchange"], fill["trade_id"]), look.seq) >= look.seq
        and not _was_inferred(case, fill, look)
    ]


def _was_inferred(case: Case, fill: dict[str, Any], look: Row) -> bool:
    # A venue may list a fill later than it tells of it: until then the quantity stands in the books without its id.
    order = case.by_venue.get(fill["order_id"])
    return order is not None and any(
        row.seq < look.seq and row.body["event"] == "executed" and row.body["execution"].get("is_inferred")
        for row in order.facts
    )


def exact_arithmetic(case: Case) -> Verdict:
    """I13: money is exact: no float in a record, and cash is what the fills make of it."""
    faults = [fault for row in case.journal.of("order") for fault in _floats(row)]
    shares = [i for row in case.journal.of("universe") for i in row.body.get("instruments", ())]
    ticks = {i["symbol"]: number(i["tick_size"]) for i in shares}
    for fill in case.journal_fills.values():
        tick = ticks.get(fill["symbol"], Fraction(0))
        if number(fill["quantity"]) <= 0 or (tick and number(fill["price"]) % tick):
            faults.append(f"row {fill['seq']} books {fill['quantity']} at {fill['price']}, ticks are {float(tick):g}")
    if case.log is not None and not faults:
        faults += _cash_faults(case)
    if faults:
        return broken("I13", listed(faults))
    if not case.journal_fills:
        return not_shown("I13", "nothing was traded")
    return ok("I13", f"{len(case.journal_fills)} fills in exact decimals add up to the exchange's cash")


def _floats(row: Row) -> list[str]:
    parts = [row.body.get(name) or {} for name in ("request", "execution", "venue")]
    return [
        f"row {row.seq} writes {name} as {part[name]!r}, which is no decimal text"
        for part in parts
        for name in MONEY
        if part.get(name) is not None and not isinstance(part[name], str)
    ]


def _cash_faults(case: Case) -> list[str]:
    assert case.log is not None
    sessions, ends = list(case.log.of("session")), list(case.log.of("end"))
    if not sessions or not ends:
        return []
    line, end = ends[-1]
    began = max((n for n, s in sessions if not s["resumed"]), default=sessions[0][0])
    fills = [fill for n, fill in case.log.of("fill") if began < n < line]
    start = next(number(s["cash"]) for n, s in sessions if n == began)
    cash = start + arithmetic.cash(fills)
    if cash == number(end["cash"]):
        return []
    return [f"the exchange's cash is {end['cash']} (line {line}), its fills make it {float(cash):.2f}"]


def pure_function_of_fills(case: Case) -> Verdict:
    """I14: positions, profit and charges that a run states are what its fills make of them."""
    end = case.journal.ended
    if end is None or not end.body.get("summary"):
        return not_shown("I14", "no run stated its totals at its end")
    summary = end.body["summary"]
    held = arithmetic.holdings(case.journal, case.orders.values())
    faults = []
    open_now = {symbol: h.quantity for symbol, h in held.items() if h.quantity}
    stated = {symbol: number(quantity) for symbol, quantity in summary.get("open_positions", {}).items()}
    if open_now != stated:
        faults.append(f"row {end.seq} states positions {_plain(stated)}, the fills make {_plain(open_now)}")
    realized = sum((h.realized for h in held.values()), Fraction(0))
    kinds = {i["kind"] for row in case.journal.of("universe") for i in row.body.get("instruments", ())}
    totals = {"realized": realized}
    if kinds <= arithmetic.SHARES | {"index"}:
        totals["charges"] = arithmetic.charges(case.orders.values())
    for name, total in totals.items():
        if name in summary and abs(number(summary[name]) - total) > HALF_PAISA:
            faults.append(f"row {end.seq} states {name} {summary[name]}, the fills make {float(total):.4f}")
    if faults:
        return broken("I14", listed(faults))
    return ok("I14", f"row {end.seq} states what {len(case.journal_fills)} fills make: realized {float(realized):.2f}")


def _plain(quantities: dict[str, Fraction]) -> str:
    return ", ".join(f"{symbol} {quantity}" for symbol, quantity in sorted(quantities.items())) or "none"
