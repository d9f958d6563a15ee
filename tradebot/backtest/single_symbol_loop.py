"""The backtest loop for one instrument. It does at each bar what `BacktestLoop` does, and needs no schedule.

It runs every trial of a sweep over one symbol, and every account of one symbol.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.backtest.backtest_loop import PROGRESS_EVERY, BacktestLoop


class SingleSymbolLoop(BacktestLoop):
    """Visits the bars at which the instrument is due, and in between those at which only the clock ticks."""

    def run_to_end(self) -> None:
        """Run to the end of the timeline."""
        broker, loss, funds, changed = self._broker, self._loss, self._funds, self._broker.changed_ids
        desk, table, intrabar, reversals = self._desk, self._table, self._intrabar, self._desk.entries
        orders, mask, working, exits = (
            broker.bar_books[0].orders,
            intrabar.has_guard,
            broker.open_orders,
            desk.exits.requested,
        )
        marks, starts, opens, due_at = desk.marks, table.start_view, table.open_views[0], self._next_event.next_event_k
        self._due = due_at(0, self._timetable.first_k)
        for k, is_due, ticks, trades in self._visits():
            broker.current_k = k
            changed.clear()
            if ticks or funds.leveraged_count:
                trades = self._begin(k, ticks, trades)
            if trades:
                start, open_ = starts[k], opens[k]
                if reversals.waiting:
                    reversals.skip_time_to(start)
                marks.set_last_price(0, open_, start)
                desk.set_time(start)
                intrabar.match_open_price(0, k, open_)
                if orders or mask[0]:
                    desk.set_time(start + intrabar.intrabar_offset_ns)
                    intrabar.match_intrabar(0, k)
                ticks = ticks or k >= self._square_off_k
                # As in `_close_if_wanted`: without anything to do at the close, and without a signal, it is skipped.
                if not (ticks or working or exits):
                    self._due = due = due_at(0, k)
                    if due != k:
                        continue
                    # The fills of this bar may have changed the position, so its own close is scanned only now.
                    ticks = loss.first_breach(k + 1) == k
            self._end_bar(k, is_due, ticks or working or exits)
        broker.record_open_states()

    def _visits(self) -> Iterator[tuple[int, bool, bool, object]]:
        # Yields each `k` to visit, and three answers: is the instrument due, does the clock tick, can anything trade in
        # its bar. The last one is True or a container that is not empty.
        loss, orders, mask, end = (
            self._loss,
            self._broker.bar_books[0].orders,
            self._intrabar.has_guard,
            len(self._table),
        )
        clock = [*sorted(k for k in self._timetable.tick_ks if k < end), end]
        place = visited = 0
        while True:
            due, tick = self._due, clock[place]
            k = due if due < tick else tick
            is_due, ticks = due == k, tick == k
            trades = is_due and (orders or mask[0])
            # If nothing can trade in this bar, the position at its close is known, so its close is scanned as well.
            scan_end = k if trades or k == end else k + 1
            breach_k = loss.first_breach(scan_end) if loss.scanned_to_k < scan_end else scan_end
            if breach_k < k:
                k, is_due, ticks, trades = breach_k, False, True, False
            elif k == end:
                break
            else:
                place += ticks
                ticks |= breach_k < scan_end
            visited += 1
            if not visited % PROGRESS_EVERY:
                self._on_progress(k)
            yield k, is_due, ticks, trades
        self.visited_count = visited

    def _begin(self, k: int, ticks: bool, trades: object) -> object:
        if ticks and k in self._timetable.sessions:
            self._begin_day(k)
            trades = trades or len(self._broker.expired_exit_ids)
        if self._funds.leveraged_count:
            self._check_ruin_at_open(k)
        return trades

    def _end_bar(self, k: int, is_due: bool, ticks: object) -> None:
        desk, table, broker = self._desk, self._table, self._broker
        at, close = table.start_view[k] + table.interval_ns, table.close_views[0][k]
        desk.marks.set_last_price(0, close, at)
        desk.set_time(at)
        if ticks and (outputs := desk.apply_tick(at)):
            broker.carry_out_decisions(outputs)
        if self._funds.leveraged_count and self._funds.is_ruined(desk.marks):
            self._ruin(at)
        if is_due and not self.ruined_at:
            signals = self._strategies.signals_at(0, k, at, close)
            if signals:
                broker.carry_out_decisions(desk.act_on_signals(signals))
        self._loss.scanned_to_k = k + 1
        # A clock tick alone does not change the due bar. A new search would begin here, but a trailing stop's best
        # price is older: the search would leave out the bars in between.
        if is_due or broker.changed_ids:
            self._due = self._next_event.next_event_k(0, k + 1)
