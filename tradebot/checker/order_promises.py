"""Promises I1 to I5 and I7: requests leave once, after their row is on disk, and only through the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tradebot.checker.evidence import HALT_KINDS, EvidenceRow
from tradebot.checker.order_history import CheckedOrder
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok
from tradebot.clock import DAY
from tradebot.domain.commands import HaltExpiry, Scope, infer_halt_expiry

POLLS_TO_GIVE_UP = 2  # polls in which an order must be missing before it is given up
ANSWERED_ENDINGS = ("refused", "not_sent", "lapsed")  # events that only the answer to the request itself can bring
# Kind of request -> the event that must be on disk before it leaves.
ROW_BEFORE_REQUEST = {"create": "sending", "modify": "replace_sent", "cancel": "cancel_sent"}
INDIA_OFFSET_NS = 19_800_000_000_000  # 05:30 h ahead of UTC


def at_most_once(records: RunRecords) -> PromiseVerdict:
    """I1: at most one create request leaves per intent, and at most one modify request per row that asks for it."""
    faults = [*_created_again(records), *_changed_again(records)]
    if faults:
        return verdict_broken("I1", list_faults(faults))
    if records.log is None:
        return verdict_not_shown(
            "I1", f"{len(records.sent_orders)} orders have one SENDING row each; the exchange's log tells what came"
        )
    if not records.create_requests and not records.exchange_orders:
        return verdict_not_shown("I1", "no order of ours reached the exchange")
    return verdict_ok(
        "I1",
        f"{len(records.create_requests.keys() | records.exchange_orders.keys())} orders reached the exchange,"
        " each once",
    )


def _created_again(records: RunRecords) -> Iterator[str]:
    for order in records.sent_orders:
        if len(order.sending_rows) > 1:
            yield f"{order.order_id} has {len(order.sending_rows)} SENDING rows ({_rows(order.sending_rows)})"
    for tag, lines in records.create_requests.items():
        if len(lines) > 1:
            yield f"the exchange was asked {len(lines)} times for {tag} (lines {_lines(lines)})"
    for tag, lines in records.exchange_orders.items():
        if len(lines) > 1:
            yield f"the exchange booked {len(lines)} orders for {tag} (lines {_lines(lines)})"


def _changed_again(records: RunRecords) -> Iterator[str]:
    for orders, lines in records.modify_requests:
        asked = [row for order in orders for row in order.facts if row.body["event"] == "replace_sent"]
        if len(lines) > len(asked):
            yield (
                f"the exchange was asked {len(lines)} times to change {' or '.join(o.order_id for o in orders)} "
                f"(lines {_lines(lines)}), {len(asked)} rows ask for it"
            )


def journal_before_wire(records: RunRecords) -> PromiseVerdict:
    """I2: no byte of a create request leaves before its SENDING row is on disk."""
    if records.evidence.trace is not None:
        return _traced(records)
    faults = []
    for tag, lines in records.exchange_orders.items():
        order = records.orders.get(tag)
        if order is None or not order.sending_rows:
            faults.append(f"{tag} is at the exchange (line {lines[0][0]}) and has no SENDING row")
        elif order.sending_rows[0].at > lines[0][1]["placed_at"]:
            late = order.sending_rows[0].at - lines[0][1]["placed_at"]
            faults.append(
                f"{tag} was placed (line {lines[0][0]}) {late} ns before its SENDING row {_rows(order.sending_rows)}"
            )
    faults += [
        f"the exchange was asked for {tag} (line {lines[0][0]}), which has no SENDING row"
        for tag, lines in records.create_requests.items()
        if tag not in records.exchange_orders and (tag not in records.orders or not records.orders[tag].sending_rows)
    ]
    if faults:
        return verdict_broken("I2", list_faults(faults))
    if not records.exchange_orders and not records.create_requests:
        return verdict_not_shown("I2", "no order of ours is in an exchange's log, and there is no trace")
    return verdict_ok(
        "I2", f"the SENDING row of each of {len(records.exchange_orders)} orders is there and older than the order"
    )


def _traced(records: RunRecords) -> PromiseVerdict:
    synced, sends, faults = 0, 0, []
    counted: Counter[tuple[str, str]] = Counter()  # (order id, kind of request) -> requests so far
    for number, line in records.evidence.trace or ():
        if line["did"] == "synced":
            synced = max(synced, int(line["seq"]))
            continue
        sends += 1
        order = records.orders.get(str(line["order_id"]))
        rows = [
            row for row in (order.facts if order else ()) if row.body["event"] == ROW_BEFORE_REQUEST[line["request"]]
        ]
        # The n-th request of a kind needs the n-th row. A create always needs the first: I1 allows one per order.
        nth = counted[line["order_id"], line["request"]]
        counted[line["order_id"], line["request"]] += line["request"] != "create"
        if nth >= len(rows):
            faults.append(f"trace line {number} sends a {line['request']} of {line['order_id']} without a row")
        elif rows[nth].seq > synced:
            faults.append(
                f"trace line {number} sends a {line['request']} while row {rows[nth].seq} was not on disk yet"
            )
    if faults:
        return verdict_broken("I2", list_faults(faults))
    if not sends:
        return verdict_not_shown("I2", "the trace holds no request")
    return verdict_ok("I2", f"{sends} requests left after their rows were on disk, as the trace orders them")


def no_guess(records: RunRecords) -> PromiseVerdict:
    """I3: an order leaves UNKNOWN only on evidence of the venue."""
    doubts = sum(row.body["event"] == "ambiguous" for order in records.orders.values() for row in order.facts)
    looks = [row.seq for row in records.journal.rows_of_kinds("reconciled")]
    faults: list[str] = []
    for order in records.orders.values():
        faults += [*_ended_unseen(order), *_given_up_early(order, looks), *_wrong_end(records, order)]
    if faults:
        return verdict_broken("I3", list_faults(faults))
    if not doubts:
        return verdict_not_shown("I3", "no order was ever in doubt")
    return verdict_ok("I3", f"{doubts} times an order was in doubt, and only the venue's word ended it")


def _ended_unseen(order: CheckedOrder) -> Iterator[str]:
    # An order is UNKNOWN after an `ambiguous` row, and when a run ended after its SENDING row without an answer.
    sending = order.sending_rows[0] if order.sending_rows else None
    doubted: EvidenceRow | None = None
    for row in order.facts:
        event = row.body["event"]
        if event == "ambiguous":
            doubted = doubted or row
        elif event not in ANSWERED_ENDINGS:
            continue
        elif doubted is not None:
            yield f"{order.order_id} was in doubt (row {doubted.seq}) and row {row.seq} ended it as {event}"
        elif sending is not None and sending.seq < row.seq and row.run != sending.run:
            yield f"{order.order_id} was left in the air and row {row.seq} of the next run calls it {event}"


def _given_up_early(order: CheckedOrder, looks: Sequence[int]) -> Iterator[str]:
    for doubted, row in order.given_up:
        # The row of the poll that found it missing follows the events from that poll.
        seen = sum(1 for seq in looks if doubted.seq < seq < row.seq) + any(seq > row.seq for seq in looks)
        if seen < POLLS_TO_GIVE_UP:
            yield f"{order.order_id} was given up in row {row.seq} after {seen} looks at the venue"


def _wrong_end(records: RunRecords, order: CheckedOrder) -> Iterator[str]:
    if order.state not in ("ABSENT", "LAPSED"):
        return
    for number, line in records.exchange_orders.get(order.order_id, ()):
        last = records.last_versions[line["order_id"]][1]
        if line["placed_at"] <= records.last_reconciled_at:
            yield f"{order.order_id} is {order.state} here and {last['status']} at the exchange (line {number})"


def nothing_unexplained(records: RunRecords) -> PromiseVerdict:
    """I4: every order at the venue with an id of ours has an older row in the journal."""
    if records.log is None:
        return verdict_not_shown("I4", "without the exchange's log nobody knows what it holds")
    faults = []
    for tag, lines in records.exchange_orders.items():
        order = records.orders.get(tag)
        if order is None:
            faults.append(f"{tag} at the exchange (line {lines[0][0]}) is in no row")
        elif order.first_row.at > lines[0][1]["placed_at"]:
            faults.append(f"{tag} was at the exchange (line {lines[0][0]}) before row {order.first_row.seq} began it")
        elif order.is_external or order.symbol != lines[0][1]["ticket"]["symbol"]:
            faults.append(f"{tag} at the exchange (line {lines[0][0]}) is not the order of row {order.first_row.seq}")
    faults += [
        f"row {row.seq} speaks of {row.body.get('order_id')}, which no row begins" for row in records.orphan_rows
    ]
    if faults:
        return verdict_broken("I4", list_faults(faults))
    if not records.exchange_orders:
        return verdict_not_shown("I4", "no order of ours is at the exchange")
    return verdict_ok("I4", f"{len(records.exchange_orders)} orders at the exchange, each begun by an older row")


def gate_is_total(records: RunRecords) -> PromiseVerdict:
    """I5: each create has exactly one INTENT, and each change one row, whose checks all passed."""
    ids = (
        {order.order_id for order in records.sent_orders} | set(records.create_requests) | set(records.exchange_orders)
    )
    faults: list[str] = []
    for order_id in sorted(ids):
        if order_id in records.orders:
            faults += _past_the_gate(records.orders[order_id])
        else:
            faults.append(f"{order_id} never came before the gate")
    if faults:
        return verdict_broken("I5", list_faults(faults))
    if not ids:
        return verdict_not_shown("I5", "no order was sent")
    return verdict_ok("I5", f"{len(ids)} orders were sent, each with one INTENT that passed every check")


def _past_the_gate(order: CheckedOrder) -> Iterator[str]:
    begun, failed = order.first_row, _failed_check(order.first_row)
    if len(order.opening_rows) != 1:
        yield f"{order.order_id} has {len(order.opening_rows)} gate records ({_rows(order.opening_rows)})"
    elif begun.body["event"] != "intent":
        yield f"{order.order_id} was denied in row {begun.seq} and sent all the same"
    elif failed is not None:
        yield f"{order.order_id} was sent with {failed} in row {begun.seq}"
    for row in order.facts:
        failed = _failed_check(row)
        if row.body["event"] == "replace_sent" and failed is not None:
            yield f"{order.order_id} was changed with {failed} in row {row.seq}"


def _failed_check(row: EvidenceRow) -> str | None:
    checks = list(row.body.get("checks", ()))
    failed = [check for check in checks if not check.endswith(": ok")]
    return failed[0] if failed else None if checks else "no checks"


def halt_is_final(records: RunRecords) -> PromiseVerdict:
    """I7: once a halt is on disk, only exits leave in its scope until it is resumed."""
    in_force, halts, faults = HaltsInForce(), 0, list[str]()
    for row in records.journal.rows:
        in_force.follow_row(row)
        halts += row.kind in HALT_KINDS
        if row.kind == "order" and row.body.get("event") == "sending":
            order = records.orders.get(str(row.body["order_id"]))
            if order is not None and order.purpose in ("entry", "") and not _never_left(order):
                faults += [
                    f"{order.order_id} was sent (row {row.seq}) after the {halt.kind} of row {halt.seq}"
                    for halt in in_force.halts_over(order, row)
                ]
    if faults:
        return verdict_broken("I7", list_faults(faults))
    return (
        verdict_ok("I7", f"nothing but exits left after {halts} halts")
        if halts
        else verdict_not_shown("I7", "nobody halted")
    )


class HaltsInForce:
    """The halts in force after each row: a resume lifts those of its scope, a resume of a wide scope lifts all."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], EvidenceRow] = {}  # (scope, until) -> the row that halted it

    def follow_row(self, row: EvidenceRow) -> None:
        """Apply the next row of the journal."""
        scope = str(row.body.get("scope", "all"))
        if row.kind in HALT_KINDS:
            self._rows[scope, _until(row)] = row
        elif row.kind == "resume":
            is_wide = Scope.parse(scope).is_account_wide
            self._rows = {} if is_wide else {key: halt for key, halt in self._rows.items() if key[0] != scope}

    def halts_over(self, order: CheckedOrder, sent: EvidenceRow) -> Iterator[EvidenceRow]:
        """Yield the halts that forbid an entry `order`, sent in row `sent`."""
        for (scope, until), halt in self._rows.items():
            is_covered = Scope.parse(scope).covers_order(order.symbol, str(order.request.get("strategy", "")))
            if is_covered and (until != HaltExpiry.SESSION or _day(halt) == _day(sent)):
                yield halt


def _until(halt: EvidenceRow) -> str:
    # Older journals lack the field; it is derived as a start of the daemon derives it.
    body = halt.body
    said = body.get("until")
    return str(said or infer_halt_expiry(halt.kind, str(body.get("scope", "all")), str(body.get("reason", ""))))


def _never_left(order: CheckedOrder) -> bool:
    return any(row.body["event"] == "not_sent" for row in order.facts)


def _day(row: EvidenceRow) -> int:
    return (row.at + INDIA_OFFSET_NS) // DAY


def _rows(rows: list[EvidenceRow]) -> str:
    return ("row " if len(rows) == 1 else "rows ") + ", ".join(str(row.seq) for row in rows)


def _lines(lines: list[tuple[int, dict[str, object]]]) -> str:
    return ", ".join(str(number) for number, _ in lines)
