"""The walk of one instrument: nobody is beside it, so it needs no agenda; what it does at a position is the walk's.

An account of its own for each of many symbols, and every trial of a sweep over one, goes this way.
"""

from __future__ import annotations

from tradebot.backtest.walk import SAID_EVERY, Walk


class Alone(Walk):
    """Walks from what the instrument waits for to the next; the clock's own positions come in between."""

    def run(self) -> None:
        """Walk to the end of the timeline."""
        counter, desk, loss, inside, wishes = self._counter, self._desk, self._loss, self._inside, self._wishes[0]
        orders, working, wanted, moved = self._books[0].orders, self._working, self._wanted, counter.moved
        panel, marks, mask, interval, end = self._panel, desk.marks, self._mask, self._interval, self._end
        begins, opens, closes = panel.begins, panel.opens[0], panel.closed[0]
        scale, decides, reversals, funds = self._scales[0], self._has_deciders, self._reversals, self._funds
        clock = [*sorted(k for k in self._clock_ks if self._first <= k < end), end]
        place, due, visited, fed = 0, self._due_at(0, self._first), 0, 0
        while True:
            tick = clock[place]
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
            counter.k = k
            moved.clear()
            if ticks and k in self._days:
                self._begin_day(k)
                trades = trades or len(counter.resends)
            if funds.lent:
                self._judge_open(k)
            begun = begins[k]
            if trades:
                opened = opens[k]
                if reversals.waiting:
                    reversals.skip_to(begun)
                marks.set(0, opened, begun)
                desk.move_to(begun)
                inside.meet(0, k, opened)
                if orders or mask[0]:
                    desk.move_to(begun + self._stamp)
                    inside.walk(0, k)
                ticks = ticks or k >= self._off_k
                if not (ticks or working or wanted):
                    due = self._due_at(0, k)
                    if due != k:
                        continue
                    ticks = loss.before(k + 1) == k
            at, close = begun + interval, closes[k]
            marks.set(0, close, at)
            desk.move_to(at)
            if (ticks or working or wanted) and (outputs := desk.tick(at, at)):
                counter.take(outputs)
            if funds.lent and funds.is_ruined(marks):
                self._ruin(at)
            if is_due and not self.ruined_at:
                signals = wishes.signals(k, at, close / scale)
                fed += len(signals)
                if decides and self._deciders.has(0):
                    signals = self._deciders.decide(0, k, signals, desk.blotter.position)
                if signals:
                    counter.take(desk.decide(signals))
            loss.saw(k)
            if is_due or moved:  # a clock alone leaves it waiting, for what its guard sees on the way there
                due = self._due_at(0, k + 1)
        counter.states()
        self.visited, self.fed = visited, fed

    def _due_at(self, id_: int, k: int) -> int:
        if k >= self._end:
            return self._end
        if self._books[0].orders or self._wanted or (self._has_deciders and self._deciders.has(0)):
            return k
        held = self._held[0]
        wish = self._wishes[0].next(k, sign=(held > 0) - (held < 0))
        if held and self._mask[0]:
            touched = self._touch(0, k, min(wish + 1, self._end))
            wish = wish if touched is None else touched
        return wish if wish < self._end else self._end
