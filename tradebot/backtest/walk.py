"""The walk: one account through the bars in which something can happen; the desk decides, the counter fills.

At every position `k` of the timeline that is walked, in this order: the session begins if it is its first bar; orders
meet the opens; guards and limits meet what happens inside the bars; the clock ticks at the bars' end and the wishes of
that close become signals. Instruments go by their number. What is left out would have changed nothing: an instrument
that is flat waits for an entry, one that is held for an exit or a price that touches its guard, one with an order at
work is walked bar by bar; and where the day's loss could reach its limit, the clock ticks.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from tradebot.backtest.counter import Counter
from tradebot.backtest.deciders import Deciders
from tradebot.backtest.hours import Day
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import Ledger
from tradebot.backtest.panel import Panel
from tradebot.backtest.touch import Guard, first_touch
from tradebot.backtest.wishes import Wishes
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Command, Signal, Signals, Tick
from tradebot.stages.desk import Desk

NEVER = 1 << 62
DOUBT = 1e-9  # relative error that a sum of floats may have; nearer to the loss limit than this the desk decides


class Walk:
    """One account's walk. `first` is the first `k` that is traded, `say` is told how far it is now and then."""

    def __init__(
        self, job: Job, *, desk: Desk, panel: Panel, wishes: list[Wishes], deciders: Deciders, ledger: Ledger,
        days: list[Day], first: int, say: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._job, self._desk, self._panel, self._wishes, self._deciders = job, desk, panel, wishes, deciders
        self._ledger, self._say, self._first, self._end = ledger, say, first, len(panel)
        self._counter = Counter(job, desk, panel, ledger)
        self._instruments: tuple[Instrument, ...] = job.instruments
        self._scales = [10.0**i.price_decimals for i in job.instruments]
        self._units = np.array([10.0 ** -(i.price_decimals + i.quantity_decimals) for i in job.instruments])
        self._seen = [0] * len(job.instruments)  # id -> the first row that a guard of it has not seen
        self._size = len(job.instruments)
        self._stamp = job.interval - SECOND if job.interval >= 2 * SECOND else 0  # of what happens inside a bar
        self._days = {day.k: day.session for day in days}
        self._ticks = sorted({day.squares_off_k for day in days if day.squares_off_k is not None} | set(self._days))
        self._agenda: list[int] = []  # heap of k
        self._due: dict[int, set[int]] = {}  # k -> ids
        self._next = [NEVER] * self._size  # id -> the k it is due at
        self._watched = first  # the first k whose loss was not looked at
        self.visited = self.fed = 0

    def run(self) -> None:
        """Walk to the end of the timeline."""
        if self._job.every_bar:
            for k in range(self._first, self._end):
                self._visit(k, [id_ for id_ in range(self._size) if self._panel.row(id_, k) is not None], ticks=True)
        else:
            for id_ in range(self._size):
                self._schedule(id_, self._first)
            place = 0
            while True:
                at = self._agenda[0] if self._agenda else NEVER
                while place < len(self._ticks) and self._ticks[place] < self._first:
                    place += 1
                tick = self._ticks[place] if place < len(self._ticks) else NEVER
                k = min(at, tick, self._end)
                loss = self._loss_before(k)
                if loss < k:
                    self._visit(loss, [], ticks=True)
                elif k >= self._end:
                    break
                else:
                    place += k == tick
                    self._visit(k, self._pop(k), ticks=k == tick)
        self._counter.states()

    # ---- the agenda

    def _pop(self, k: int) -> list[int]:
        while self._agenda and self._agenda[0] <= k:
            heapq.heappop(self._agenda)
        return sorted(id_ for id_ in self._due.pop(k, ()) if self._next[id_] == k)

    def _schedule(self, id_: int, k: int) -> None:
        """Note when an instrument is due next, from `k` on."""
        due = self._due_at(id_, k)
        self._next[id_] = due
        if due >= self._end:
            return
        self._book(due).add(id_)

    def _book(self, k: int) -> set[int]:
        """Put a position on the agenda; returns the instruments that are due there."""
        ids = self._due.get(k)
        if ids is None:
            ids = self._due[k] = set()
            heapq.heappush(self._agenda, k)
        return ids

    def _pends(self) -> bool:
        """True while the clock matters at every bar's end: an order works, or an exit is still wanted."""
        return self._counter.is_busy or bool(self._desk.exits)

    def _due_at(self, id_: int, k: int) -> int:
        row = self._panel.first_row(id_, k)
        if row >= len(self._panel.series[id_]):
            return NEVER
        desk, symbol = self._desk, self._instruments[id_].symbol
        if self._counter.books[id_].orders or symbol in desk.exits or self._deciders.has(id_):
            return self._panel.k(id_, row)
        held = self._ledger.held[id_]
        sign = (held > 0) - (held < 0)
        wish = self._wishes[id_].next(row, sign=sign)
        if held and desk.protection.mask[id_]:
            end = len(self._panel.series[id_]) if wish is None else wish + 1
            touched = self._touch(id_, row, end)
            wish = wish if touched is None else touched
        return NEVER if wish is None else self._panel.k(id_, wish)

    def _touch(self, id_: int, row: int, end: int) -> int | None:
        levels = self._desk.protection.levels(id_)
        assert levels is not None, f"{self._instruments[id_].symbol} has a guard without levels"
        units = self._instruments[id_].units
        guard = Guard(levels.is_long, *(None if v is None else units(v) for v in levels[1:]))
        return first_touch(self._panel.series[id_], guard, row, end)

    def _loss_before(self, k: int) -> int:
        """Return the first position before `k` at which the day's loss may reach its limit; `k` for none."""
        desk = self._desk
        begin, self._watched = self._watched, max(self._watched, k)
        if begin >= k or desk.conditions.halted:
            return k
        floor = float(desk.worth.floor(self._job.desk.max_daily_loss))
        floor += DOUBT * (abs(floor) + 1.0)
        held = np.array(self._ledger.held) * self._units
        if not held.any():
            return begin if floor >= 0 else k
        while begin < k:
            is_low = self._panel.closes(begin, k) @ held <= floor
            place = int(is_low.argmax())
            if is_low[place]:
                return begin + place
            begin += len(is_low)
        return k

    # ---- one position of the timeline

    def _visit(self, k: int, due: list[int], *, ticks: bool) -> None:
        self.visited += 1
        counter, desk, panel = self._counter, self._desk, self._panel
        counter.moved.clear()
        counter.k = k
        if k in self._days:
            self._begin_day(k)
        active = [id_ for id_ in due if counter.books[id_].orders or desk.protection.mask[id_]]
        if active:
            self._move_to(int(panel.starts[k]))
            self._mark_opens(k)
            for id_ in active:
                self._open(id_, k)
            self._move_to(int(panel.starts[k]) + self._stamp)
            for id_ in active:
                if counter.books[id_].orders or desk.protection.mask[id_]:
                    self._inside(id_, k)
        is_closing = ticks or self._pends() or any(self._wants_close(id_, k) for id_ in due)
        if is_closing:
            self._close(k, due)
            self._watched = max(self._watched, k + 1)
        if not self._job.every_bar:
            for id_ in counter.moved.union(due):
                self._schedule(id_, k + 1 if is_closing else k)
            if self._pends() and k + 1 < self._end:
                self._book(k + 1)
        if self.visited % 4096 == 0:
            self._say(k)

    def _wants_close(self, id_: int, k: int) -> bool:
        if self._job.every_bar:
            return True
        return self._due_at(id_, k) == k

    def _begin_day(self, k: int) -> None:
        desk = self._desk
        if k:
            self._mark_closes(k - 1)
        self._move_to(int(self._panel.starts[k]))
        self._counter.take(desk.apply(self._days[k]))
        if self._job.resumes_daily and desk.conditions.halts.standing:
            self._counter.take(desk.apply(Command(verb="resume", reason="another session", id=f"resume-{k}")))

    def _move_to(self, at: int) -> None:
        c = self._desk.conditions
        c.now = c.mono = at
        self._desk.blotter.release(at)

    def _mark_opens(self, k: int) -> None:
        marks = self._desk.marks
        opens, _, _ = self._panel.marks(k)
        marks.last[:] = opens
        marks.seen_at[:] = self._desk.conditions.mono

    def _mark_closes(self, k: int) -> None:
        marks = self._desk.marks
        _, closes, ends = self._panel.marks(k)
        marks.last[:] = closes
        marks.seen_at[:] = ends

    def _open(self, id_: int, k: int) -> None:
        row = self._panel.row(id_, k)
        assert row is not None, f"{self._instruments[id_].symbol} is due at {k} and has no bar"
        price = int(self._panel.series[id_].open[row])
        counter, desk = self._counter, self._desk
        counter.in_bar = True
        counter.trade(id_, row, price)
        if desk.protection.mask[id_]:
            self._catch_up(id_, row)
            counter.take(desk.touch(id_, price))
            counter.trade(id_, row, price)
        counter.in_bar = False

    def _catch_up(self, id_: int, row: int) -> None:
        """Show a trailing stop the best price of the bars that were left out since the last one it saw."""
        series, seen = self._panel.series[id_], self._seen[id_]
        levels = self._desk.protection.levels(id_)
        if levels is None or levels.trail_by is None or levels.best is None or seen >= row:
            return
        units = int(series.high[seen:row].max() if levels.is_long else series.low[seen:row].min())
        best = self._instruments[id_].price(units)
        if best > levels.best if levels.is_long else best < levels.best:
            self._desk.protection.saw(id_, best)

    def _inside(self, id_: int, k: int) -> None:
        row = self._panel.row(id_, k)
        assert row is not None
        series, counter = self._panel.series[id_], self._counter
        counter.in_bar = True
        low, high = int(series.low[row]), int(series.high[row])
        is_long = self._ledger.held[id_] >= 0
        at = int(series.open[row])
        for to in (*((low, high) if is_long else (high, low)), int(series.close[row])):
            self._leg(id_, row, at, to)
            at = to
        self._desk.marks.last[id_] = int(series.open[row])
        self._seen[id_] = row + 1
        counter.in_bar = False

    def _leg(self, id_: int, row: int, at: int, to: int) -> None:
        """Move the price of an instrument from `at` to `to` inside a bar, by way of what it touches in between."""
        counter, desk = self._counter, self._desk
        while True:
            level = self._level(id_, at, to)
            end = to if level is None else level
            filled = None
            if counter.books[id_].orders and at != end:
                filled = counter.pass_through(id_, row, start=at, end=end)
            at = end if filled is None else filled
            if desk.protection.mask[id_]:
                desk.marks.last[id_], desk.marks.seen_at[id_] = at, desk.conditions.mono
                counter.take(desk.touch(id_, at))
                counter.trade(id_, row, at)
            if level is None and filled is None:
                return

    def _level(self, id_: int, at: int, to: int) -> int | None:
        """Return the first level of a guard that a move from `at` to `to` reaches, None when it reaches none."""
        levels = self._desk.protection.levels(id_)
        if levels is None or self._instruments[id_].symbol in self._desk.exits:
            return None
        units = self._instruments[id_].units
        sign = 1 if levels.is_long else -1
        if (to - at) * sign < 0:
            below = [] if levels.stop is None else [units(levels.stop)]
            if levels.trail_by is not None and levels.best is not None:
                below.append(units(levels.best) - sign * units(levels.trail_by))
            reached = [level for level in below if (level - to) * sign >= 0]
            return sign * min(max(level * sign for level in reached), at * sign) if reached else None
        if levels.target is not None and (units(levels.target) - to) * sign <= 0:
            return sign * max(units(levels.target) * sign, at * sign)
        return None

    def _close(self, k: int, due: list[int]) -> None:
        desk, counter, panel = self._desk, self._counter, self._panel
        end = int(panel.starts[k]) + self._job.interval
        self._mark_closes(k)
        counter.take(desk.apply(Tick(at=end, mono=end)))
        signals: list[Signal] = []
        for id_ in due:
            row = panel.row(id_, k)
            if row is None:
                continue
            wanted = self._wishes[id_].signals(row, self._scales[id_])
            self.fed += len(wanted)
            if self._deciders.has(id_):
                wanted = self._deciders.decide(id_, row, wanted, desk.blotter.position)
            signals += wanted
        if signals:
            counter.take(desk.apply(Signals(at=end, interval=self._job.interval, signals=tuple(signals))))
