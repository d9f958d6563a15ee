"""The walk: one account through the bars in which something can happen; the desk decides, the counter fills.

At every position `k` of the timeline that is walked, in this order: the session begins if it is its first bar; orders
meet the opens; guards and limits meet what happens inside the bars; the clock ticks at the bars' end and the wishes of
that close become signals. Instruments go by their number. What is left out would have changed nothing: an instrument
that is flat waits for an entry, one that is held for an exit or a price that touches its guard, one with an order at
work is walked bar by bar; and where the day's loss could reach its limit, the clock ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from tradebot.backtest.counter import Counter
from tradebot.backtest.deciders import Deciders
from tradebot.backtest.funds import Funds
from tradebot.backtest.hours import Day
from tradebot.backtest.inside import Inside
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import Ledger
from tradebot.backtest.loss import LossWatch
from tradebot.backtest.panel import Panel
from tradebot.backtest.touch import Guard, first_touch
from tradebot.backtest.validity import Validities
from tradebot.backtest.wishes import NEVER, Wishes
from tradebot.clock import SECOND
from tradebot.domain.control import Verb
from tradebot.domain.messages import Command, Signal
from tradebot.trading.desk.direct_desk import DirectDesk

SAID_EVERY = 4_096  # positions walked between two words on how far it is


class Walk:
    """One account's walk. `first` is the first `k` that is traded, `say` is told how far it is now and then."""

    def __init__(
        self, job: Job, *, desk: DirectDesk, panel: Panel, wishes: list[Wishes], deciders: Deciders, ledger: Ledger,
        funds: Funds, days: list[Day], first: int, say: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._job, self._desk, self._panel, self._wishes, self._deciders = job, desk, panel, wishes, deciders
        self._held, self._say, self._first, self._end = ledger.held, say, first, len(panel)
        self._counter = Counter(job, desk, panel, ledger, funds, Validities(job, panel.starts, days))
        self._books = self._counter.books
        self._working, self._wanted = self._counter.placed, desk.exits.wanted  # what keeps the clock going
        self._mask = desk.protection.mask.data
        self._inside = Inside(job.instruments, desk, panel, self._counter, ledger.held)
        self._reversals = desk.reversals
        self._loss = LossWatch(job, desk, panel, ledger, funds, days, first)
        self._instruments = job.instruments
        self._scales = [10.0**i.price_decimals for i in job.instruments]
        self._size, self._interval = len(job.instruments), panel.interval
        self._has_deciders = any(deciders.has(id_) for id_ in range(self._size))  # of any instrument, at the start
        self._stamp = self._interval - SECOND if self._interval >= 2 * SECOND else 0  # of what happens inside a bar
        # A walk that begins in the middle of a day begins that day's session too.
        begun, to_come = [d for d in days if d.k <= first], [d for d in days if d.k > first]
        self._days = {max(day.k, first): day.session for day in (*begun[-1:], *to_come)}
        self._clock_ks = {k for day in days for k in day.squares_off_ks} | set(self._days)
        self._offs = {max(day.k, first): min(day.squares_off_ks, default=NEVER) for day in (*begun[-1:], *to_come)}
        self._off_k = NEVER  # of this day: from its close on the clock closes what an order opened late
        self._slots = self._size + 1  # of one k on the agenda: the instruments, then the clock
        self._agenda: list[int] = []  # heap of k * slots + slot
        self._next = [NEVER] * self._size  # id -> the k it is due at; what the agenda says beside it is out of date
        self._funds = funds
        self.ruined_at = 0  # market ns at which the account was worth nothing
        self.visited = self.fed = 0

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of orders beside fills, and how many positions were visited; see `Result`."""
        counter = self._counter
        return {"lapsed": counter.lapsed, "cut": counter.cut, "waited": counter.waited, "visited": self.visited}

    def run(self) -> None:
        """Walk to the end of the timeline."""
        if self._job.every_bar:
            for k in range(self._first, self._end):
                self._visit(k, [id_ for id_ in range(self._size) if self._panel.row(id_, k) is not None], ticks=True)
        else:
            self._run_sparse()
        self._counter.states()

    def _run_sparse(self) -> None:
        slots, agenda, following = self._slots, self._agenda, self._next
        agenda += [k * slots + self._size for k in self._clock_ks if k >= self._first]
        heapify(agenda)
        for id_ in range(self._size):
            self._schedule(id_, self._due_at(id_, self._first))
        while True:
            k = agenda[0] // slots if agenda else self._end
            if self._loss.seen < k and (loss := self._loss.before(k)) < k:
                self._visit(loss, [], ticks=True)
                continue
            if k >= self._end:
                return
            due: list[int] = []
            ticks, first_slot = False, k * slots
            while agenda and agenda[0] < first_slot + slots:
                id_ = heappop(agenda) - first_slot
                if id_ == self._size:
                    ticks = True
                elif following[id_] == k:
                    following[id_] = NEVER
                    due.append(id_)
            self._visit(k, due, ticks=ticks)

    def _schedule(self, id_: int, k: int) -> None:
        self._next[id_] = k
        if k < self._end:
            heappush(self._agenda, k * self._slots + id_)

    def _due_at(self, id_: int, k: int) -> int:
        """Return the first position from `k` on at which something can happen to an instrument."""
        panel = self._panel
        row = k if panel.is_whole else panel.first_row(id_, k)
        if row >= panel.sizes[id_]:
            return NEVER
        decides = self._has_deciders and self._deciders.has(id_)
        if decides or self._books[id_].orders or self._instruments[id_].symbol in self._wanted:
            return row if panel.is_whole else panel.k(id_, row)
        held = self._held[id_]
        wish = self._wishes[id_].next(row, (held > 0) - (held < 0))
        if held and self._mask[id_]:
            touched = self._touch(id_, row, min(wish + 1, panel.sizes[id_]))
            wish = wish if touched is None else touched
        return wish if panel.is_whole or wish == NEVER else panel.k(id_, wish)

    def _touch(self, id_: int, row: int, end: int) -> int | None:
        levels = self._desk.protection.levels(id_)
        assert levels is not None, f"{self._instruments[id_].symbol} has a guard without levels"
        units = self._instruments[id_].units
        guard = Guard(levels.is_long, *(None if level is None else units(level) for level in levels[1:]))
        return first_touch(self._panel.series[id_], guard, row, end)

    # ---- one position of the timeline

    def _visit(self, k: int, due: list[int], *, ticks: bool) -> None:
        self.visited += 1
        counter, books, mask, resends = self._counter, self._books, self._mask, self._counter.resends
        counter.k = k
        if k in self._days:
            self._begin_day(k)
        if self._funds.lent:
            self._judge_open(k)
        active = [id_ for id_ in due if books[id_].orders or mask[id_] or id_ in resends]
        if active:
            self._trade_bars(k, active)
        if self._job.every_bar:
            self._close(k, due)
        elif ticks or len(active) < len(due):  # without an order or a guard it is due for a wish at this close
            self._close_and_schedule(k, due)
        else:
            self._close_if_wanted(k, due)
        counter.moved.clear()
        if self.visited % SAID_EVERY == 0:
            self._say(k)

    def _trade_bars(self, k: int, active: list[int]) -> None:
        desk, inside, start = self._desk, self._inside, self._panel.start(k)
        if self._reversals.waiting:
            self._reversals.skip_to(start)
        desk.move_to(start)
        self._panel.mark_opens(k, desk.marks, start)
        for id_ in active:
            inside.open(id_, k)
        busy = [id_ for id_ in active if self._books[id_].orders or self._mask[id_]]
        if busy:
            desk.move_to(start + self._stamp)
            for id_ in busy:
                inside.walk(id_, k)

    def _close_if_wanted(self, k: int, due: list[int]) -> None:
        # What was due for its orders and guards alone needs the close only where they left something to it.
        is_needed = self._working or self._wanted or k >= self._off_k
        following = [] if is_needed else [self._due_at(id_, k) for id_ in due]
        if is_needed or k in following:
            self._close_and_schedule(k, due)
            return
        for id_, at in zip(due, following, strict=True):
            self._schedule(id_, at)

    def _close_and_schedule(self, k: int, due: list[int]) -> None:
        self._close(k, due)
        self._loss.seen = k + 1
        for id_ in self._counter.moved.union(due):
            self._schedule(id_, self._due_at(id_, k + 1))
        if (self._working or self._wanted) and k + 1 < self._end:
            # Who waits may have no bar at the next position, and the clock matters to it all the same.
            heappush(self._agenda, (k + 1) * self._slots + self._size)

    def _begin_day(self, k: int) -> None:
        desk, counter = self._desk, self._counter
        counter.begin_day(k)
        if k:
            self._panel.mark_closes(k - 1, desk.marks)
        start = self._panel.start(k)
        if self._reversals.waiting:
            self._reversals.skip_to(start)
        desk.move_to(start)
        self._counter.take(desk.apply(self._days[k]))
        self._off_k = self._offs[k]
        if self._job.resumes_daily and not self.ruined_at and desk.conditions.halts.standing:
            self._counter.take(desk.apply(Command(verb=Verb.RESUME, reason="another session", id=f"resume-{k}")))
        self._loss.begin_day()

    def _judge_open(self, k: int) -> None:
        desk, panel, counter, start = self._desk, self._panel, self._counter, self._panel.start(k)
        panel.mark_opens(k, desk.marks, start)
        if self.ruined_at or not self._funds.is_ruined(desk.marks):
            return
        if self._reversals.waiting:
            self._reversals.skip_to(start)
        desk.move_to(start)
        counter.in_bar = True
        self._ruin(start)
        for id_ in range(self._size):
            if self._books[id_].orders and (row := panel.row(id_, k)) is not None:
                counter.trade(id_, row, panel.opens[id_][row])
        counter.in_bar = False

    def _ruin(self, at: int) -> None:
        # The broker closes what there is at the first price it gets, and nothing is opened any more.
        if not self.ruined_at:
            self.ruined_at = at
            self._counter.take(
                self._desk.apply(Command(verb=Verb.FLATTEN, reason="the account is worth nothing", id="ruin"))
            )

    def _close(self, k: int, due: list[int]) -> None:
        desk, counter, panel = self._desk, self._counter, self._panel
        end, has_deciders = panel.begins[k] + self._interval, self._has_deciders
        panel.mark_closes(k, desk.marks)
        if outputs := desk.tick(end, end):
            counter.take(outputs)
        if self._funds.lent and self._funds.is_ruined(desk.marks):
            self._ruin(end)
        if self.ruined_at:
            return
        signals: list[Signal] = []
        for id_ in due:
            row = k if panel.is_whole else panel.row(id_, k)
            if row is None:
                continue
            wanted = self._wishes[id_].signals(row, end, panel.closed[id_][row] / self._scales[id_])
            self.fed += len(wanted)
            if has_deciders and self._deciders.has(id_):
                wanted = self._deciders.decide(id_, row, wanted, desk.blotter.position)
            signals += wanted
        if signals:
            counter.take(desk.decide(signals))
