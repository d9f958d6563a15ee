"""The summary of a rehearsal, from its records: which faults struck, what the daemon did, what was refused.

It uses only journal rows and lines of the exchange's log, neither the daemon nor its journal reader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import CheckedOrder
from tradebot.checker.run_records import RunRecords
from tradebot.clock import SECOND

MAX_LINES = 12  # lines per part; the rest is only counted
FIGURE = re.compile(r"\d[\d.,]*")
VENUE_EVENTS = ("seen_acked", "seen_open", "seen_filled", "seen_canceled", "seen_expired", "seen_rejected", "executed")
FAILED_REQUESTS = {
    "cancel_unknown": "a cancel without an answer",
    "cancel_refused": "a cancel refused",
    "replace_unknown": "a change without an answer",
    "replace_refused": "a change refused",
}
UNSENT_ENDINGS = {"lapsed": "not sent any more", "refused": "refused by the venue", "not_sent": "could not be sent"}


class FaultCount(NamedTuple):
    """One kind of fault: how often it struck, where, and its effect."""

    name: str
    times: int
    where: str
    effect: str


class RehearsalSummary(NamedTuple):
    """A bad day for people: `actions` and `refusals` are sentences, `figures` pairs of (name, text)."""

    faults: tuple[FaultCount, ...]
    actions: tuple[str, ...]
    refusals: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]


def summarize_run(records: RunRecords) -> RehearsalSummary:
    """Return the summary of a journal and the exchange's log."""
    orders = [order for order in records.orders.values() if not order.is_external]
    return RehearsalSummary(
        _broke(records),
        tuple(_did(records, orders)),
        tuple(_refused(records, orders)),
        tuple(_figures(records, orders)),
    )


def _broke(records: RunRecords) -> tuple[FaultCount, ...]:
    times: Counter[str] = Counter()
    places: dict[str, dict[str, None]] = {}
    does: dict[str, str] = {}
    for _, line in records.log.lines_of_kind("fault") if records.log else ():
        times[line["name"]] += 1
        places.setdefault(line["name"], {})[str(line["where"])] = None
        does[line["name"]] = str(line["does"])
    return tuple(FaultCount(name, n, ", ".join(places[name]), does[name]) for name, n in times.most_common())


def _did(records: RunRecords, orders: Sequence[CheckedOrder]) -> Iterator[str]:
    yield from _limited([line for order in orders for line in _doubts(order)], "more orders were in doubt")
    yield from _limited([line for order in orders for line in _troubles(order)], "more cancels and changes met trouble")
    yield from _links(records)
    yield from _corrections(orders)
    differences = {
        text: None for row in records.journal.rows_of_kinds("reconciled") for text in row.body.get("differences", ())
    }
    yield from _limited([f"opened nothing while the books differed: {text}" for text in differences], "more such")
    incidents = [str(row.body.get("text")) for row in records.journal.rows_of_kinds("incident")]
    yield from _limited([f"called for a person: {text}" for text in incidents], "more incidents")
    yield from _halts(records)


def _doubts(order: CheckedOrder) -> Iterator[str]:
    since: EvidenceRow | None = None
    for row in order.facts:
        if _is(row, "ambiguous"):
            since = row
        elif since is not None and (row.body["event"] in VENUE_EVENTS or _is(row, "not_found")):
            found = (
                "the venue never had it, given up" if _is(row, "not_found") else "not sent again, found at the venue"
            )
            yield f"{_name(order)}: {_plain(since.body.get('reason'))}; {found} {_after(since, row)}"
            since = None
    if since is not None:
        yield f"{_name(order)}: {_plain(since.body.get('reason'))}; still in doubt: the run was too short to give it up"


def _troubles(order: CheckedOrder) -> Iterator[str]:
    for event, text in FAILED_REQUESTS.items():
        rows = [row for row in order.facts if _is(row, event)]
        if rows:
            why = _plain(rows[0].body.get("reason"))
            yield f"{_name(order)}: {text} {_times(len(rows))} ({why}), ended {order.state}"


def _links(records: RunRecords) -> Iterator[str]:
    down = Counter(
        _plain(row.body["reason"])
        for row in records.journal.rows_of_kinds("link")
        if row.body.get("reason") is not None
    )
    for reason, n in down.most_common(MAX_LINES):
        yield f"lost its quotes {_times(n)} ({reason}) and opened nothing until they came again"


def _corrections(orders: Sequence[CheckedOrder]) -> Iterator[str]:
    facts = [row for order in orders for row in order.facts]
    made_up = sum(1 for row in facts if _is(row, "executed") and _execution(row, "is_inferred"))
    if made_up:
        yield f"booked {_fills(made_up)} that the venue's list of orders knew and its list of trades did not have yet"
    for reason, n in Counter(_plain(row.body.get("reason")) for row in facts if _is(row, "reversed")).most_common(
        MAX_LINES
    ):
        yield f"took {_fills(n)} back: {reason}"


def _halts(records: RunRecords) -> Iterator[str]:
    for row in records.journal.rows_of_kinds("halt"):
        scope = str(row.body.get("scope", "all"))
        what = "everything" if scope in ("all", "account") else scope.replace(":", " ")
        yield f"halted {what}: {_plain(row.body.get('reason'))}"


def _refused(records: RunRecords, orders: Sequence[CheckedOrder]) -> Iterator[str]:
    denied = [_plain(o.first_row.body.get("reason")) for o in orders if _is(o.first_row, "denied")]
    yield from _limited([f"{_orders(n)} denied by the gate: {why}" for why, n in _alike(denied)], "more reasons")
    for event, text in UNSENT_ENDINGS.items():
        found = [_plain(row.body.get("reason")) for order in orders for row in order.facts if _is(row, event)]
        yield from _limited([f"{_orders(n)} {text}: {why}" for why, n in _alike(found)], "more reasons")


def _alike(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Group texts that differ only in their figures; return (first text, count), largest group first."""
    found: dict[str, list[str]] = {}
    for text in texts:
        found.setdefault(FIGURE.sub("#", text), []).append(text)
    groups = sorted(found.values(), key=len, reverse=True)
    return [(group[0] + (", and the like" if len(set(group)) > 1 else ""), len(group)) for group in groups]


def _figures(records: RunRecords, orders: Sequence[CheckedOrder]) -> Iterator[tuple[str, str]]:
    yield from _traded(records, orders)
    yield from _result(records)


def _traded(records: RunRecords, orders: Sequence[CheckedOrder]) -> Iterator[tuple[str, str]]:
    sent = [order for order in orders if order.sending_rows]
    yield (
        "orders",
        f"{len(sent)} sent, {sum(1 for o in sent if o.filled_quantity)} filled, {len(orders) - len(sent)} not sent",
    )
    fills = [row for order in orders for row in order.fills]
    others = sum(1 for order in records.orders.values() if order.is_external for _ in order.fills)
    elsewhere = f" and {others} of orders placed elsewhere" if others else ""
    made = f"; the exchange made {len(records.exchange_fills)}" if records.log else ""
    yield "fills", f"{len(fills)} booked{elsewhere}{made}"
    yield "turnover", f"{round(sum((_value(row) for row in fills), Fraction(0)))}"


def _result(records: RunRecords) -> Iterator[tuple[str, str]]:
    end = records.journal.end_row
    if end is None:
        yield "end", "the run was cut off"
        return
    summary: dict[str, Any] = end.body.get("summary") or {}
    realized, charges = (summary.get(f"whole_{name}", summary.get(name, "0")) for name in ("realized", "charges"))
    yield "profit", f"{realized} before charges of {charges}"
    open_ = {k: v for k, v in (summary.get("open_positions") or {}).items() if str(v) != "0"}
    yield "open at the end", ", ".join(f"{symbol} {quantity}" for symbol, quantity in open_.items()) or "nothing"
    yield "end", _plain(end.body.get("reason"))


def _limited(lines: list[str], rest: str) -> Iterator[str]:
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"{len(lines) - MAX_LINES} {rest}"


def _is(row: EvidenceRow, event: str) -> bool:
    return bool(row.body["event"] == event)


def _execution(row: EvidenceRow, field: str) -> Any:
    return (row.body.get("execution") or {}).get(field)


def _value(row: EvidenceRow) -> Fraction:
    return Fraction(str(_execution(row, "quantity"))) * Fraction(str(_execution(row, "price")))


def _name(order: CheckedOrder) -> str:
    request = order.request
    return f"{request.get('side')} {request.get('quantity')} {order.symbol} ({order.order_id[-5:]})"


def _after(since: EvidenceRow, row: EvidenceRow) -> str:
    return f"{(row.wall - since.wall) / SECOND:.1f} s later"


def _plain(text: Any) -> str:
    return str(text or "without a reason")[:140]


def _times(n: int) -> str:
    return "once" if n == 1 else "twice" if n == 2 else f"{n} times"


def _orders(n: int) -> str:
    return "1 order" if n == 1 else f"{n} orders"


def _fills(n: int) -> str:
    return "1 fill" if n == 1 else f"{n} fills"
