"""Moves one instrument through one bar: open, adverse extreme, other extreme, close; with stops and limit orders."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.simulated_broker import SimulatedBroker
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument


class IntrabarModel:
    """Moves prices through bars. At a protective level the desk sends an exit, which meets the price of that level."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        desk: BacktestDesk,
        table: BarTable,
        broker: SimulatedBroker,
        held: list[int],
    ) -> None:
        self._instruments, self._desk, self._table, self._broker, self._held = (
            instruments,
            desk,
            table,
            broker,
            held,
        )
        # id -> whether its position has protective levels; a view, see `BarTable`.
        self.has_guard = desk.guards.mask.data
        # What happens inside a bar is stamped this many ns after its start: one second before its end.
        self.intrabar_offset_ns = table.interval_ns - SECOND if table.interval_ns >= 2 * SECOND else 0
        self._orders = [book.orders for book in broker.bar_books]
        self._seen = [0] * len(instruments)  # id -> the first row that its trailing stop has not seen

    def match_open(self, id_: int, k: int) -> None:
        """Match orders and protective levels of an instrument at the open of its bar at timeline index `k`."""
        row = self._row(id_, k)
        self.match_open_price(id_, row, self._table.open_views[id_][row])

    def match_open_price(self, id_: int, row: int, price: int) -> None:
        """Match orders and protective levels of an instrument at `price` (price units), the open of its bar `row`."""
        broker = self._broker
        broker.in_bar = True
        if broker.expired_exit_ids and id_ in broker.expired_exit_ids:
            broker.resend_exit(id_)
        broker.match_price(id_, row, price)
        if self._orders[id_]:  # an order that follows an exit meets the same price
            broker.match_price(id_, row, price)
        if self.has_guard[id_]:
            self._catch_up(id_, row)
            broker.carry_out_decisions(self._desk.check_stop_levels(id_, price))
            broker.match_price(id_, row, price)
        broker.in_bar = False

    def match_intrabar(self, id_: int, k: int) -> None:
        """Move the price of an instrument through its bar at index `k`; match orders and check levels on the way."""
        row, table, broker = self._row(id_, k), self._table, self._broker
        broker.in_bar = True
        opened, low, high = table.open_views[id_][row], table.low_views[id_][row], table.high_views[id_][row]
        at = opened
        # The adverse extreme first: the low for a long or flat position, the high for a short one.
        for to in (*((low, high) if self._held[id_] >= 0 else (high, low)), table.close_views[id_][row]):
            self._leg(id_, row, at, to)
            at = to
        # The desk marks this position for the other instruments' decisions. It gets the open, because the later prices
        # of the bar are not known yet when those are made.
        self._desk.marks.last[id_] = opened
        self._seen[id_] = row + 1
        broker.in_bar = False

    def _row(self, id_: int, k: int) -> int:
        row = self._table.row_at(id_, k)
        assert row is not None, f"{self._instruments[id_].symbol} is due at {k} and has no bar"
        return row

    def _catch_up(self, id_: int, row: int) -> None:
        """Give a trailing stop the best price of the bars skipped since the last one it saw."""
        series, seen = self._table.series[id_], self._seen[id_]
        levels = self._desk.guards.protective_levels(id_)
        if levels is None or levels.trail_by is None or levels.best is None or seen >= row:
            return
        units = int(series.high[seen:row].max() if levels.is_long else series.low[seen:row].min())
        best = self._instruments[id_].price_from_units(units)
        if best > levels.best if levels.is_long else best < levels.best:
            self._desk.guards.update_best(id_, best)

    def _leg(self, id_: int, row: int, at: int, to: int) -> None:
        """Move the price of an instrument from `at` to `to` inside a bar; act at each level and fill on the way."""
        broker, desk = self._broker, self._desk
        while True:
            level = self._level(id_, at, to)
            end = to if level is None else level
            filled = None
            if broker.bar_books[id_].orders and at != end:
                filled = broker.match_price_move(id_, row, start=at, end=end)
            at = end if filled is None else filled
            if self.has_guard[id_]:
                desk.marks.set_last_price(id_, at, desk.conditions.mono)
                broker.carry_out_decisions(desk.check_stop_levels(id_, at))
                broker.match_price(id_, row, at)
            if level is None and filled is None:
                return

    def _level(self, id_: int, at: int, to: int) -> int | None:
        """Return the first protective level that a move from `at` to `to` reaches, None when it reaches none."""
        levels = self._desk.guards.protective_levels(id_)
        if levels is None or self._instruments[id_].symbol in self._desk.exits.requested:
            return None
        # Multiplied by `sign` a short position looks like a long one: stops are below the price, the target is above.
        units = self._instruments[id_].price_to_units
        sign = 1 if levels.is_long else -1
        if (to - at) * sign < 0:
            below = [] if levels.stop is None else [units(levels.stop)]
            if levels.trail_by is not None and levels.best is not None:
                below.append(units(levels.best) - sign * units(levels.trail_by))
            reached = [level for level in below if (level - to) * sign >= 0]
            # The nearest level, but not above the price that the move starts from.
            return sign * min(max(level * sign for level in reached), at * sign) if reached else None
        if levels.target is not None and (units(levels.target) - to) * sign <= 0:
            return sign * max(units(levels.target) * sign, at * sign)
        return None
