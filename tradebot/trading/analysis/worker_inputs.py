"""The inputs of the workers: strategies, warm-up bars, and their rows of each close.

A rebuilt worker must reach the same state as the lost one. So every input is kept here, or read again from the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, BarSeries, Ints
from tradebot.ops.events.analysis import StrategyDisabled
from tradebot.ops.events.event import EventListener
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy
from tradebot.trading.analysis.partition import PartitionSetup, SymbolHistory
from tradebot.trading.analysis.partitioning import Assignment
from tradebot.trading.analysis.waiting_symbols import CloseRows

# Closes whose holdings are kept: two weeks of minutes. A rebuilt worker needs only those since the start of the daemon.
HOLDINGS_REMEMBERED = 20_000
SYMBOLS_PER_JOB = 50  # histories in one warm-up job: a few MB, so that pickling does not stall the loop

Holdings = Mapping[str, tuple[Decimal, Decimal]]  # symbol -> (quantity, average price)
Held = dict[int, tuple[Decimal, Decimal]]  # id -> the same, without flat symbols


class WorkerInputs:
    """Keeps the inputs of all workers. `on_fault` takes an event for each strategy disabled for a symbol."""

    def __init__(
        self,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval_ns: int,
        on_fault: EventListener,
    ) -> None:
        self.universe, self.interval_ns = universe, interval_ns
        self._on_fault = on_fault
        self._pasts: dict[int, BarSeries] = {}  # symbol id -> its warm-up bars
        self._held: dict[int, Held] = {}  # end of a close (market ns) -> holdings then
        # Only `decide` gets holdings, so they are kept only if a strategy overrides it.
        self._is_deciding = any(spec.load_class().decide is not Strategy.decide for spec in strategies)
        self._off: set[tuple[str, int]] = set()  # (strategy, symbol id): disabled because it raised
        self.waiting: frozenset[int] = frozenset()  # symbol ids that join later

    def set_history(self, warmup: Sequence[BarSeries], waiting: Collection[str] = ()) -> None:
        """Set the bars that the strategies are warmed up with, and the symbols that join later."""
        self.waiting = frozenset(self.universe.id_of(symbol) for symbol in waiting)
        self._add_history(warmup)

    def set_joined(self, symbols: Collection[str], warmup: Sequence[BarSeries]) -> Ints:
        """Set the bars with which waiting symbols join; return the ids of the symbols, ascending."""
        ids = sorted(self.universe.id_of(symbol) for symbol in symbols)
        assert self.waiting.issuperset(ids), f"of {symbols} some have joined before"
        self.waiting -= set(ids)
        self._add_history(warmup)
        return np.array(ids, dtype=np.int64)

    def _add_history(self, warmup: Sequence[BarSeries]) -> None:
        for series in warmup:
            self._pasts[self.universe.id_of(series.symbol)] = series

    def set_holdings(self, batch: BarBatch, holdings: Holdings) -> None:
        """Set the holdings at a close, for `decide`."""
        ids = self.universe.ids_by_symbol  # holdings in symbols outside this run concern no strategy here
        held = {ids[symbol]: held for symbol, held in holdings.items() if held[0] != 0 and symbol in ids}
        if held and self._is_deciding:
            self._held[batch.ends_at] = held
            if len(self._held) > HOLDINGS_REMEMBERED:
                del self._held[next(iter(self._held))]

    def setups_for(self, assignments: Sequence[Assignment]) -> list[PartitionSetup]:
        """Return the setups of a worker's partitions."""
        return [
            PartitionSetup(
                ids=tuple(ids.tolist()),
                instruments=tuple(self.universe[id_] for id_ in ids.tolist()),
                specs=specs,
                interval_ns=self.interval_ns,
                off=frozenset(self._off),
                waiting=self.waiting.intersection(ids.tolist()),
            )
            for ids, specs in assignments
        ]

    def history_jobs(self, ids: Ints) -> Iterator[list[SymbolHistory]]:
        """Yield the warm-up bars of symbols, at most `SYMBOLS_PER_JOB` histories at once."""
        known = [id_ for id_ in ids.tolist() if id_ in self._pasts]
        for first in range(0, len(known), SYMBOLS_PER_JOB):
            yield [self._history_of(id_) for id_ in known[first : first + SYMBOLS_PER_JOB]]

    def join_jobs(self, ids: Ints) -> Iterator[tuple[list[int], list[SymbolHistory]]]:
        """Yield the ids of joining symbols, at most `SYMBOLS_PER_JOB` at once, with the histories that there are."""
        for first in range(0, len(ids), SYMBOLS_PER_JOB):
            some = ids[first : first + SYMBOLS_PER_JOB].tolist()
            yield some, [self._history_of(id_) for id_ in some if id_ in self._pasts]

    def _history_of(self, id_: int) -> SymbolHistory:
        s = self._pasts[id_]
        return SymbolHistory(id_, s.starts, np.stack([s.open, s.high, s.low, s.close, s.volume]))

    def rows_of_close(self, batch: BarBatch, rows: Ints | None) -> CloseRows:
        """Return the rows `rows` of a close (all of them with None) and the holdings at that close."""
        ids, sources = batch.ids, [batch.open, batch.high, batch.low, batch.close, batch.volume]
        if rows is not None and len(rows) < len(ids):
            ids, sources = ids[rows], [column[rows] for column in sources]
        columns = np.empty((len(sources), len(ids)), dtype=np.int64)
        for i, column in enumerate(sources):
            columns[i] = column
        held = self._held.get(batch.ends_at)
        held_here = {id_: held[id_] for id_ in ids.tolist() if id_ in held} if held else {}
        return CloseRows(batch.ends_at, ids, columns, held_here)

    def enable_strategies(self, names: Collection[str]) -> None:
        """Let these strategies decide on all symbols again, as after a start."""
        self._off = {(strategy, id_) for strategy, id_ in self._off if strategy not in names}

    def disable_strategies(self, faults: Sequence[tuple[str, int, str]]) -> None:
        """Disable strategies that raised, given as (strategy, symbol id, reason), for these symbols from now on."""
        for strategy, id_, reason in faults:
            if (strategy, id_) not in self._off:
                self._off.add((strategy, id_))
                symbol = self.universe[id_].symbol
                self._on_fault(StrategyDisabled(strategy=strategy, symbol=symbol, reason=reason))
