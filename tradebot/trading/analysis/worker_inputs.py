"""What the workers of the analysis are told: their strategies, the past, their rows of each close; and all of it again.

A worker that is rebuilt must come to the same state as the one that was lost, so nothing is told that is not kept here
or read anew from the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market_data import BarBatch, BarSeries, Ints
from tradebot.ops.events.analysis import StrategyDisabled
from tradebot.ops.events.event import EventListener
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy
from tradebot.trading.analysis.partition import CloseRows, PartitionSetup, SymbolHistory
from tradebot.trading.analysis.partitioning import Assignment

HOLDINGS_REMEMBERED = 20_000  # two weeks of minutes; the journal's closes go back to the start of the daemon at most
SYMBOLS_PER_JOB = 50  # histories per warm-up job: some MB, so that pickling does not stall the loop

Holdings = Mapping[str, tuple[Decimal, Decimal]]  # symbol -> (quantity, average price)
Held = dict[int, tuple[Decimal, Decimal]]  # id -> the same, flat symbols left out


class WorkerInputs:
    """Knows all that the workers are told. `on_fault` hears of each strategy that is switched off for a symbol."""

    def __init__(
        self,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval_ns: int,
        on_fault: EventListener,
    ) -> None:
        self.universe, self.interval_ns = universe, interval_ns
        self._on_fault = on_fault
        self._pasts: dict[int, BarSeries] = {}  # by symbol id
        self._held: dict[int, Held] = {}  # ends_at -> what was held then
        self._is_deciding = any(spec.load_class().decide is not Strategy.decide for spec in strategies)
        self._off: set[tuple[str, int]] = set()  # strategies that raised, and for which symbol

    def set_history(self, warmup: Sequence[BarSeries]) -> None:
        """Keep the bars that the strategies are warmed up with."""
        for series in warmup:
            self._pasts[self.universe.id_of(series.symbol)] = series

    def set_holdings(self, close: BarBatch, holdings: Holdings) -> None:
        """Keep what is held at a close, for `decide`."""
        ids = (
            self.universe.ids_by_symbol
        )  # what is held of another run's symbols is none that a strategy here decides on
        held = {ids[symbol]: held for symbol, held in holdings.items() if held[0] != 0 and symbol in ids}
        if held and self._is_deciding:
            self._held[close.ends_at] = held
            if len(self._held) > HOLDINGS_REMEMBERED:
                del self._held[next(iter(self._held))]

    def setups_for(self, assignments: Sequence[Assignment]) -> list[PartitionSetup]:
        """Return what a worker with these parts of the work begins with."""
        off = frozenset(self._off)
        return [
            PartitionSetup(
                tuple(ids.tolist()), tuple(self.universe[id_] for id_ in ids.tolist()), specs, self.interval_ns, off
            )
            for ids, specs in assignments
        ]

    def history_jobs(self, ids: Ints) -> Iterator[list[SymbolHistory]]:
        """Yield the past bars of symbols, as many at once as one job takes."""
        known = [(id_, self._pasts[id_]) for id_ in ids.tolist() if id_ in self._pasts]
        for first in range(0, len(known), SYMBOLS_PER_JOB):
            yield [
                SymbolHistory(id_, s.starts, np.stack([s.open, s.high, s.low, s.close, s.volume]))
                for id_, s in known[first : first + SYMBOLS_PER_JOB]
            ]

    def rows_of_close(self, close: BarBatch, rows: Ints | None) -> CloseRows:
        """Return these rows of a close, None for all, with what was held at it."""
        ids, wanted = close.ids, [close.open, close.high, close.low, close.close, close.volume]
        if rows is not None and len(rows) < len(ids):
            ids, wanted = ids[rows], [column[rows] for column in wanted]
        columns = np.empty((len(wanted), len(ids)), dtype=np.int64)
        for i, column in enumerate(wanted):
            columns[i] = column
        held = self._held.get(close.ends_at)
        mine = {id_: held[id_] for id_ in ids.tolist() if id_ in held} if held else {}
        return CloseRows(close.ends_at, ids, columns, mine)

    def disable_strategies(self, faults: Sequence[tuple[str, int, str]]) -> None:
        """Note which strategies raised, as (strategy, id, reason); each is off for that symbol from now on."""
        for strategy, id_, reason in faults:
            if (strategy, id_) not in self._off:
                self._off.add((strategy, id_))
                symbol = self.universe[id_].symbol
                self._on_fault(StrategyDisabled(strategy=strategy, symbol=symbol, reason=reason))
