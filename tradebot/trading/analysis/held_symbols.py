"""The symbols held back while their bars are being repaired: their closes are computed, their signals are not given.

Averages over bars with a hole are wrong, and so is what follows from them. The repair computes the state again, so only
the signals of the closes until then are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.partitioning import compares_symbols, traded_ids
from tradebot.trading.analysis.signal_batch import SignalColumns


class HeldSymbols:
    """The symbols whose signals are withheld.

    Of a strategy that compares symbols all signals are withheld while one of its symbols is held: a rank among bars
    with holes is wrong for every symbol.
    """

    def __init__(self, universe: Universe, strategies: Sequence[StrategySpec], interval_ns: int) -> None:
        self._universe, self._strategies, self._interval_ns = universe, strategies, interval_ns
        self._held: Ints = np.empty(0, dtype=np.int64)
        self._silenced: frozenset[str] = frozenset()  # strategies that compare symbols of which some are held

    def set_symbols(self, symbols: Collection[str]) -> None:
        """Set which symbols are held from now on; with none all signals are given."""
        self._held = np.array(sorted(map(self._universe.id_of, symbols)), dtype=np.int64)
        self._silenced = frozenset(spec.name for spec in self._strategies if self._is_silenced(spec))

    def withhold(self, columns: Sequence[SignalColumns]) -> tuple[list[SignalColumns], int]:
        """Return the signals that may be given, and how many are withheld."""
        given = list(columns)
        if not len(self._held):
            return given, 0
        for i, some in enumerate(given):
            is_given = ~np.isin(some.ids, self._held) & (some.strategy not in self._silenced)
            given[i] = some._replace(
                ids=some.ids[is_given],
                close=some.close[is_given],
                levels=some.levels[:, is_given],
                inputs=some.inputs[:, is_given],
            )
        return given, sum(len(some.ids) for some in columns) - sum(len(some.ids) for some in given)

    def _is_silenced(self, spec: StrategySpec) -> bool:
        if not len(self._held) or not np.isin(traded_ids(self._universe, spec.symbols), self._held).any():
            return False
        return compares_symbols(spec, self._interval_ns)
