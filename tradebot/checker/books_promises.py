"""Promises I11 and I12: journal and exchange agree at the end of the last run and at the start of each run."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker import arithmetic
from tradebot.checker.evidence import HALT_KINDS, EvidenceRow
from tradebot.checker.exit_promises import AccountNets
from tradebot.checker.order_history import CheckedOrder, to_fraction
from tradebot.checker.run_records import ENDED_STATUSES, SETTLE_NS, RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok

# Events after which it is still open how the order ended.
INCONCLUSIVE_EVENTS = (
    "link_lost",
    "link_back",
    "cancel_asked",
    "quarantined",
)
UNREADABLE_ROWS = frozenset({"broken-row", "text-numbers"})  # faults after which rows of orders cannot be read
DOUBT_TIMEOUT_NS = 100_000_000_000  # wall time; by then a run has given up an UNKNOWN order that no list shows


def books_converge(records: RunRecords) -> PromiseVerdict:
    """I11: at the end positions and open orders match the exchange and no order is UNKNOWN, or a halt says why."""
    if records.log is None:
        return verdict_not_shown("I11", "without the exchange's log there is nothing to converge to")
    if records.journal.end_row is None:
        return verdict_not_shown("I11", "the last run was cut off; the next start must converge")
    faults = _position_faults(records) + _order_faults(records)
    doubts = [order.order_id for order in records.orders.values() if order.state == "UNKNOWN"]
    if doubts and not faults:
        began = [row.wall for row in records.journal.rows_of_kinds("run")][-1]
        if records.journal.end_row.wall - began < DOUBT_TIMEOUT_NS:
            return verdict_not_shown("I11", f"{doubts[0]} is in doubt, and the last run was too short to give it up")
        faults = [f"{order_id} is still in doubt" for order_id in doubts]
    if not faults:
        return verdict_ok(
            "I11",
            f"positions of {len(records.traded_symbols)} symbols and {len(records.orders)} orders agree at the end",
        )
    why = _explained(records)
    return (
        verdict_ok("I11", f"halted, {why}: {list_faults(faults)}")
        if why
        else verdict_broken("I11", list_faults(faults))
    )


def _position_faults(records: RunRecords) -> list[str]:
    # The venue nets our position with what others hold. The journal keeps the two apart; their sum must match.
    ours = {
        key: held.quantity
        for key, held in arithmetic.positions_from_fills(records.journal, records.orders.values()).items()
    }
    polls = list(records.journal.rows_of_kinds("reconciled"))
    for part in polls[-1].body.get("external") or () if polls else ():
        key = (part["key"]["exchange"], part["key"]["symbol"], part["key"]["product"])
        ours[key] = ours.get(key, Fraction(0)) + to_fraction(part["quantity"])
    theirs, moving = _nets(records), _moving(records)
    owned = AccountNets.initial_holdings(records.log.lines if records.log else ())
    return [
        f"{' '.join(key)}: the exchange holds {theirs.get(key, 0)}, the journal {ours.get(key, 0)}"
        for key in sorted(ours.keys() | theirs.keys())
        # A venue lists the shares of the demat account apart. A daemon that reads them adds them to its position.
        if ours.get(key, 0) not in (theirs.get(key, 0), theirs.get(key, 0) - owned.get(key, 0))
        if key not in moving
    ]


def _nets(records: RunRecords) -> dict[arithmetic.NetKey, Fraction]:
    # The venue's net per key, as far as the last poll could know it.
    nets = AccountNets()
    for _, entry in records.log.lines_of_kind("session") if records.log else ():
        nets.apply_line(entry, is_ours=False)
    for at, entry in _trades(records):
        if at <= records.last_reconciled_at or (entry.get("exchange"), entry.get("trade_id")) in records.journal_fills:
            nets.apply_line(entry, is_ours=False)
    return {key: net for key, net in nets.net.items() if net}


def _moving(records: RunRecords) -> set[arithmetic.NetKey]:
    # Keys that others changed during the last poll: the poll may show the state before or after.
    return {
        (entry["exchange"], entry["symbol"], entry[name])
        for at, entry in _trades(records)
        if at > records.last_reconciled_at - SETTLE_NS and not _is_of_ours(records, entry)
        for name in ("product", "was", "becomes")
        if name in entry
    }


def _trades(records: RunRecords) -> Iterator[tuple[int, dict[str, Any]]]:
    # Yields (market ns, line) of all that changed a position in a symbol of this journal.
    for _, entry in records.log.lines if records.log else ():
        if entry.get("kind") in ("fill", "conversion") and (
            not records.traded_symbols or entry["symbol"] in records.traded_symbols
        ):
            yield entry.get("traded_at", entry.get("at", 0)), entry


def _is_of_ours(records: RunRecords, entry: dict[str, Any]) -> bool:
    version = records.last_versions.get(entry.get("order_id", ""))
    return version is not None and records.is_ours(str(version[1]["ticket"]["tag"]))


def _order_faults(records: RunRecords) -> list[str]:
    faults = [fault for order in records.orders.values() for fault in _disagreements(records, order)]
    for venue_id, (line, version) in records.last_versions.items():
        is_listed = (
            version["ticket"]["symbol"] in records.traded_symbols
            and version["changed_at"] <= records.last_reconciled_at
        )
        if is_listed and version["status"] not in ENDED_STATUSES and venue_id not in records.orders_by_venue_id:
            faults.append(f"the exchange works {venue_id} (line {line}), which is in no row")
    return faults


def _disagreements(records: RunRecords, order: CheckedOrder) -> Iterator[str]:
    if order.state == "UNKNOWN":
        return
    if order.state in ("SENDING", "INTENT"):
        yield f"{order.order_id} is still {order.state}"
        return
    for venue_id in order.venue_ids & records.last_versions.keys():
        line, version = records.last_versions[venue_id]
        if version["changed_at"] > records.last_reconciled_at or (
            order.is_external and venue_id in records.unlisted_order_ids
        ):
            continue
        is_over = version["status"] in ENDED_STATUSES
        if order.is_live == is_over:
            yield f"{order.order_id} is {order.state} here and {version['status']} at the exchange (line {line})"
        elif is_over and to_fraction(version["filled"]) != order.filled_quantity:
            yield f"{order.order_id} filled {order.filled_quantity} here, {version['filled']} there (line {line})"


def _explained(records: RunRecords) -> str:
    halts = list(records.journal.rows_of_kinds(*HALT_KINDS, "resume"))
    if halts and halts[-1].kind != "resume":
        return f"row {halts[-1].seq} says {halts[-1].body.get('reason')!r}"
    looks = list(records.journal.rows_of_kinds("reconciled"))
    if looks and looks[-1].body.get("differences"):
        return f"row {looks[-1].seq} says {looks[-1].body['differences'][0]!r}"
    return ""


def truth_after_restart(records: RunRecords) -> PromiseVerdict:
    """I12: before a run sends an order it has polled the venue and knows all fills and the fate of open orders."""
    if not records.journal.run_ids:
        return verdict_not_shown("I12", "the journal holds no run")
    faults: list[str] = []
    first_poll: EvidenceRow | None = None
    run: EvidenceRow | None = None
    open_now: dict[str, str] = {}  # order id -> its last event in the run before
    unsettled: dict[str, str] = {}
    for row in records.journal.rows_of_kinds("run", "reconciled", "order"):
        if row.kind == "run":
            run, first_poll, unsettled = row, None, dict(open_now)
        elif row.kind == "reconciled":
            if first_poll is None:
                faults += _missing_at(records, row)
            first_poll = first_poll or row
        elif (event := str(row.body.get("event"))) in ("intent", "sending"):
            order_id = str(row.body["order_id"])
            if event == "sending" and not _is_external(records, order_id):
                if first_poll is None:
                    faults.append(
                        f"row {row.seq} sends {order_id} before run {run.run if run else '?'} looked at the venue"
                    )
                faults += [f"row {row.seq} sends while {o} was left {how}" for o, how in unsettled.items()]
            open_now[order_id] = event.upper()
        elif event not in INCONCLUSIVE_EVENTS:
            open_now.pop(str(row.body.get("order_id")), None)
            unsettled.pop(str(row.body.get("order_id")), None)
    starts = len(records.journal.run_ids)
    return (
        verdict_broken("I12", list_faults(faults))
        if faults
        else verdict_ok("I12", f"{starts} starts compared with the venue before sending")
    )


def _is_external(records: RunRecords, order_id: str) -> bool:
    return order_id in records.orders and records.orders[order_id].is_external


def _missing_at(records: RunRecords, poll: EvidenceRow) -> list[str]:
    return [
        f"row {poll.seq} ends the first look of run {poll.run} without fill {fill['trade_id']} (line {line})"
        for line, fill in records.exchange_fills
        if fill["traded_at"] + SETTLE_NS < poll.at
        and records.first_booked_seqs.get((fill["exchange"], fill["trade_id"]), poll.seq) >= poll.seq
        and not _was_inferred(records, fill, poll)
        and not _has_no_owner(records, fill, poll)
    ]


def _has_no_owner(records: RunRecords, fill: dict[str, Any], look: EvidenceRow) -> bool:
    # A fill of an external order has no known owner while the row of its order cannot be read.
    if records.log is None or records.is_ours(records.last_versions[fill["order_id"]][1]["ticket"]["tag"]):
        return False
    return any(
        line.get("name") in UNREADABLE_ROWS and line["where"] == "orders.list" and abs(line["at"] - look.at) < SETTLE_NS
        for _, line in records.log.lines
    )


def _was_inferred(records: RunRecords, fill: dict[str, Any], look: EvidenceRow) -> bool:
    # A venue may report a filled quantity before it lists the fill. Until then it is booked without the fill's id.
    order = records.orders_by_venue_id.get(fill["order_id"])
    return order is not None and any(
        row.seq < look.seq and row.body["event"] == "executed" and row.body["execution"].get("is_inferred")
        for row in order.facts
    )
