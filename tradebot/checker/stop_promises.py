"""Promises I15 and I32: lone far prices do not count, and stops act at their levels, across restarts as well.

Levels are computed here from the intent of the entry, its fills and the prices of the input log. The last seconds of
that log are missing after a cut-off run. The unknown prices in them are judged in the daemon's favour.

While a stop of the position rests at the venue, a level that is reached is the venue's for a while. Then the daemon
cancels the stop, and once it is surely gone it sends an exit of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.desk_inputs import LISTED, REFUSED, STOPS, DeskInput
from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import to_fraction
from tradebot.checker.run_records import RunRecords
from tradebot.checker.stops_at_venue import StopsAtVenue, row_mono, timeline_of
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok
from tradebot.clock import SECOND

FIRST_JUDGED_FORMAT = 3  # from this format of rows on, trailing stops survive a restart and useless levels are refused
PROTECTIVE = ("stop", "trail", "target")
LEVELS = ("stop_loss", "trail_by", "target")
FAR_PART, NEAR_PART = 5, 20  # a lone price is off by more than 1/FAR_PART, its neighbours agree within 1/NEAR_PART
FAR_PRICE_FAULTS = frozenset({"tenfold-quote", "hundredth-quote", "wrong-token"})
# From the moment at which orders can leave again until an exit that was wanted before is sent: some ticks of the desk.
RETRIED_WITHIN_NS = SECOND // 2
LATE_FILLS_NS = 2 * SECOND  # from the end of a resting stop on, fills of it may still come
# For a list that was requested after that, the daemon waits this long: the stream may have lost the fill of the stop.
LISTED_WITHIN_NS = 10 * SECOND
AGREEING_PRICES = 2  # far prices that must agree before the daemon believes them


class ExpectedStops:
    """The stop, trail and target of one entry, in price units, and the best prices it certainly and possibly saw."""

    def __init__(self, order_id: str, request: dict[str, Any], since_mono: int) -> None:
        self.order_id, self.since_mono = order_id, since_mono
        self.sign = 1 if request["side"] == "BUY" else -1
        self.requested_levels = [
            to_fraction(request[name]) if request.get(name) is not None else None for name in LEVELS
        ]
        self._levels: list[Fraction | int | None] = []  # `requested_levels` in price units
        # An exit that is missing is judged by `certain_best`, an exit without a reason by `possible_best`: what the
        # records leave open is decided in the daemon's favour.
        self.certain_best: int | None = None
        self.possible_best: int | None = None
        self.is_exit_wanted = False  # a level was reached while no order could leave
        self.left_mono = 0  # since when a level that was reached is left to the stop at the venue, monotonic ns
        self.has_missing_prices = False  # a run was cut off since, so some prices it saw are not in the log

    def add_price(self, price: DeskInput, *, is_sure: bool) -> None:
        """Update the best prices with a price the desk received; `is_sure` if the stops were surely active then."""
        if not self._levels:
            self._levels = [
                _whole(level * price.scale) if level is not None else None for level in self.requested_levels
            ]
        self.possible_best = self._better(self.possible_best, price.units)
        if is_sure:
            self.certain_best = self._better(self.certain_best, price.units)

    def level_reached(self, price: DeskInput, best: int | None) -> str:
        """Return the level that a price reached, in words, with `best` for the trailing stop; empty if none."""
        (stop, trail, target), units, sign = self._levels, price.units, self.sign
        if stop is not None and (units - stop) * sign <= 0:
            return f"stop of {float(stop / price.scale):g}"
        if trail is not None and best is not None and (units - best) * sign + trail <= 0:
            return f"trailing stop of {float((best - sign * trail) / price.scale):g}"
        if target is not None and (units - target) * sign >= 0:
            return f"target of {float(target / price.scale):g}"
        return ""

    def _better(self, best: int | None, units: int) -> int:
        return units if best is None or (units - best) * self.sign > 0 else best


def _whole(value: Fraction) -> Fraction | int:
    return value.numerator if value.denominator == 1 else value  # integers compare ten times as fast


class StopFollower:
    """Follows positions and their stops through the runs of a journal; `faults` lists broken promises in words."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records
        self._held: dict[str, Fraction] = defaultdict(Fraction)  # symbol -> signed quantity of ours
        self.stops: dict[str, ExpectedStops] = {}  # symbol -> stops that have not led to an exit yet
        self._reversed_stops: dict[str, ExpectedStops] = {}  # symbol -> stops of the last fill that was taken back
        self._exited_entries = set[str]()  # ids of entries for which an exit was requested
        self.faults: list[str] = []
        self.counts = Counter[str]()  # of positions `guarded`, of levels `reached`, of exits in a `later_run`
        self._entry_runs: dict[str, str] = {}  # symbol -> the run in which its stops began
        self._inactive_reason = ""  # STOPS: the desk no longer judges prices; REFUSED: no exit can leave
        self._free_since_mono = 0  # since when exits can leave again
        self._last_prices: dict[str, DeskInput] = {}  # symbol -> the last price received
        self._at_venue = StopsAtVenue()
        self._lists: list[tuple[int, int]] = []  # (requested, received) of each account snapshot of the run, mono ns
        self._left = set[str]()  # symbols whose stops have a `left_mono`
        self._patience_ns = 0  # how long a level that is reached is left to the stop at the venue

    def follow_run(
        self, run: str, rows: list[EvidenceRow], inputs: list[DeskInput], *, is_ended: bool, patience_ns: int
    ) -> None:
        """Apply a run: its rows, and the inputs of its desk."""
        self._inactive_reason, self._free_since_mono, self._last_prices, self._lists = "", 0, {}, []
        self._patience_ns = patience_ns
        for stops in self.stops.values():
            stops.left_mono = 0
        exits = {
            (order.symbol, int(order.first_row.body.get("mono") or 0))
            for order in self._records.orders.values()
            if order.first_row.run == run and order.asks_to_close
        }
        events: list[tuple[int, EvidenceRow | DeskInput]] = [(what.mono, what) for what in inputs]
        events += timeline_of(rows)  # rows sort after inputs of the same time
        for mono, what in sorted(events, key=lambda event: event[0]):
            self._judge_left(mono, run)
            if isinstance(what, EvidenceRow):
                self._apply_row(run, what)
            elif what.word == LISTED:
                self._lists.append((what.asked_at, what.mono))
            elif what.word:
                self._inactive_reason = what.word if self._inactive_reason != STOPS else STOPS
                self._free_since_mono = what.mono
            else:
                self._apply_price(run, what, exits)
        for stops in self.stops.values():
            stops.has_missing_prices = stops.has_missing_prices or not is_ended

    def _apply_row(self, run: str, row: EvidenceRow) -> None:
        if row.kind == "reconciled":
            for part in row.body.get("released") or ():  # the row tells neither who closed it nor exactly when
                symbol = str(part["key"]["symbol"])
                self.stops.pop(symbol, None)
                self._held[symbol] -= to_fraction(part["quantity"])
            return
        event, order = row.body["event"], self._records.orders.get(str(row.body["order_id"]))
        if order is None or order.is_external:
            return
        self._at_venue.apply_row(row)
        if event in ("intent", "denied") and order.asks_to_close and order.symbol in self.stops:
            self._begin_exit(order.symbol, order.purpose, row)
        elif event in ("executed", "reversed"):
            quantity = to_fraction(row.body["execution"]["quantity"])
            sign = 1 if (order.request["side"] == "BUY") is (event == "executed") else -1
            self._held[order.symbol] += sign * quantity
            if event == "reversed" or not self._held[order.symbol]:
                dropped = self.stops.pop(order.symbol, None)
                if event == "reversed" and dropped is not None:
                    self._reversed_stops[order.symbol] = dropped
            elif not order.is_exit and order.symbol in self._held:
                self._set_stops(run, order.order_id, order.symbol, order.request, row_mono(row))

    def _set_stops(self, run: str, order_id: str, symbol: str, request: dict[str, Any], since: int) -> None:
        before = self.stops.get(symbol)
        if (before is not None and before.order_id == order_id) or order_id in self._exited_entries:
            return  # a further fill of the entry, or a repeated one while its exit is under way
        self.stops.pop(symbol, None)
        if any(request.get(name) is not None for name in LEVELS):
            self.counts["guarded"] += 1
            self.stops[symbol], self._entry_runs[symbol] = ExpectedStops(order_id, request, since), run
            taken_back = self._reversed_stops.pop(symbol, None)
            if taken_back is not None and taken_back.order_id == order_id:  # a fill in the place of a guessed one
                self.stops[symbol].possible_best = taken_back.possible_best
            if symbol in self._last_prices:  # received with the fill, or right before it
                self.stops[symbol].add_price(self._last_prices[symbol], is_sure=False)

    def _begin_exit(self, symbol: str, purpose: str, row: EvidenceRow) -> None:
        # An exit is requested from here until the position is flat, so the stops no longer matter.
        stops, last = self.stops.pop(symbol), self._last_prices.get(symbol)
        self._exited_entries.add(stops.order_id)
        self.counts["later_run"] += self._entry_runs[symbol] != row.run and purpose in PROTECTIVE
        if purpose not in PROTECTIVE or stops.has_missing_prices or last is None or last.mono != row_mono(row):
            return
        if stops.left_mono or self._at_venue.was_refused(symbol):  # decided before, or because no stop can rest
            return
        if not stops.level_reached(last, stops.possible_best):
            self.faults.append(
                f"{row.body['order_id']} (row {row.seq}) closes {symbol} for its {purpose} at {last.display_price:g}, "
                f"which is at no level of {stops.order_id}"
            )

    def _apply_price(self, run: str, seen: DeskInput, exits: set[tuple[str, int]]) -> None:
        self._last_prices[seen.symbol] = seen
        stops = self.stops.get(seen.symbol)
        if stops is None:
            return
        is_sure = self._inactive_reason != STOPS and (
            self._entry_runs[seen.symbol] != run or seen.mono > stops.since_mono + SECOND
        )
        stops.add_price(seen, is_sure=is_sure)
        if not is_sure:
            return
        if level := stops.level_reached(seen, stops.certain_best):
            if self._inactive_reason == REFUSED:
                stops.is_exit_wanted = True
                return
            if stops.is_exit_wanted and seen.mono < self._free_since_mono + RETRIED_WITHIN_NS:
                return
            if stops.left_mono:
                return
            self.counts["reached"] += 1
            if (seen.symbol, seen.mono) in exits:
                return
            if self._at_venue.live_stops(seen.symbol) or seen.mono < self._settled_mono(seen.symbol):
                stops.left_mono = seen.mono
                self._left.add(seen.symbol)
            else:
                where = "" if self._entry_runs[seen.symbol] == run else ", set by an earlier run,"
                self.faults.append(
                    f"{seen.symbol} was shown {seen.display_price:g} in run {run}, the {level} of {stops.order_id}"
                    f"{where} was reached and no exit began"
                )
                del self.stops[seen.symbol]

    def _judge_left(self, mono: int, run: str) -> None:
        # The stop at the venue triggers or ends in time, or its cancel is asked for, or the daemon's exit begins.
        for symbol in sorted(self._left):
            stops = self.stops.get(symbol)
            if stops is not None and self._inactive_reason in (STOPS, REFUSED):
                stops.left_mono, stops.is_exit_wanted = 0, True
            if stops is None or not stops.left_mono:
                self._left.remove(symbol)
                continue
            live = self._at_venue.live_stops(symbol)
            if not live:
                due = max(stops.left_mono, self._settled_mono(symbol))
            elif any(stop.is_triggered or stop.is_cancelled for stop in live):
                continue
            else:
                due = stops.left_mono + self._patience_ns
            if mono > due + RETRIED_WITHIN_NS:
                self.faults.append(
                    f"a level of {stops.order_id} in {symbol} was reached in run {run}, "
                    f"{(mono - stops.left_mono) / SECOND:.1f} s later "
                    f"{'its stop waits at the venue' if live else 'no stop rests at the venue'} and no exit began"
                )
                del self.stops[symbol]

    def _settled_mono(self, symbol: str) -> int:
        # From when on the desk knows what the stops of the symbol that ended have sold, 0 without one.
        ended = self._at_venue.last_ended_mono(symbol)
        if not ended:
            return 0
        due = ended + LATE_FILLS_NS
        received = (received for requested, received in self._lists if requested >= due)
        return min(next(received, due + LISTED_WITHIN_NS), due + LISTED_WITHIN_NS)


def stops_hold(records: RunRecords) -> PromiseVerdict:
    """I32: a stop or target acts at the first price that reaches it, also after a restart."""
    follower, inputs_by_run = StopFollower(records), records.desk_inputs
    faults = list(_useless(records))
    runs: dict[str, list[EvidenceRow]] = defaultdict(list)
    patience: dict[str, int] = {}  # run -> how long its desk leaves a level to the stop at the venue, ns
    for row in records.journal.rows_of_kinds("run", "order", "reconciled", "end"):
        runs[row.run].append(row)
    for row in records.journal.rows_of_kinds("terms"):
        patience[row.run] = int(float((row.body.get("desk") or {}).get("chase_after_s", 0)) * SECOND)
    for run, rows in runs.items():
        if run in inputs_by_run and _format(rows[0]) >= FIRST_JUDGED_FORMAT:
            kept = [row for row in rows if row.kind in ("order", "reconciled")]
            is_ended = rows[-1].kind == "end"
            follower.follow_run(run, kept, inputs_by_run[run], is_ended=is_ended, patience_ns=patience.get(run, 0))
    faults += follower.faults
    if faults:
        return verdict_broken("I32", list_faults(faults))
    if not follower.counts["guarded"]:
        return verdict_not_shown("I32", "no position with a stop or a target was on a tape")
    return verdict_ok(
        "I32",
        f"{follower.counts['guarded']} positions were guarded, {follower.counts['reached']} levels were reached and "
        f"acted on, {follower.counts['later_run']} in a later run than the entry's",
    )


def no_lone_price(records: RunRecords) -> PromiseVerdict:
    """I15: the desk received no lone price, far from the prices before and after it."""
    lone, prices = list[str](), 0
    for run, seen in records.desk_inputs.items():
        by_symbol: dict[str, list[DeskInput]] = defaultdict(list)
        for one in seen:
            if one.symbol:
                by_symbol[one.symbol].append(one)
        for symbol, series in by_symbol.items():
            prices += len(series)
            for before, here, after in zip(series, series[1:], series[2:], strict=False):
                far = _is_apart(here, before, FAR_PART) and _is_apart(here, after, FAR_PART)
                if far and not _is_apart(before, after, NEAR_PART):
                    lone.append(
                        f"{symbol} at {here.display_price:g} between {before.display_price:g} and"
                        f" {after.display_price:g} in run {run}"
                    )
    # A first far price that agrees may precede it: that one was not believed and is not in the log.
    struck = (
        sum(line["name"] in FAR_PRICE_FAULTS for _, line in records.log.lines_of_kind("fault")) if records.log else 0
    )
    if len(lone) * AGREEING_PRICES > struck:
        return verdict_broken("I15", f"the desk believed {list_faults(lone)}")
    return (
        verdict_ok("I15", f"none of {prices} prices stood alone")
        if prices
        else verdict_not_shown("I15", "there is no tape")
    )


def _useless(records: RunRecords) -> Iterator[str]:
    formats = {row.run: _format(row) for row in records.journal.rows_of_kinds("run")}
    for order in records.orders.values():
        row, request = order.first_row, order.request
        reference = to_fraction(row.body.get("reference") or "0")
        if order.purpose != "entry" or row.body["event"] != "intent" or not reference:
            continue
        if formats.get(row.run, 0) < FIRST_JUDGED_FORMAT:
            continue
        sign = 1 if request["side"] == "BUY" else -1
        for name, way in (("stop_loss", 1), ("target", -1)):
            level = request.get(name)
            if level is not None and (reference - to_fraction(level)) * sign * way <= 0:
                yield f"{order.order_id} (row {row.seq}) left with a {name} of {level}, decided at {float(reference):g}"


def _is_apart(one: DeskInput, other: DeskInput, part: int) -> bool:
    return abs(one.units - other.units) * part > min(one.units, other.units)


def _format(row: EvidenceRow) -> int:
    return int((row.body.get("versions") or {}).get("rows", "1")) if row.kind == "run" else 0
