"""Promises I34 and I35: shares are never offered twice, and each share that wants a stop has one at the venue in time.

I34 is judged from the exchange's log: what our working exits and stops may still close. I35 is judged from the journal:
the fills of entries with a stop level, the stops that the venue confirmed, and the incidents that say one is missing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from tradebot.checker.desk_inputs import FREE, REFUSED, STOPS, DeskInput
from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.exit_promises import AccountNets, NetKey, follow_account
from tradebot.checker.order_history import CheckedOrder, to_fraction
from tradebot.checker.run_records import ENDED_STATUSES, RunRecords
from tradebot.checker.stops_at_venue import CANCEL_EVENTS, CLOSING_REASON, StopsAtVenue, timeline_of
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok
from tradebot.clock import MILLISECOND, SECOND

ZERO = Fraction(0)
SLACK_NS = SECOND // 4  # from the end of the time allowed until the alarm is on record: a few ticks of the desk
LATE_FILLS_NS = 2 * SECOND  # an order of others that has ended may still bring fills
ALARM = re.compile(r"(?P<symbol>\S+): \S+ of \S+ shares have had no resting stop for (?P<s>[\d.]+) s: (?P<why>[^;]*)")


# ---- I34


class OpenExits:
    """Our exits and stops that work at the exchange, by its log: order id -> its last version."""

    def __init__(self, tags: frozenset[str]) -> None:
        self._tags = tags
        self._open: dict[str, dict[str, Any]] = {}

    def apply_version(self, line: dict[str, Any]) -> None:
        """Apply a version of an order."""
        if str(line["ticket"]["tag"]) in self._tags:
            self._open.pop(line["order_id"], None)
            if line["status"] not in ENDED_STATUSES:
                self._open[line["order_id"]] = line

    def version_of(self, order_id: str) -> dict[str, Any] | None:
        """Return the last version of a working order of ours, None for another one."""
        return self._open.get(order_id)

    def rest_beside(self, key: NetKey, side: str, tag: str) -> Fraction:
        """Return what the working orders of a key and side may still trade, without the order of `tag`."""
        rests = (
            to_fraction(line["ticket"]["quantity"]) - to_fraction(line["filled"])
            for line in self._open.values()
            if _key_of(line["ticket"]) == key and line["ticket"]["side"] == side and line["ticket"]["tag"] != tag
        )
        return sum(rests, ZERO)


def nothing_offered_twice(records: RunRecords) -> PromiseVerdict:
    """I34: what our working exits and stops may still close never exceeds what the daemon may assume to be ours."""
    if records.log is None:
        return verdict_not_shown("I34", "without the exchange's log nobody knows what works there")
    orders, faults, judged = OpenExits(records.exit_tags), list[str](), 0
    for at, line, nets in follow_account(records, records.log.lines):
        if line["kind"] == "order":
            orders.apply_version(line)
        elif (asked := _raised(line, records.exit_tags, orders)) is not None:
            judged += 1
            faults += _offered_twice(at, asked, orders, nets)
    if faults:
        return verdict_broken("I34", list_faults(faults))
    if not judged:
        return verdict_not_shown("I34", "no exit and no stop reached the exchange")
    return verdict_ok("I34", f"after {judged} requests of exits and stops no more was on offer than was ours")


class _Asked(NamedTuple):
    """A request that raises what may be closed: `quantity` is the rest of the order after it."""

    tag: str
    key: NetKey
    side: str
    quantity: Fraction


def _raised(line: dict[str, Any], tags: frozenset[str], orders: OpenExits) -> _Asked | None:
    params = line["params"]
    if line["method"] == "POST" and str(params.get("tag", "")) in tags:
        key = (params["exchange"], params["tradingsymbol"], params["product"])
        return _Asked(str(params["tag"]), key, params["transaction_type"], to_fraction(params["quantity"]))
    if line["method"] == "PUT" and "quantity" in params:
        version, wanted = orders.version_of(str(line["path"]).rpartition("/")[2]), to_fraction(params["quantity"])
        if version is not None and wanted > to_fraction(version["ticket"]["quantity"]):
            ticket, rest = version["ticket"], wanted - to_fraction(version["filled"])
            return _Asked(str(ticket["tag"]), _key_of(ticket), ticket["side"], rest)
    return None


def _offered_twice(at: int, asked: _Asked, orders: OpenExits, nets: AccountNets) -> Iterator[str]:
    sign = 1 if asked.side == "SELL" else -1
    beside = orders.rest_beside(asked.key, asked.side, asked.tag)
    most = nets.known_ours.largest_known(asked.key, sign)
    if beside and asked.quantity + beside > most:  # alone it is for I29
        word = "long" if sign > 0 else "short"
        yield (
            f"{asked.tag} (line {at}) may close {float(asked.quantity):g} of {':'.join(asked.key)} beside other orders"
            f" of ours for {float(beside):g}, of which {float(most):g} {word} was ours at most"
        )


def _key_of(ticket: dict[str, Any]) -> NetKey:
    return str(ticket["exchange"]), str(ticket["symbol"]), str(ticket["product"])


# ---- I35


class CoverDelay(NamedTuple):
    """How long held shares of a symbol had no stop at the venue; `reason` is that of the alarm, empty without one."""

    run: str
    symbol: str
    delay_ns: int
    reason: str


class _Exposed:
    """The held shares of one symbol, and since when they lack a stop."""

    def __init__(self) -> None:
        self.held = ZERO
        self.wants_stop = False
        self.is_closing = False  # an exit was asked for, until the position is flat
        self.since_mono = 0  # monotonic ns since which a stop is missing, 0 while none is
        self.begins_with_fill = False  # a fill of an entry began it
        self.reason = ""  # of the alarm that was raised since

    def clear(self) -> None:
        """Note that no stop is missing."""
        self.since_mono, self.begins_with_fill, self.reason = 0, False, ""


class CoverFollower:
    """Follows positions and their stops at the venue; `faults` lists broken promises in words."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records
        self._symbols: dict[str, _Exposed] = defaultdict(_Exposed)
        self._at_venue = StopsAtVenue()
        self._others: dict[str, CheckedOrder] = {}  # order id -> an order of others in the account
        self._others_ended: dict[str, int] = {}  # symbol -> monotonic ns of the end of the last of these
        self._taken: set[str] = set()  # symbols of which others hold the opposite side
        self._strategies: frozenset[str] = frozenset()
        self._within_ns = 0
        self._run, self._looked_mono = "", -1
        self._is_refused = self._is_stopping = False
        self.faults: list[str] = []
        self.delays: list[CoverDelay] = []
        self.alarm_count = 0

    def follow_run(self, rows: list[EvidenceRow], inputs: list[DeskInput]) -> None:
        """Apply a run: its rows, and the inputs of its desk."""
        # The desk begins after the first look at the venue, whose row has the time at which the look began.
        self._run, self._looked_mono = rows[0].run, -1
        self._is_refused = self._is_stopping = False
        for exposed in self._symbols.values():
            exposed.clear()
        events: list[tuple[int, EvidenceRow | DeskInput]] = [
            (one.mono, one) for one in inputs if one.word in (STOPS, REFUSED, FREE)
        ]
        events += timeline_of(rows)
        for mono, what in sorted(events, key=lambda event: event[0]):
            self._judge_late(mono)
            if isinstance(what, DeskInput):
                self._is_refused = what.word == REFUSED
                self._is_stopping = self._is_stopping or what.word == STOPS
            else:
                self._apply_row(mono, what)
            self._update_all(mono)

    def _apply_row(self, mono: int, row: EvidenceRow) -> None:
        match row.kind:
            case "terms":
                resting = (row.body.get("desk") or {}).get("resting") or {}
                self._strategies = frozenset(resting.get("strategies") or ())
                self._within_ns = int(float(resting.get("confirm_within_s", 0)) * SECOND)
            case "incident":
                self._note_alarm(str(row.body.get("text", "")))
            case "reconciled":
                self._looked_mono = mono if self._looked_mono < 0 else self._looked_mono
                self._look(row)
            case "order":
                self._apply_order(mono, row)

    def _note_alarm(self, text: str) -> None:
        if (found := ALARM.match(text)) is not None:
            self.alarm_count += 1
            self._symbols[found["symbol"]].reason = found["why"]

    def _look(self, row: EvidenceRow) -> None:
        for part in row.body.get("released") or ():
            exposed = self._symbols[str(part["key"]["symbol"])]
            exposed.held -= to_fraction(part["quantity"])
            self._flatten_if_closed(exposed)
        self._taken = {
            str(part["key"]["symbol"])
            for part in row.body.get("external") or ()
            if to_fraction(part["quantity"]) * self._symbols[str(part["key"]["symbol"])].held < 0
        }

    def _apply_order(self, mono: int, row: EvidenceRow) -> None:
        order_id, event = str(row.body["order_id"]), row.body["event"]
        order = self._records.orders.get(order_id)
        if order is None:
            return
        exposed = self._symbols[order.symbol]
        if order.is_external:
            self._apply_others(mono, order_id, row)
            return
        stop = self._at_venue.apply_row(row)
        if order.asks_to_close and event in ("intent", "denied"):
            exposed.is_closing = True
        if stop is not None and event in CANCEL_EVENTS and row.body.get("reason") == CLOSING_REASON:
            exposed.is_closing = True
        if event not in ("executed", "reversed"):
            return
        sign = 1 if (order.request["side"] == "BUY") is (event == "executed") else -1
        exposed.held += sign * to_fraction(row.body["execution"]["quantity"])
        if order.purpose == "entry" and event == "executed":
            has_level = any(order.request.get(name) is not None for name in ("stop_loss", "trail_by"))
            exposed.wants_stop = has_level and order.request.get("strategy") in self._strategies
            exposed.begins_with_fill = exposed.begins_with_fill or not exposed.since_mono
        self._flatten_if_closed(exposed)

    def _apply_others(self, mono: int, order_id: str, row: EvidenceRow) -> None:
        if (order := self._others.get(order_id)) is None:
            order = self._others[order_id] = CheckedOrder(row)
        else:
            order.add_fact(row)
        if not order.is_live:
            self._others_ended[order.symbol] = mono
        if row.body["event"] == "executed":
            self._taken.add(order.symbol)  # until a look tells what is left

    @staticmethod
    def _flatten_if_closed(exposed: _Exposed) -> None:
        if not exposed.held:
            exposed.wants_stop = exposed.is_closing = False
            exposed.clear()

    # ---- the time without a stop

    def _update_all(self, mono: int) -> None:
        for symbol, exposed in self._symbols.items():
            if not exposed.wants_stop:
                continue
            covered = self._at_venue.covered_quantity(symbol)
            if covered >= abs(exposed.held):
                if exposed.since_mono and (exposed.begins_with_fill or exposed.reason):
                    self._record_delay(symbol, exposed, mono)
                exposed.clear()
            elif self._is_excused(symbol, exposed, mono):
                exposed.since_mono, exposed.begins_with_fill = 0, False  # an alarm that was raised stands
            elif not exposed.since_mono:
                exposed.since_mono = mono

    def _is_excused(self, symbol: str, exposed: _Exposed, mono: int) -> bool:
        if self._is_stopping or self._is_refused or not 0 <= self._looked_mono < mono:
            return True
        if exposed.is_closing or symbol in self._taken:
            return True
        if any(stop.is_triggered for stop in self._at_venue.live_stops(symbol)):
            return True  # it closes the position now
        is_others = any(order.is_live and order.symbol == symbol for order in self._others.values())
        return is_others or mono < self._others_ended.get(symbol, -LATE_FILLS_NS) + LATE_FILLS_NS

    def _judge_late(self, mono: int) -> None:
        for symbol, exposed in self._symbols.items():
            if not exposed.since_mono or exposed.reason or self._is_excused(symbol, exposed, mono):
                continue
            if mono > exposed.since_mono + self._within_ns + SLACK_NS:
                covered = self._at_venue.covered_quantity(symbol)
                self.faults.append(
                    f"{float(abs(exposed.held) - covered):g} of {float(abs(exposed.held)):g} shares of {symbol} had no"
                    f" stop at the venue from {exposed.since_mono / SECOND:.2f} to {mono / SECOND:.2f} s in run"
                    f" {self._run}, and no incident says so"
                )
                self._record_delay(symbol, exposed, mono)
                exposed.wants_stop = False
                exposed.clear()

    def _record_delay(self, symbol: str, exposed: _Exposed, mono: int) -> None:
        self.delays.append(CoverDelay(self._run, symbol, mono - exposed.since_mono, exposed.reason))


def follow_cover(records: RunRecords) -> CoverFollower:
    """Return how the stops at the venue followed the positions, over all runs."""
    follower, inputs = CoverFollower(records), records.desk_inputs
    runs: dict[str, list[EvidenceRow]] = defaultdict(list)
    for row in records.journal.rows_of_kinds("run", "terms", "order", "reconciled", "incident", "link", "end"):
        runs[row.run].append(row)
    for run, rows in runs.items():
        follower.follow_run(rows, inputs.get(run, []))
    return follower


def stops_are_there(records: RunRecords) -> PromiseVerdict:
    """I35: each share that wants a stop has one at the venue within 3 s of its fill, or an incident says so."""
    follower = follow_cover(records)
    if follower.faults:
        return verdict_broken("I35", list_faults(follower.faults))
    if not follower.delays:
        return verdict_not_shown("I35", "no fill of an entry waited for a stop at the venue")
    shown = describe_delays([one.delay_ns for one in follower.delays])
    return verdict_ok(
        "I35", f"{len(follower.delays)} times shares got their stop, after {shown}; {follower.alarm_count} alarms"
    )


def describe_delays(delays: Iterable[int]) -> str:
    """Return p50, p99 and the longest of some delays in ns, in words; there must be one at least."""
    ordered = sorted(delays)
    p50, p99 = (ordered[min(len(ordered) * part // 100, len(ordered) - 1)] for part in (50, 99))
    return ", ".join(
        f"{name} {value // MILLISECOND} ms" for name, value in (("p50", p50), ("p99", p99), ("max", ordered[-1]))
    )
