"""How long an order of a backtest is at the exchange: the first bar that it can meet, and when it expires."""

from __future__ import annotations

from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.job import Job
from tradebot.backtest.order_expiry import OrderExpiries
from tradebot.backtest.session_timetable import NEVER
from tradebot.trading.desk.book.conditions import Conditions


class OrderLifetimes:
    """Finds the lifetimes of orders. Call `set_day` as each day begins.

    `has_latency` says that orders take time to reach the exchange.
    """

    def __init__(self, job: Job, conditions: Conditions, table: BarTable, validities: OrderExpiries) -> None:
        self._instruments, self._conditions, self._table = job.instruments, conditions, table
        self._validities, self._validity = validities, validities.expiry_of(0)  # of the current day
        self._latency_bars, self._latency_ns = job.matching.latency_bars, job.matching.latency_ns
        self.has_latency = not job.matching.is_immediate
        self._is_plain = table.is_aligned and not self.has_latency  # the next bar is at the next index

    def set_day(self, k: int) -> None:
        """Set the day to the one that begins with the bar at timeline index `k`."""
        self._validity = self._validities.expiry_of(k)

    def lifetime_of(self, id_: int, k: int, *, in_bar: bool) -> tuple[int, int]:
        """Return the first row that an order can meet, and the timeline index at which it expires.

        The order is decided at the close of the bar at timeline index `k`, or inside that bar if `in_bar`.
        """
        inside = self._validity.inside_k
        from_row = (k if in_bar else k + 1) if self._is_plain else self._from_row(id_, k, in_bar=in_bar)
        # The usual case, without a look at the instrument's closing time.
        if not self.has_latency and (in_bar or k + 1 < inside):
            return from_row, inside
        return from_row, self._lapses_k(id_, k, from_row, in_bar=in_bar)

    def _from_row(self, id_: int, k: int, *, in_bar: bool) -> int:
        after = k + 1 if self._table.is_aligned else self._table.first_row(id_, k + 1)
        if not self.has_latency:
            return after - 1 if in_bar else after
        # An order decided inside a bar is one bar ahead of an order decided at its close.
        row = after + self._latency_bars - (1 if in_bar and self._latency_bars else 0)
        if self._latency_ns:
            reach = self._conditions.now + self._latency_ns
            row = max(row, self._table.row_after(id_, reach) + self._latency_bars)
        return row

    def _lapses_k(self, id_: int, k: int, from_row: int, *, in_bar: bool) -> int:
        # With latency an order counts as decided at the close before the first bar that it can meet.
        validity = self._validity
        if self.has_latency and from_row < self._table.row_counts[id_]:
            k, in_bar = self._table.timeline_index(id_, from_row) - 1, False
            validity = self._validities.expiry_of(k)
        if in_bar or k + 1 < validity.inside_k:
            return validity.inside_k
        closes_at = self._conditions.times.closes_at(self._instruments[id_].symbol)
        is_last = closes_at == NEVER or self._table.start_view[k] + self._table.interval_ns >= closes_at
        return validity.last_close_k if is_last else validity.inside_k
