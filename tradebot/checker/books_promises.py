"""I11 and I12: the journal's books against the exchange's, at the end of the last run and at the start of each."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker import arithmetic
from tradebot.checker.case import EXCHANGE_ENDED, SETTLE, Case
from tradebot.checker.evidence import HALTS, Row
from tradebot.checker.exit_promises import Nets
from tradebot.checker.story import OrderStory, number
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

TELL_NOTHING = ("link_lost", "link_back", "cancel_asked", "quarantined")  # events that leave an order's fate open
DOUBT_WALL = 100_000_000_000  # wall ns after which a run has given up an order that the venue does not show


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
    # What the venue nets is ours and what others hold; the journal says both, each by itself, and they add up.
    ours = {line: held.quantity for line, held in arithmetic.holdings(case.journal, case.orders.values()).items()}
    looks = list(case.journal.of("reconciled"))
    for part in looks[-1].body.get("external") or () if looks else ():
        line = (part["key"]["exchange"], part["key"]["symbol"], part["key"]["product"])
        ours[line] = ours.get(line, Fraction(0)) + number(part["quantity"])
    theirs, moving = _nets(case), _moving(case)
    owned = Nets.of_the_begin(case.log.lines if case.log else ())
    return [
        f"{' '.join(line)}: the exchange holds {theirs.get(line, 0)}, the journal {ours.get(line, 0)}"
        for line in sorted(ours.keys() | theirs.keys())
        # A venue lists the shares of the demat account apart; a daemon that asks for them adds them to its line.
        if ours.get(line, 0) not in (theirs.get(line, 0), theirs.get(line, 0) - owned.get(line, 0))
        if line not in moving
    ]


def _nets(case: Case) -> dict[arithmetic.Line, Fraction]:
    # The venue's net of each line as the last look could know it.
    nets = Nets()
    for _, entry in case.log.of("session") if case.log else ():
        nets.take(entry, is_ours=False)
    for at, entry in _trades(case):
        if at <= case.looked_until or (entry.get("exchange"), entry.get("trade_id")) in case.journal_fills:
            nets.take(entry, is_ours=False)
    return {line: net for line, net in nets.net.items() if net}


def _moving(case: Case) -> set[arithmetic.Line]:
    # The lines that another hand moved while the last look was made: it may have seen them before or after.
    return {
        (entry["exchange"], entry["symbol"], entry[name])
        for at, entry in _trades(case)
        if at > case.looked_until - SETTLE and not _is_of_ours(case, entry)
        for name in ("product", "was", "becomes")
        if name in entry
    }


def _trades(case: Case) -> Iterator[tuple[int, dict[str, Any]]]:
    # When, and what moved a position of a symbol that this journal trades.
    for _, entry in case.log.lines if case.log else ():
        if entry.get("kind") in ("fill", "conversion") and (not case.symbols or entry["symbol"] in case.symbols):
            yield entry.get("traded_at", entry.get("at", 0)), entry


def _is_of_ours(case: Case, entry: dict[str, Any]) -> bool:
    version = case.last_versions.get(entry.get("order_id", ""))
    return version is not None and case.is_ours(str(version[1]["ticket"]["tag"]))


def _order_faults(case: Case) -> list[str]:
    faults = [fault for order in case.orders.values() for fault in _disagreements(case, order)]
    for venue_id, (line, version) in case.last_versions.items():
        is_listed = version["ticket"]["symbol"] in case.symbols and version["changed_at"] <= case.looked_until
        if is_listed and version["status"] not in EXCHANGE_ENDED and venue_id not in case.by_venue:
            faults.append(f"the exchange works {venue_id} (line {line}), which is in no row")
    return faults


def _disagreements(case: Case, order: OrderStory) -> Iterator[str]:
    if order.state == "UNKNOWN":
        return
    if order.state in ("SENDING", "INTENT"):
        yield f"{order.order_id} is still {order.state}"
        return
    for venue_id in order.venue_ids & case.last_versions.keys():
        line, version = case.last_versions[venue_id]
        if version["changed_at"] > case.looked_until or (order.is_external and venue_id in case.unshown_orders):
            continue
        is_over = version["status"] in EXCHANGE_ENDED
        if order.is_live == is_over:
            yield f"{order.order_id} is {order.state} here and {version['status']} at the exchange (line {line})"
        elif is_over and number(version["filled"]) != order.filled:
            yield f"{order.order_id} filled {order.filled} here, {version['filled']} there (line {line})"


def _explained(case: Case) -> str:
    halts = list(case.journal.of(*HALTS, "resume"))
    if halts and halts[-1].kind != "resume":
        return f"row {halts[-1].seq} says {halts[-1].body.get('reason')!r}"
    looks = list(case.journal.of("reconciled"))
    if looks and looks[-1].body.get("differences"):
        return f"row {looks[-1].seq} says {looks[-1].body['differences'][0]!r}"
    return ""


def truth_after_restart(case: Case) -> Verdict:
    """I12: before a run sends, it has compared with the venue and knows every fill and what became of open orders."""
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
        and not _has_no_owner(case, fill, look)
    ]


def _has_no_owner(case: Case, fill: dict[str, Any], look: Row) -> bool:
    # A fill of another hand is nobody's while the row of its order cannot be read.
    if case.log is None or case.is_ours(case.last_versions[fill["order_id"]][1]["ticket"]["tag"]):
        return False
    return any(
        line.get("name") == "broken-row" and line["where"] == "orders.list" and abs(line["at"] - look.at) < SETTLE
        for _, line in case.log.lines
    )


def _was_inferred(case: Case, fill: dict[str, Any], look: Row) -> bool:
    # A venue may list a fill later than it tells of it: until then the quantity stands in the books without its id.
    order = case.by_venue.get(fill["order_id"])
    return order is not None and any(
        row.seq < look.seq and row.body["event"] == "executed" and row.body["execution"].get("is_inferred")
        for row in order.facts
    )
