"""The walk: one account through the bars in which something can happen; the desk decides, the counter fills.

At every position `k` of the timeline that is walked, in this order: the session begins if it is its first bar; orders
meet the opens; guards and limits meet what happens inside the bars; the clock ticks at the bars' end and the wishes of
that close become signals. Instruments go by their number. What is left out would have changed nothing: an instrument
that is flat waits for an entry, one that is held for an exit or a price that touches its guard, one with an order at
work is walked bar by bar; and where the day's loss could reach its limit, the clock ticks.
"""

from __future__ import annotations

from collections.abc import Callable

from tradebot.backtest.counter import Counter
from tradebot.backtest.fast_desk import FastDesk
from tradebot.backtest.funds import Funds
from tradebot.backtest.hours import NEVER, Timetable
from tradebot.backtest.inside import Inside
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import Ledger
from tradebot.backtest.loss import LossWatch
from tradebot.backtest.order_spans import OrderSpans
from tradebot.backtest.outlook import Outlook
from tradebot.backtest.panel import Panel
from tradebot.backtest.schedule import Schedule
from tradebot.backtest.strategies import Strategies
from tradebot.backtest.validity import Validities
from tradebot.domain.control import Verb
from tradebot.domain.messages import Command, Signal

SAID_EVERY = 4_096  # positions walked between two words on how far it is


class Walk:
    """One account's walk from `timetable.first` on; `say` is told the `k` it has come to now and then."""

    def __init__(
        self,
        job: Job,
        *,
        desk: FastDesk,
        panel: Panel,
        strategies: Strategies,
        ledger: Ledger,
        funds: Funds,
        timetable: Timetable,
        say: Callable[[int], None],
    ) -> None:
        self._job, self._desk, self._panel, self._strategies = job, desk, panel, strategies
        self._funds, self._timetable, self._say = funds, timetable, say
        spans = OrderSpans(job, desk.conditions, panel, Validities(job, panel.starts, timetable.days))
        self._counter = Counter(job, desk, panel, ledger, funds, spans)
        self._inside = Inside(job.instruments, desk, panel, self._counter, ledger.held)
        self._outlook = Outlook(job, desk, panel, strategies, self._counter, ledger.held)
        self._loss = LossWatch(desk, panel, ledger, funds, timetable)
        self._schedule = Schedule(len(job.instruments), len(panel), timetable.ticks)
        self._square_off_k = NEVER  # of this day: from its close on the clock closes what an order opened late
        self.ruined_at = 0  # market ns at which the account was worth nothing
        self.visited = 0

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of orders beside fills, and how many positions were visited; see `Result`."""
        return self._counter.counts | {"visited": self.visited}

    def run(self) -> None:
        """Walk to the end of the timeline."""
        if self._job.every_bar:
            panel = self._panel
            for k in range(self._timetable.first, len(panel)):
                self._visit(k, [id_ for id_ in range(len(panel.series)) if panel.row(id_, k) is not None], ticks=True)
        else:
            self._run_sparse()
        self._counter.states()

    def _run_sparse(self) -> None:
        schedule, loss = self._schedule, self._loss
        for id_ in range(len(self._panel.series)):
            schedule.put(id_, self._outlook.due_at(id_, self._timetable.first))
        while True:
            k = schedule.next_k
            if loss.seen < k and (lost := loss.before(k)) < k:
                self._visit(lost, [], ticks=True)
                continue
            if k >= schedule.end:
                return
            due, ticks = schedule.take(k)
            self._visit(k, due, ticks=ticks)

    # ---- one position of the timeline

    def _visit(self, k: int, due: list[int], *, ticks: bool) -> None:
        self.visited += 1
        counter, mask = self._counter, self._inside.mask
        books, resends = counter.books, counter.resends
        counter.k = k
        if k in self._timetable.sessions:
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
        if desk.entries.waiting:
            desk.entries.skip_to(start)
        desk.move_to(start)
        self._panel.mark_opens(k, desk.marks, start)
        for id_ in active:
            inside.open(id_, k)
        books, mask = self._counter.books, inside.mask
        busy = [id_ for id_ in active if books[id_].orders or mask[id_]]
        if busy:
            desk.move_to(start + inside.stamp)
            for id_ in busy:
                inside.walk(id_, k)

    def _close_if_wanted(self, k: int, due: list[int]) -> None:
        # What was due for its orders and guards alone needs the close only where they left something to it.
        is_needed = self._is_waiting or k >= self._square_off_k
        following = [] if is_needed else [self._outlook.due_at(id_, k) for id_ in due]
        if is_needed or k in following:
            self._close_and_schedule(k, due)
            return
        for id_, at in zip(due, following, strict=True):
            self._schedule.put(id_, at)

    def _close_and_schedule(self, k: int, due: list[int]) -> None:
        self._close(k, due)
        self._loss.seen = k + 1
        for id_ in self._counter.moved.union(due):
            self._schedule.put(id_, self._outlook.due_at(id_, k + 1))
        if self._is_waiting:
            # What waits may have no bar at the next position, and the clock matters to it all the same.
            self._schedule.tick(k + 1)

    @property
    def _is_waiting(self) -> bool:
        # An order that works, or an exit that is to be sent, keeps the clock going.
        return bool(self._counter.placed or self._desk.exits.wanted)

    def _begin_day(self, k: int) -> None:
        desk, counter = self._desk, self._counter
        counter.begin_day(k)
        if k:
            self._panel.mark_closes(k - 1, desk.marks)
        start = self._panel.start(k)
        if desk.entries.waiting:
            desk.entries.skip_to(start)
        desk.move_to(start)
        self._counter.take(desk.apply(self._timetable.sessions[k]))
        self._square_off_k = self._timetable.square_offs[k]
        if self._job.resumes_daily and not self.ruined_at and desk.conditions.halts.standing:
            self._counter.take(desk.apply(Command(verb=Verb.RESUME, reason="another session", id=f"resume-{k}")))
        self._loss.begin_day()

    def _judge_open(self, k: int) -> None:
        desk, panel, counter, start = self._desk, self._panel, self._counter, self._panel.start(k)
        panel.mark_opens(k, desk.marks, start)
        if self.ruined_at or not self._funds.is_ruined(desk.marks):
            return
        if desk.entries.waiting:
            desk.entries.skip_to(start)
        desk.move_to(start)
        counter.in_bar = True
        self._ruin(start)
        for id_, book in enumerate(counter.books):
            if book.orders and (row := panel.row(id_, k)) is not None:
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
        end, strategies = panel.begins[k] + panel.interval, self._strategies
        panel.mark_closes(k, desk.marks)
        if outputs := desk.tick(end):
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
            signals += strategies.signals(id_, row, end, panel.closed[id_][row])
        if signals:
            counter.take(desk.decide(signals))
