"""The tale of one run, told from its records: what broke, what was done about it, what was refused. Reads only.

Like the judgement it asks neither the daemon nor its reader: journal rows and the lines of the exchange's log are all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tradebot.checker.case import Case
from tradebot.checker.evidence import Row
from tradebot.checker.story import OrderStory
from tradebot.clock import SECOND

MOST = 12  # lines of one part; the rest is counted
FIGURE = re.compile(r"\d[\d.,]*")
SEEN = ("seen_acked", "seen_open", "seen_filled", "seen_canceled", "seen_expired", "seen_rejected", "executed")
TROUBLES = {
    "cancel_unknown": "a cancel without an answer",
    "cancel_refused": "a cancel refused",
    "replace_unknown": "a change without an answer",
    "replace_refused": "a change refused",
}
UNSENT = {"lapsed": "not sent any more", "refused": "refused by the venue", "not_sent": "could not be sent"}


class Broke(NamedTuple):
    """One kind of fault: how often and where it struck, and what it does."""

    name: str
    times: int
    where: str
    does: str


class Tale(NamedTuple):
    """What a person asks after a bad day; `did` and `refused` are sentences, `figures` the day in one line each."""

    broke: tuple[Broke, ...]
    did: tuple[str, ...]
    refused: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]


def tell(case: Case) -> Tale:
    """Return the tale of a journal with the exchange's log beside it."""
    orders = [order for order in case.orders.values() if not order.is_external]
    return Tale(_broke(case), tuple(_did(case, orders)), tuple(_refused(case, orders)), tuple(_figures(case, orders)))


def _broke(case: Case) -> tuple[Broke, ...]:
    times: Counter[str] = Counter()
    places: dict[str, dict[str, None]] = {}
    does: dict[str, str] = {}
    for _, line in case.log.of("fault") if case.log else ():
        times[line["name"]] += 1
        places.setdefault(line["name"], {})[str(line["where"])] = None
        does[line["name"]] = str(line["does"])
    return tuple(Broke(name, n, ", ".join(places[name]), does[name]) for name, n in times.most_common())


def _did(case: Case, orders: Sequence[OrderStory]) -> Iterator[str]:
    yield from _limited([line for order in orders for line in _doubts(order)], "more orders were in doubt")
    yield from _limited([line for order in orders for line in _troubles(order)], "more cancels and changes met trouble")
    yield from _links(case)
    yield from _corrections(orders)
    differences = {text: None for row in case.journal.of("reconciled") for text in row.body.get("differences", ())}
    yield from _limited([f"opened nothing while the books differed: {text}" for text in differences], "more such")
    incidents = [str(row.body.get("text")) for row in case.journal.of("incident")]
    yield from _limited([f"called for a person: {text}" for text in incidents], "more incidents")
    yield from _halts(case)


def _doubts(order: OrderStory) -> Iterator[str]:
    since: Row | None = None
    for row in order.facts:
        if _is(row, "ambiguous"):
            since = row
        elif since is not None and (row.body["event"] in SEEN or _is(row, "not_found")):
            found = (
                "the venue never had it, given up" if _is(row, "not_found") else "not sent again, found at the venue"
            )
            yield f"{_name(order)}: {_plain(since.body.get('reason'))}; {found} {_after(since, row)}"
            since = None
    if since is not None:
        yield f"{_name(order)}: {_plain(since.body.get('reason'))}; still in doubt: the run was too short to give it up"


def _troubles(order: OrderStory) -> Iterator[str]:
    for event, text in TROUBLES.items():
        rows = [row for row in order.facts if _is(row, event)]
        if rows:
            why = _plain(rows[0].body.get("reason"))
            yield f"{_name(order)}: {text} {_times(len(rows))} ({why}), ended {order.state}"


def _links(case: Case) -> Iterator[str]:
    down = Counter(_plain(row.body["reason"]) for row in case.journal.of("link") if row.body.get("reason") is not None)
    for reason, n in down.most_common(MOST):
        yield f"lost its quotes {_times(n)} ({reason}) and opened nothing until they came again"


def _corrections(orders: Sequence[OrderStory]) -> Iterator[str]:
    facts = [row for order in orders for row in order.facts]
    made_up = sum(1 for row in facts if _is(row, "executed") and _execution(row, "is_inferred"))
    if made_up:
        yield f"booked {_fills(made_up)} that the venue's list of orders knew and its list of trades did not have yet"
    for reason, n in Counter(_plain(row.body.get("reason")) for row in facts if _is(row, "reversed")).most_common(MOST):
        yield f"took {_fills(n)} back: {reason}"


def _halts(case: Case) -> Iterator[str]:
    for row in case.journal.of("halt"):
        scope = str(row.body.get("scope", "all"))
        what = "everything" if scope in ("all", "account") else scope.replace(":", " ")
        yield f"halted {what}: {_plain(row.body.get('reason'))}"


def _refused(case: Case, orders: Sequence[OrderStory]) -> Iterator[str]:
    denied = [_plain(o.begun.body.get("reason")) for o in orders if _is(o.begun, "denied")]
    yield from _limited([f"{_orders(n)} denied by the gate: {why}" for why, n in _alike(denied)], "more reasons")
    for event, text in UNSENT.items():
        found = [_plain(row.body.get("reason")) for order in orders for row in order.facts if _is(row, event)]
        yield from _limited([f"{_orders(n)} {text}: {why}" for why, n in _alike(found)], "more reasons")


def _alike(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Return the first of the texts that differ in their figures alone, and how many there are, most first."""
    found: dict[str, list[str]] = {}
    for text in texts:
        found.setdefault(FIGURE.sub("#", text), []).append(text)
    groups = sorted(found.values(), key=len, reverse=True)
    return [(group[0] + (", and the like" if len(set(group)) > 1 else ""), len(group)) for group in groups]


def _figures(case: Case, orders: Sequence[OrderStory]) -> Iterator[tuple[str, str]]:
    yield from _traded(case, orders)
    yield from _result(case)


def _traded(case: Case, orders: Sequence[OrderStory]) -> Iterator[tuple[str, str]]:
    sent = [order for order in orders if order.sending]
    yield "orders", f"{len(sent)} sent, {sum(1 for o in sent if o.filled)} filled, {len(orders) - len(sent)} not sent"
    fills = [row for order in orders for row in order.fills]
    others = sum(1 for order in case.orders.values() if order.is_external for _ in order.fills)
    elsewhere = f" and {others} of orders placed elsewhere" if others else ""
    made = f"; the exchange made {len(case.exchange_fills)}" if case.log else ""
    yield "fills", f"{len(fills)} booked{elsewhere}{made}"
    yield "turnover", f"{round(sum((_value(row) for row in fills), Fraction(0)))}"


def _result(case: Case) -> Iterator[tuple[str, str]]:
    end = case.journal.ended
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
    yield from lines[:MOST]
    if len(lines) > MOST:
        yield f"{len(lines) - MOST} {rest}"


def _is(row: Row, event: str) -> bool:
    return bool(row.body["event"] == event)


def _execution(row: Row, field: str) -> Any:
    return (row.body.get("execution") or {}).get(field)


def _value(row: Row) -> Fraction:
    return Fraction(str(_execution(row, "quantity"))) * Fraction(str(_execution(row, "price")))


def _name(order: OrderStory) -> str:
    request = order.request
    return f"{request.get('side')} {request.get('quantity')} {order.symbol} ({order.order_id[-5:]})"


def _after(since: Row, row: Row) -> str:
    return f"{(row.wall - since.wall) / SECOND:.1f} s later"


def _plain(text: Any) -> str:
    return str(text or "without a reason")[:140]


def _times(n: int) -> str:
    return "once" if n == 1 else "twice" if n == 2 else f"{n} times"


def _orders(n: int) -> str:
    return "1 order" if n == 1 else f"{n} orders"


def _fills(n: int) -> str:
    return "1 fill" if n == 1 else f"{n} fills"
