"""The walk of one instrument: nobody is beside it, so it needs no schedule; what it does at a position is the walk's.

An account of its own for each of many symbols, and every trial of a sweep over one, goes this way.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.backtest.walk import SAID_EVERY, Walk


class Alone(Walk):
    """Walks from what the instrument waits for to the next; the clock's own positions come in between."""

    def run(self) -> None:
        """Walk to the end of the timeline."""
        counter, loss, funds, moved = self._counter, self._loss, self._funds, self._counter.moved
        desk, panel, inside, reversals = self._desk, self._panel, self._inside, self._desk.entries
        orders, mask, working, wanted = counter.books[0].orders, inside.mask, counter.placed, desk.exits.wanted
        marks, begins, opens, due_at = desk.marks, panel.begins, panel.opens[0], self._outlook.due_at
        self._due = due_at(0, self._timetable.first)
        for k, is_due, ticks, trades in self._positions():
            counter.k = k
            moved.clear()
            if ticks or funds.lent:
                trades = self._begin(k, ticks, trades)
            if trades:
                begun, opened = begins[k], opens[k]
                if reversals.waiting:
                    reversals.skip_to(begun)
                marks.set(0, opened, begun)
                desk.move_to(begun)
                inside.meet(0, k, opened)
                if orders or mask[0]:
                    desk.move_to(begun + inside.stamp)
                    inside.walk(0, k)
                ticks = ticks or k >= self._square_off_k
                if not (ticks or working or wanted):
                    self._due = due = due_at(0, k)
                    if due != k:
                        continue
                    ticks = loss.before(k + 1) == k
            self._end_bar(k, is_due, ticks or working or wanted)
        counter.states()

    def _positions(self) -> Iterator[tuple[int, bool, bool, object]]:
        # Each `k` to walk: whether the instrument waits for it, whether the clock ticks, and what trades in its bar.
        loss, orders, mask, end = self._loss, self._counter.books[0].orders, self._inside.mask, len(self._panel)
        clock = [*sorted(k for k in self._timetable.ticks if k < end), end]
        place = visited = 0
        while True:
            due, tick = self._due, clock[place]
            k = due if due < tick else tick
            is_due, ticks = due == k, tick == k
            trades = is_due and (orders or mask[0])
            # Where nothing trades before it the loss at this close is known already.
            to = k if trades or k == end else k + 1
            lost = loss.before(to) if loss.seen < to else to
            if lost < k:
                k, is_due, ticks, trades = lost, False, True, False
            elif k == end:
                break
            else:
                place += ticks
                ticks |= lost < to
            visited += 1
            if not visited % SAID_EVERY:
                self._say(k)
            yield k, is_due, ticks, trades
        self.visited = visited

    def _begin(self, k: int, ticks: bool, trades: object) -> object:
        if ticks and k in self._timetable.sessions:
            self._begin_day(k)
            trades = trades or len(self._counter.resends)
        if self._funds.lent:
            self._judge_open(k)
        return trades

    def _end_bar(self, k: int, is_due: bool, ticks: object) -> None:
        desk, panel, counter = self._desk, self._panel, self._counter
        at, close = panel.begins[k] + panel.interval, panel.closed[0][k]
        desk.marks.set(0, close, at)
        desk.move_to(at)
        if ticks and (outputs := desk.tick(at)):
            counter.take(outputs)
        if self._funds.lent and self._funds.is_ruined(desk.marks):
            self._ruin(at)
        if is_due and not self.ruined_at:
            signals = self._strategies.signals(0, k, at, close)
            if signals:
                counter.take(desk.decide(signals))
        self._loss.seen = k + 1
        if is_due or counter.moved:  # a clock alone leaves it waiting, for what its guard sees on the way there
            self._due = self._outlook.due_at(0, k + 1)
