"""The last bars of each symbol as pandas frames, and the signals of the frame strategies over them.

Bars are kept in arrays twice as long as the window. So a new bar costs one column, and only rarely a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Floats, Ints
from tradebot.markets.exchanges import zone_name_of
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.user_code_guard import UserCodeGuard
from tradebot.trading.analysis.signal_batch import LEVELS, SignalColumns, WorkerResult

MAX_INPUTS = 8  # most columns added by a strategy that are shown with a signal


class FrameWindows:
    """The frame strategies of a partition, each with the symbols it trades; `off` are disabled (strategy, id) pairs."""

    def __init__(
        self,
        specs: Sequence[tuple[StrategySpec, list[int]]],
        universe: Universe,
        row_of: Mapping[int, int],
        off: frozenset[tuple[str, int]],
    ) -> None:
        # pandas is imported only in a worker whose strategies need it.
        from tradebot.strategies import frame_strategy

        self._frame, self._evaluate = frame_strategy.make_frame, frame_strategy.evaluate_frame
        self.universe = universe
        self.strategies: list[tuple[str, dict[int, Any]]] = [
            (spec.name, {id_: spec.create_strategy() for id_ in ids if (spec.name, id_) not in off})
            for spec, ids in specs
        ]
        self.window = max(spec.load_class().window for spec, _ in specs)  # type: ignore[attr-defined]
        self.zones = [zone_name_of(instrument.exchange) for instrument in universe]
        size = len(universe)
        self.bars = np.empty((size, 5, 2 * self.window))
        self.starts = np.empty((size, 2 * self.window), dtype=np.int64)
        self.bar_counts = np.zeros(size, dtype=np.int64)  # row -> number of its columns in use

    def load_history(self, row: int, bars: Floats, starts: Ints) -> None:
        """Load the history of a symbol that has no bar yet: `bars` (5, n), `starts` (n,) market ns."""
        n = min(len(starts), self.window)
        self.bars[row, :, :n], self.starts[row, :n] = bars[:, len(starts) - n :], starts[len(starts) - n :]
        self.bar_counts[row] = n

    def add_bars(self, rows: Ints, ids: Ints, bars: Floats, starts_at: int, result: WorkerResult) -> None:
        """Add one bar to each of the rows, `bars` (5, k) that start at `starts_at` (market ns).

        Signals and faults are appended to `result`.
        """
        for i, (row, id_) in enumerate(zip(rows.tolist(), ids.tolist(), strict=True)):
            self._add(row, bars[:, i], starts_at)
            for name, objects in self.strategies:
                if (strategy := objects.get(id_)) is not None:
                    with UserCodeGuard() as guard:
                        self._evaluate_row(name, strategy, row, id_, result)
                    if guard.fault is not None:
                        del objects[id_]
                        result.faults.append((name, id_, guard.fault_reason))

    def _add(self, row: int, bar: Floats, starts_at: int) -> None:
        at = int(self.bar_counts[row])
        if at == 2 * self.window:  # the array is full: move the newest half to its front
            at = self.window
            self.bars[row, :, :at], self.starts[row, :at] = self.bars[row, :, at:], self.starts[row, at:]
        self.bars[row, :, at], self.starts[row, at] = bar, starts_at
        self.bar_counts[row] = at + 1

    def _evaluate_row(self, name: str, strategy: Any, row: int, id_: int, answer: WorkerResult) -> None:
        last = int(self.bar_counts[row])
        some = slice(max(0, last - strategy.window), last)
        df = self._frame(self.universe[row].symbol, self.bars[row, :, some], self.starts[row, some], self.zones[row])
        close = float(df["close"].iloc[-1])
        found, others = self._evaluate(strategy, df)
        shown = dict(list(others.items())[:MAX_INPUTS])
        inputs = np.array([[column[-1]] for column in shown.values()]).reshape(len(shown), 1)
        for action, hits in found.when.items():
            if hits[-1]:
                levels = np.full((len(LEVELS), 1), np.nan)
                for what, column in found.levels[action].items():
                    levels[LEVELS.index(what)] = column[-1]
                where = np.array([id_]), np.array([close])
                answer.signals.append(SignalColumns(name, action.value, *where, levels, tuple(shown), inputs))
