"""What an instrument waits for: the first timeline index at which something can happen to it."""

from __future__ import annotations

from tradebot.backtest.backtest_desk import BacktestDesk
from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.job import Job
from tradebot.backtest.level_touch import UnitLevels, first_touch
from tradebot.backtest.signal_index import NEVER
from tradebot.backtest.signal_source import SignalSource
from tradebot.backtest.simulated_broker import SimulatedBroker


class NextEventFinder:
    """Finds the next bar in which something can happen to an instrument; the bars before it change nothing.

    With a working order, a requested exit or a strategy that decides bar by bar, that is its next bar. A flat
    instrument waits for an entry signal, a held one for an exit signal or for a price that reaches one of its
    protective levels.
    """

    def __init__(
        self,
        job: Job,
        desk: BacktestDesk,
        table: BarTable,
        strategies: SignalSource,
        broker: SimulatedBroker,
        held: list[int],
    ) -> None:
        self._instruments, self._table, self._strategies, self._held = job.instruments, table, strategies, held
        self._is_aligned, self._row_counts = table.is_aligned, table.row_counts
        self._books, self._requested_exits = broker.bar_books, desk.exits.requested
        self._position_stops, self._has_levels = desk.guards, desk.guards.mask.data

    def next_event_k(self, id_: int, k: int) -> int:
        """Return the first index from `k` on at which something can happen to an instrument, NEVER for none."""
        row = k if self._is_aligned else self._table.first_row(id_, k)
        if row >= self._row_counts[id_]:
            return NEVER
        strategies, exits = self._strategies, self._requested_exits
        is_busy = self._books[id_].orders or (exits and self._instruments[id_].symbol in exits)
        if is_busy or (strategies.may_decide and strategies.decides_for(id_)):
            due = row
        else:
            held = self._held[id_]
            due = strategies.signal_indexes[id_].next_actionable_row(row, (held > 0) - (held < 0))
            # A level may be reached in the bar of the signal too: that happens before its close.
            if held and self._has_levels[id_]:
                touched = self._touch(id_, row, min(due + 1, self._row_counts[id_]))
                due = due if touched is None else touched
        return due if self._is_aligned or due == NEVER else self._table.timeline_index(id_, due)

    def _touch(self, id_: int, row: int, end: int) -> int | None:
        levels = self._position_stops.protective_levels(id_)
        assert levels is not None, f"{self._instruments[id_].symbol} has a guard without levels"
        units = self._instruments[id_].price_to_units
        unit_levels = UnitLevels(levels.is_long, *(None if level is None else units(level) for level in levels[1:]))
        return first_touch(self._table.series[id_], unit_levels, row, end)
