"""Strategies that decide bar by bar, each bar under a time limit. One that raises is switched off for the symbol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.signal_index import StrategyFault
from tradebot.clock import format_iso
from tradebot.domain.instrument import Instrument
from tradebot.domain.messages import Action, Signal
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.history.exchange_calendar import load_zone, zone_of
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy
from tradebot.strategies.time_limit import time_limit
from tradebot.trading.analysis.partition import Partition, PartitionSetup
from tradebot.trading.analysis.signal_batch import ACTION_PRIORITY, LEVELS, SignalColumns, WorkerResult, make_signal_id
from tradebot.trading.analysis.waiting_symbols import CloseRows

ACTION_RANK = {action: place for place, action in enumerate(ACTION_PRIORITY)}
NO_POSITION = Position(PositionKey("", "", "", ""))


class ImperativeStrategies:
    """Calls the `decide` of every strategy that has one, for all instruments; `faults` are those switched off."""

    def __init__(
        self, specs: Sequence[StrategySpec], instruments: Sequence[Instrument], table: BarTable, limit_s: float
    ) -> None:
        self._table, self._instruments, self._limit_s = table, instruments, limit_s
        self._interval = table.interval_ns
        deciding = tuple(spec for spec in specs if spec.load_class().decide is not Strategy.decide)
        ids = tuple(range(len(instruments)))
        self._partition: Partition | None = None
        if deciding:
            setup = PartitionSetup(
                ids=ids, instruments=tuple(instruments), specs=deciding, interval_ns=table.interval_ns
            )
            self._partition = Partition(setup)
        self.signal_count = 0
        self.faults: list[StrategyFault] = []

    def decides_for(self, id_: int) -> bool:
        """Return whether any strategy still decides for an instrument."""
        return self._partition is not None and any(id_ in objects for _, objects in self._partition.deciders)

    def warm_up(self, id_: int, rows: int) -> None:
        """Show the first `rows` bars of an instrument with a flat position; drop what is decided for them."""
        for row in range(rows):
            if self.decides_for(id_):
                self._ask(id_, row, NO_POSITION)

    def decide_bar(self, id_: int, row: int, ruled: list[Signal], position: Callable[[str], Position]) -> list[Signal]:
        """Return the signals of a close in the desk's order: those of the rules, and what is decided beyond them.

        A decision that repeats a strategy's action in `ruled` is dropped.
        """
        symbol = self._instruments[id_].symbol
        taken = {(one.strategy, one.action) for one in ruled}
        end = int(self._table.series[id_].starts[row]) + self._interval
        decided = [
            signal
            for columns in self._ask(id_, row, position(symbol)).signals
            for signal in _signals(columns, symbol, end)
            if (signal.strategy, signal.action) not in taken
        ]
        self.signal_count += len(decided)
        return sorted([*ruled, *decided], key=lambda one: (one.strategy, ACTION_RANK[one.action]))

    def _ask(self, id_: int, row: int, position: Position) -> WorkerResult:
        assert self._partition is not None, "nobody decides here"
        series = self._table.series[id_]
        columns = np.array([[c[row]] for c in (series.open, series.high, series.low, series.close, series.volume)])
        held = {} if position.is_flat else {id_: (position.quantity, position.average_price)}
        answer = WorkerResult([], [])
        with time_limit(self._limit_s):
            self._partition.run_deciders(
                CloseRows(int(series.starts[row]) + self._interval, np.array([id_]), columns, held), answer
            )
        for name, i, reason in answer.faults:
            instrument = self._instruments[i]
            at = format_iso(int(series.starts[row]), load_zone(zone_of(instrument.exchange))).replace(".000000", "")
            self.faults.append(StrategyFault(name, instrument.symbol, f"{reason} at bar {row + 1}, {at}"))
        return answer


def _signals(columns: SignalColumns, symbol: str, end: int) -> Iterator[Signal]:
    action = Action(columns.action)
    for place in range(len(columns.ids)):
        levels = {what: float(column[place]) for what, column in zip(LEVELS, columns.levels, strict=True)}
        values = {text: float(column[place]) for text, column in zip(columns.labels, columns.inputs, strict=True)}
        yield Signal(
            signal_id=make_signal_id(columns.strategy, symbol, end, columns.action),
            strategy=columns.strategy,
            symbol=symbol,
            action=action,
            bar_at=end,
            quoted_at=end,
            made_at=end,
            close=float(columns.close[place]),
            inputs={text: value for text, value in values.items() if math.isfinite(value)},
            **{what: None if math.isnan(value) else value for what, value in levels.items()},
        )
