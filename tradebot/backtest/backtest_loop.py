"""The backtest loop: runs one account through the bars in which something can happen.

At every visited index `k` of the timeline this happens, in this order:

1. the session begins, if this is its first bar;
2. orders are matched at the opens;
3. protective levels (stop, trailing stop, target) and limit orders meet the prices inside the bars;
4. the clock ticks at the end of the bars, and the signals of that close go to the desk.

Instruments go by their number. A bar is skipped only if it changes nothing. A flat instrument waits for an entry
signal. A held one waits for an exit signal or for a price that reaches a protective level. An instrument with a working
order is visited bar by bar. Where the day's loss could reach its limit, the clock ticks.
"""

from __future__ import annotations

from collections.abc import Callable

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.buying_power import BuyingPower
from tradebot.backtest.daily_loss_scan import DailyLossScan
from tradebot.backtest.intrabar_model import IntrabarModel
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import BacktestLedger
from tradebot.backtest.next_event import NextEventFinder
from tradebot.backtest.order_expiry import OrderExpiries
from tradebot.backtest.order_lifetimes import OrderLifetimes
from tradebot.backtest.schedule import Schedule
from tradebot.backtest.session_timetable import NEVER, SessionTimetable
from tradebot.backtest.signal_source import SignalSource
from tradebot.backtest.simulated_broker import SimulatedBroker
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Command, Signal

PROGRESS_EVERY = 4_096  # visited indexes between two reports of progress


class BacktestLoop:
    """One account's run from `timetable.first_k` on; `on_progress` is sometimes called with the index reached."""

    def __init__(
        self,
        job: Job,
        *,
        desk: BacktestDesk,
        table: BarTable,
        strategies: SignalSource,
        ledger: BacktestLedger,
        funds: BuyingPower,
        timetable: SessionTimetable,
        on_progress: Callable[[int], None],
    ) -> None:
        self._job, self._desk, self._table, self._strategies = job, desk, table, strategies
        self._funds, self._timetable, self._on_progress = funds, timetable, on_progress
        lifetimes = OrderLifetimes(job, desk.conditions, table, OrderExpiries(job, table.starts, timetable.days))
        self._broker = SimulatedBroker(job, desk, table, ledger, funds, lifetimes)
        self._intrabar = IntrabarModel(job.instruments, desk, table, self._broker, ledger.held_units)
        self._next_event = NextEventFinder(job, desk, table, strategies, self._broker, ledger.held_units)
        self._loss = DailyLossScan(desk, table, ledger, funds, timetable)
        self._schedule = Schedule(len(job.instruments), len(table), timetable.tick_ks)
        self._square_off_k = NEVER  # from this close of the day on, a tick squares off what a late order opened
        self.ruined_at = 0  # market ns at which the account was worth nothing; 0 while it is worth something
        self.visited_count = 0

    @property
    def event_counts(self) -> dict[str, int]:
        """Return the counts of unusual order events, and of visited indexes; see `Result.counts`."""
        return self._broker.counts | {"visited": self.visited_count}

    def run_to_end(self) -> None:
        """Run to the end of the timeline."""
        if self._job.every_bar:
            table = self._table
            for k in range(self._timetable.first_k, len(table)):
                self._visit(
                    k, [id_ for id_ in range(len(table.series)) if table.row_at(id_, k) is not None], ticks=True
                )
        else:
            self._run_sparse()
        self._broker.record_open_states()

    def _run_sparse(self) -> None:
        schedule, loss = self._schedule, self._loss
        for id_ in range(len(self._table.series)):
            schedule.set_due(id_, self._next_event.next_event_k(id_, self._timetable.first_k))
        while True:
            k = schedule.next_k
            # A breach of the day's loss before the next entry is visited first, with a clock tick alone.
            if loss.scanned_to_k < k and (breach_k := loss.first_breach(k)) < k:
                self._visit(breach_k, [], ticks=True)
                continue
            if k >= schedule.end_k:
                return
            due, ticks = schedule.pop_entries(k)
            self._visit(k, due, ticks=ticks)

    # ---- one index of the timeline

    def _visit(self, k: int, due: list[int], *, ticks: bool) -> None:
        self.visited_count += 1
        broker, mask = self._broker, self._intrabar.has_guard
        books, resends = broker.bar_books, broker.expired_exit_ids
        broker.current_k = k
        if k in self._timetable.sessions:
            self._begin_day(k)
        if self._funds.leveraged_count:
            self._check_ruin_at_open(k)
        # Active instruments can trade in this bar: they have an order, a protective level or an exit to send again.
        active = [id_ for id_ in due if books[id_].orders or mask[id_] or id_ in resends]
        if active:
            self._trade_bars(k, active)
        if self._job.every_bar:
            self._close(k, due)
        elif ticks or len(active) < len(due):  # an instrument that is not active is due for a signal at this close
            self._close_and_schedule(k, due)
        else:
            self._close_if_wanted(k, due)
        broker.changed_ids.clear()
        if self.visited_count % PROGRESS_EVERY == 0:
            self._on_progress(k)

    def _trade_bars(self, k: int, active: list[int]) -> None:
        desk, intrabar, start = self._desk, self._intrabar, self._table.start_of(k)
        if desk.entries.waiting:
            desk.entries.skip_time_to(start)
        desk.set_time(start)
        self._table.mark_opens(k, desk.marks, start)
        for id_ in active:
            intrabar.match_open(id_, k)
        # Orders may have filled and levels been reached at the open, so not every active instrument goes on.
        books, mask = self._broker.bar_books, intrabar.has_guard
        busy = [id_ for id_ in active if books[id_].orders or mask[id_]]
        if busy:
            desk.set_time(start + intrabar.intrabar_offset_ns)
            for id_ in busy:
                intrabar.match_intrabar(id_, k)

    def _close_if_wanted(self, k: int, due: list[int]) -> None:
        # Every due instrument was due for an order or a protective level. The close matters only if one of them left
        # something to do there: otherwise the next events are looked up and the close is skipped.
        is_needed = self._is_waiting or k >= self._square_off_k
        following = [] if is_needed else [self._next_event.next_event_k(id_, k) for id_ in due]
        if is_needed or k in following:
            self._close_and_schedule(k, due)
            return
        for id_, at in zip(due, following, strict=True):
            self._schedule.set_due(id_, at)

    def _close_and_schedule(self, k: int, due: list[int]) -> None:
        self._close(k, due)
        self._loss.scanned_to_k = k + 1
        for id_ in self._broker.changed_ids.union(due):
            self._schedule.set_due(id_, self._next_event.next_event_k(id_, k + 1))
        if self._is_waiting:
            # The instrument of a waiting order or exit may have no bar at the next index, but still needs the clock
            # there.
            self._schedule.add_tick(k + 1)

    @property
    def _is_waiting(self) -> bool:
        # A working order, or an exit that is requested, keeps the clock ticking.
        return bool(self._broker.open_orders or self._desk.exits.requested)

    def _begin_day(self, k: int) -> None:
        desk, broker = self._desk, self._broker
        broker.expire_orders(k)
        if k:
            self._table.mark_closes(k - 1, desk.marks)
        start = self._table.start_of(k)
        if desk.entries.waiting:
            desk.entries.skip_time_to(start)
        desk.set_time(start)
        self._broker.carry_out_decisions(desk.apply_message(self._timetable.sessions[k]))
        self._square_off_k = self._timetable.square_offs[k]
        if self._job.resumes_daily and not self.ruined_at and desk.conditions.halts.active_commands:
            self._broker.carry_out_decisions(
                desk.apply_message(Command(verb=CommandVerb.RESUME, reason="another session", id=f"resume-{k}"))
            )
        self._loss.start_day()

    def _check_ruin_at_open(self, k: int) -> None:
        # A gap at the open can ruin an account with borrowed money or short positions before anything trades.
        desk, table, broker, start = self._desk, self._table, self._broker, self._table.start_of(k)
        table.mark_opens(k, desk.marks, start)
        if self.ruined_at or not self._funds.is_ruined(desk.marks):
            return
        if desk.entries.waiting:
            desk.entries.skip_time_to(start)
        desk.set_time(start)
        broker.in_bar = True
        self._ruin(start)
        for id_, book in enumerate(broker.bar_books):
            if book.orders and (row := table.row_at(id_, k)) is not None:
                broker.match_price(id_, row, table.open_views[id_][row])
        broker.in_bar = False

    def _ruin(self, at: int) -> None:
        # The broker closes everything at the first price it gets, and nothing is opened after that.
        if not self.ruined_at:
            self.ruined_at = at
            self._broker.carry_out_decisions(
                self._desk.apply_message(
                    Command(verb=CommandVerb.FLATTEN, reason="the account is worth nothing", id="ruin")
                )
            )

    def _close(self, k: int, due: list[int]) -> None:
        desk, broker, table = self._desk, self._broker, self._table
        end, strategies = table.start_view[k] + table.interval_ns, self._strategies
        table.mark_closes(k, desk.marks)
        if outputs := desk.apply_tick(end):
            broker.carry_out_decisions(outputs)
        # Only an account with borrowed money or short positions can be ruined.
        if self._funds.leveraged_count and self._funds.is_ruined(desk.marks):
            self._ruin(end)
        if self.ruined_at:
            return
        signals: list[Signal] = []
        for id_ in due:
            row = k if table.is_aligned else table.row_at(id_, k)
            if row is None:
                continue
            signals += strategies.signals_at(id_, row, end, table.close_views[id_][row])
        if signals:
            broker.carry_out_decisions(desk.act_on_signals(signals))
