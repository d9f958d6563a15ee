"""I15 and I32: no lone price counts, and what guards a position acts where it stood, over every start of the daemon.

Levels are worked out here from the intent of the entry, its fills and the prices of the tape. A run that was cut off
took its last seconds of tape along: what a trailing stop may have seen in them is only ever to the daemon's favour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.case import Case
from tradebot.checker.evidence import Row
from tradebot.checker.story import number
from tradebot.checker.taped import REFUSED, STOPS, Seen
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok
from tradebot.clock import SECOND

SINCE = 3  # the format of rows from which on trailing stops outlive their run, and no entry has a level that is none
PROTECTIVE = ("stop", "trail", "target")
LEVELS = ("stop_loss", "trail_by", "target")
FAR, NEAR = 5, 20  # one of so many parts of the price: by it a lone price is off at least, its neighbours at most
INSANE = frozenset({"tenfold-quote", "hundredth-quote", "wrong-token"})
AGREE = 2  # prices that must say the same before it counts


class Guard:
    """What one entry put around its position, in units of price, and the best prices it certainly and possibly saw."""

    def __init__(self, order_id: str, request: dict[str, Any], since: int) -> None:
        self.order_id, self.since = order_id, since
        self.sign = 1 if request["side"] == "BUY" else -1
        self.asked = [number(request[name]) if request.get(name) is not None else None for name in LEVELS]
        self._levels: list[Fraction | int | None] = []  # of `asked`, in units
        self.sure: int | None = None
        self.possible: int | None = None
        self.is_cut = False  # a run was cut off since: some of what it saw is not on the tape

    def show(self, seen: Seen, *, is_sure: bool) -> None:
        """Take a price that the desk was shown."""
        if not self._levels:
            self._levels = [_whole(level * seen.scale) if level is not None else None for level in self.asked]
        self.possible = self._better(self.possible, seen.units)
        if is_sure:
            self.sure = self._better(self.sure, seen.units)

    def hit(self, seen: Seen, best: int | None) -> str:
        """Return the level that a price that was shown reached, in words; empty when it reached none."""
        (stop, trail, target), units, sign = self._levels, seen.units, self.sign
        if stop is not None and (units - stop) * sign <= 0:
            return f"stop of {float(stop / seen.scale):g}"
        if trail is not None and best is not None and (units - best) * sign + trail <= 0:
            return f"trailing stop of {float((best - sign * trail) / seen.scale):g}"
        if target is not None and (units - target) * sign >= 0:
            return f"target of {float(target / seen.scale):g}"
        return ""

    def _better(self, best: int | None, units: int) -> int:
        return units if best is None or (units - best) * self.sign > 0 else best


def _whole(value: Fraction) -> Fraction | int:
    return value.numerator if value.denominator == 1 else value  # whole numbers compare ten times as fast


class Watch:
    """Follows positions and their guards through the runs of a journal; `faults` are the promises they broke."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._held: dict[str, Fraction] = defaultdict(Fraction)  # symbol -> signed quantity of ours
        self.guards: dict[str, Guard] = {}  # symbol -> what guards it and has not led to an exit yet
        self._left = set[str]()  # entries that an exit was wanted of
        self.faults: list[str] = []
        self.levels = self.hits = self.over_restarts = 0
        self._runs: dict[str, str] = {}  # symbol -> the run in which its guard began
        self._word = ""  # why the desk does not act: it stops, and judges no price, or no order route takes an exit
        self._last: dict[str, Seen] = {}  # symbol -> what was shown last

    def follow(self, run: str, rows: list[Row], seen: list[Seen], *, is_ended: bool) -> None:
        """Take a run: its rows, and what its desk was shown."""
        self._word, self._last = "", {}
        exits = {
            (order.symbol, int(order.begun.body.get("mono") or 0))
            for order in self._case.orders.values()
            if order.begun.run == run and order.purpose not in ("entry", "external", "")
        }
        events: list[tuple[int, Row | Seen]] = [(what.mono, what) for what in seen]
        last = 0
        for row in rows:  # behind what was shown at the same time; a look tells no time of ours
            last = _mono(row) or last
            events.append((last, row))
        for _, what in sorted(events, key=lambda event: event[0]):
            if isinstance(what, Row):
                self._row(run, what)
            elif what.word:
                self._word = what.word if self._word != STOPS else STOPS
            else:
                self._quote(run, what, exits)
        for guard in self.guards.values():
            guard.is_cut = guard.is_cut or not is_ended

    def _row(self, run: str, row: Row) -> None:
        if row.kind == "reconciled":
            for part in row.body.get("released") or ():  # who took it is not ours to say, nor when exactly
                self._drop(str(part["key"]["symbol"]))
            return
        event, order = row.body["event"], self._case.orders.get(str(row.body["order_id"]))
        if order is None or order.is_external:
            return
        is_exit = order.purpose not in ("entry", "")
        if event in ("intent", "denied") and is_exit and order.symbol in self.guards:
            self._leaves(order.symbol, order.purpose, row)
        elif event in ("executed", "reversed"):
            quantity = number(row.body["execution"]["quantity"])
            sign = 1 if (order.request["side"] == "BUY") is (event == "executed") else -1
            self._held[order.symbol] += sign * quantity
            if event == "reversed" or not self._held[order.symbol]:
                self.guards.pop(order.symbol, None)
            elif not is_exit and order.symbol in self._held:
                self._guard(run, order.order_id, order.symbol, order.request, _mono(row))

    def _guard(self, run: str, order_id: str, symbol: str, request: dict[str, Any], since: int) -> None:
        before = self.guards.get(symbol)
        if (before is not None and before.order_id == order_id) or order_id in self._left:
            return  # a further fill of it, or one told anew while an exit is wanted
        self.guards.pop(symbol, None)
        if any(request.get(name) is not None for name in LEVELS):
            self.levels += 1
            self.guards[symbol], self._runs[symbol] = Guard(order_id, request, since), run
            if symbol in self._last:  # shown with the fill, or right before it
                self.guards[symbol].show(self._last[symbol], is_sure=False)

    def _drop(self, symbol: str) -> None:
        self.guards.pop(symbol, None)
        self._held[symbol] = Fraction(0)

    def _leaves(self, symbol: str, purpose: str, row: Row) -> None:
        # An exit is wanted from here until the position is flat: what guards it has nothing more to say.
        guard, last = self.guards.pop(symbol), self._last.get(symbol)
        self._left.add(guard.order_id)
        self.over_restarts += self._runs[symbol] != row.run and purpose in PROTECTIVE
        if purpose not in PROTECTIVE or guard.is_cut or last is None or last.mono != _mono(row):
            return
        if not guard.hit(last, guard.possible):
            self.faults.append(
                f"{row.body['order_id']} (row {row.seq}) closes {symbol} for its {purpose} at {last.price:g}, "
                f"which is at no level of {guard.order_id}"
            )

    def _quote(self, run: str, seen: Seen, exits: set[tuple[str, int]]) -> None:
        self._last[seen.symbol] = seen
        guard = self.guards.get(seen.symbol)
        if guard is None:
            return
        is_sure = self._word != STOPS and (self._runs[seen.symbol] != run or seen.mono > guard.since + SECOND)
        guard.show(seen, is_sure=is_sure)
        if not is_sure or self._word == REFUSED:
            return
        if level := guard.hit(seen, guard.sure):
            self.hits += 1
            if (seen.symbol, seen.mono) not in exits:
                where = "" if self._runs[seen.symbol] == run else ", set by an earlier run,"
                self.faults.append(
                    f"{seen.symbol} was shown {seen.price:g} in run {run}, the {level} of {guard.order_id}"
                    f"{where} was reached and no exit began"
                )
                del self.guards[seen.symbol]


def stops_hold(case: Case) -> Verdict:
    """I32: a level that guards a position acts at the first price that reaches it, and over every restart."""
    watch, seen = Watch(case), case.seen
    faults = list(_useless(case))
    runs: dict[str, list[Row]] = defaultdict(list)
    for row in case.journal.of("run", "order", "reconciled", "end"):
        runs[row.run].append(row)
    for run, rows in runs.items():
        if run in seen and _format(rows[0]) >= SINCE:
            kept = [row for row in rows if row.kind in ("order", "reconciled")]
            watch.follow(run, kept, seen[run], is_ended=rows[-1].kind == "end")
    faults += watch.faults
    if faults:
        return broken("I32", listed(faults))
    if not watch.levels:
        return not_shown("I32", "no position with a stop or a target was on a tape")
    return ok(
        "I32",
        f"{watch.levels} positions were guarded, {watch.hits} levels were reached and acted on, "
        f"{watch.over_restarts} in a later run than the entry's",
    )


def no_lone_price(case: Case) -> Verdict:
    """I15: no price that stands alone, far from those before and after it, was shown to the desk."""
    lone, prices = list[str](), 0
    for run, seen in case.seen.items():
        by_symbol: dict[str, list[Seen]] = defaultdict(list)
        for one in seen:
            if one.symbol:
                by_symbol[one.symbol].append(one)
        for symbol, series in by_symbol.items():
            prices += len(series)
            for before, here, after in zip(series, series[1:], series[2:], strict=False):
                far = _is_apart(here, before, FAR) and _is_apart(here, after, FAR)
                if far and not _is_apart(before, after, NEAR):
                    lone.append(f"{symbol} at {here.price:g} between {before.price:g} and {after.price:g} in run {run}")
    # Another one that agrees may stand before it: it was not believed itself and is on no tape.
    struck = sum(line["name"] in INSANE for _, line in case.log.of("fault")) if case.log else 0
    if len(lone) * AGREE > struck:
        return broken("I15", f"the desk believed {listed(lone)}")
    return ok("I15", f"none of {prices} prices stood alone") if prices else not_shown("I15", "there is no tape")


def _useless(case: Case) -> Iterator[str]:
    formats = {row.run: _format(row) for row in case.journal.of("run")}
    for order in case.orders.values():
        row, request = order.begun, order.request
        reference = number(row.body.get("reference") or "0")
        if order.purpose != "entry" or row.body["event"] != "intent" or not reference:
            continue
        if formats.get(row.run, 0) < SINCE:
            continue
        sign = 1 if request["side"] == "BUY" else -1
        for name, way in (("stop_loss", 1), ("target", -1)):
            level = request.get(name)
            if level is not None and (reference - number(level)) * sign * way <= 0:
                yield f"{order.order_id} (row {row.seq}) left with a {name} of {level}, decided at {float(reference):g}"


def _is_apart(one: Seen, other: Seen, part: int) -> bool:
    return abs(one.units - other.units) * part > min(one.units, other.units)


def _format(row: Row) -> int:
    return int((row.body.get("versions") or {}).get("rows", "1")) if row.kind == "run" else 0


def _mono(row: Row) -> int:
    return int(row.body.get("mono") or 0)
