"""The watch over the day's loss where no bar is walked: the first close at which it may reach its limit."""

from __future__ import annotations

import numpy as np

from tradebot.backtest.hours import Day
from tradebot.backtest.job import Job
from tradebot.backtest.panel import Panel
from tradebot.stages.desk import Desk

DOUBT = 1e-9  # relative error that a sum of floats may have; nearer to the limit than this the desk decides


class LossWatch:
    """Looks at the closes between two walked positions, with what is `held` between them, which is constant.

    `seen` is the first position of the timeline that was not looked at. Sums are floats with their doubt added: what
    may be a loss beyond the limit makes the clock tick there, and the desk works it out exactly.
    """

    def __init__(self, job: Job, desk: Desk, panel: Panel, held: list[int], days: list[Day], first: int) -> None:
        self._desk, self._panel, self._held, self.seen = desk, panel, held, first
        self._limit = job.desk.max_daily_loss
        self._units = [10.0 ** -(i.price_decimals + i.quantity_decimals) for i in job.instruments]
        self._of = -1  # the number of fills that `_floor` holds for
        self._floor = 0.0
        # The extremes of each day's closes: hardly a day comes near its limit. The gaps never reach over a day's end.
        self._lows, self._highs = panel.extremes([day.k for day in days]) if len(held) == 1 else ([], [])
        self._day = sum(day.k <= first for day in days) - 2  # the walk begins the day it starts in

    def begin_day(self) -> None:
        """Count the loss from here: the desk began another day."""
        self._of = -1
        self._day += 1

    def _worked_out(self) -> float:
        """Return what the open positions are worth, each quantity times its price, when the day has lost its limit."""
        blotter, lost = self._desk.blotter, self._limit - self._desk.worth.base
        floor = float(blotter.charges - blotter.realized - lost)
        for position in blotter.open.values():
            floor += float(position.cost)
        return floor + DOUBT * (abs(floor) + abs(float(lost)) + 1.0)

    def saw(self, k: int) -> None:
        """Note that the clock ticked at `k`."""
        self.seen = max(self.seen, k + 1)

    def before(self, k: int) -> int:
        """Return the first position before `k` at which the day's loss may reach its limit; `k` for none."""
        desk, begin = self._desk, self.seen
        self.seen = max(begin, k)
        if begin >= k or desk.conditions.halted:
            return k
        if self._of != desk.blotter.fills:
            self._of, self._floor = desk.blotter.fills, self._worked_out()
        floor, held = self._floor, self._held
        if len(held) == 1:
            quantity = held[0] * self._units[0]
            if not quantity:
                return k if floor < 0 else begin
            worst = self._lows if quantity > 0 else self._highs
            if quantity * worst[self._day] > floor:
                return k
        quantities = np.array(held) * self._units
        if not quantities.any():
            return begin if floor >= 0 else k
        while begin < k:
            is_low = self._panel.closes(begin, k) @ quantities <= floor
            place = int(is_low.argmax())
            if is_low[place]:
                return begin + place
            begin += len(is_low)
        return k
