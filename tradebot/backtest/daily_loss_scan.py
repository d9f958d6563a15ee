"""The daily-loss scan of skipped bars: the first close at which the day's loss may reach its limit, or ruin comes."""

from __future__ import annotations

import numpy as np

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.buying_power import BuyingPower
from tradebot.backtest.ledger import BacktestLedger
from tradebot.backtest.session_timetable import SessionTimetable

FLOAT_TOLERANCE = 1e-9  # relative error of a sum of floats; this close to the limit the desk decides exactly


class DailyLossScan:
    """Scans the closes between two visited bars, where the position `held_units` is constant.

    `scanned_to_k` is the first timeline index not scanned yet; the loop sets it behind each tick. Where the loss may
    exceed the limit the clock ticks, and the desk computes the loss exactly. Sums over instruments are floats; their
    possible error is added, so no breach is missed.
    """

    def __init__(
        self,
        desk: BacktestDesk,
        table: BarTable,
        ledger: BacktestLedger,
        funds: BuyingPower,
        timetable: SessionTimetable,
    ) -> None:
        self._funds = funds
        self._pnl, self._halts = desk.book.pnl, desk.conditions.halts
        self._table, self._ledger, self._held, self.scanned_to_k = table, ledger, ledger.held_units, timetable.first_k
        self._rule = desk.rules.daily_loss
        self._factors, self._factor = np.array(ledger.money_factors, dtype=np.int64), ledger.money_factors[0]
        # The extremes of each day's closes, because few days come near the limit. No scan reaches over a day's end.
        days = [day.first_k for day in timetable.days] if len(self._held) == 1 else []
        self._lows, self._highs = table.close_extremes(days)
        self._day = timetable.days_begun - 2  # the loop itself begins the day that it starts in
        self._set_thresholds()

    def start_day(self) -> None:
        """Measure the loss from here: the desk began another day."""
        self._set_thresholds()
        self._day += 1

    def _lost(self) -> int | None:
        # The profit, in money units, at which the desk acts next.
        loss = self._rule.next_threshold
        if loss is None:
            return None
        return self._lost_limit if loss is self._rule.loss_limit else self._lost_close

    def _set_thresholds(self) -> None:
        # A little above the limit is near enough: there the desk decides exactly.
        end, base = self._rule, self._pnl.day_base_profit
        self._lost_limit, self._lost_close = (
            int((base - loss).scaleb(self._ledger.money_decimals)) + 2 for loss in (end.loss_limit, end.close_threshold)
        )

    def first_breach(self, k: int) -> int:
        """Return the first index before `k` at which the day's loss may reach its limit or the account be ruined.

        Returns `k` without such an index. An account is ruined when it is worth nothing, at an open or at a close.
        """
        begin = self.scanned_to_k
        if begin >= k:
            return k
        self.scanned_to_k = k
        if self._funds.leveraged_count:
            return self._first_leveraged_breach(begin, k)
        lost = self._lost_limit if self._halts.is_empty else self._lost()
        if lost is None:
            return k
        # The value of the positions at which the day's profit is `lost`: they must be worth more.
        floor, held = lost - self._ledger.cash_flow, self._held
        if len(held) == 1:
            quantity = held[0] * self._factor
            if not quantity:
                return k if floor < 0 else begin
            # The day's extreme close does not breach, so no close of the day does.
            worst = self._lows if quantity > 0 else self._highs
            if quantity * worst[self._day] > floor:
                return k
        quantities = (np.array(held) * self._factors).astype(np.float64)
        # Without a position the loss is constant: it breaches at once or not at all.
        if not quantities.any():
            return begin if floor >= 0 else k
        near = floor + FLOAT_TOLERANCE * (abs(floor) + 1.0)
        while begin < k:
            is_low = self._table.closes_between(begin, k) @ quantities <= near
            place = int(is_low.argmax())
            if is_low[place]:
                return begin + place
            begin += len(is_low)
        return k

    # For an account with positions that are short or not paid in full: only such an account can be ruined.
    def _first_leveraged_breach(self, begin: int, k: int) -> int:
        quantities = (np.array(self._held) * self._factors).astype(np.float64)
        owed = self._funds.ruin_value
        lost = self._lost()
        floor = owed if lost is None else max(owed, lost - self._ledger.cash_flow)
        nothing, near = (level + FLOAT_TOLERANCE * (abs(level) + 1.0) for level in (owed, floor))
        while begin < k:
            closes, opens = self._table.closes_between(begin, k), self._table.opens_between(begin, k)
            is_low = (closes @ quantities <= near) | (opens @ quantities <= nothing)
            place = int(is_low.argmax())
            if is_low[place]:
                return begin + place
            begin += len(is_low)
        return k
