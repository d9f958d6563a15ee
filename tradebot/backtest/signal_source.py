"""The signals of a backtest at each close: those of the rules, and those that strategies decide bar by bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradebot.backtest.imperative_strategies import ImperativeStrategies
from tradebot.backtest.signal_index import SignalIndex
from tradebot.domain.messages import Signal
from tradebot.domain.portfolio import Position


class SignalSource:
    """All strategies over all instruments; the rows of each instrument must be read in ascending order.

    `signal_indexes` are those of the rules, by id. `position` returns the position of a symbol. `may_decide` is False
    where no strategy decides bar by bar.
    """

    def __init__(
        self, signal_indexes: Sequence[SignalIndex], deciders: ImperativeStrategies, position: Callable[[str], Position]
    ) -> None:
        self.signal_indexes, self._deciders, self._position = signal_indexes, deciders, position
        self.may_decide = any(deciders.decides_for(id_) for id_ in range(len(signal_indexes)))

    def decides_for(self, id_: int) -> bool:
        """Return whether any strategy still decides each bar of an instrument."""
        return self.may_decide and self._deciders.decides_for(id_)

    def signals_at(self, id_: int, row: int, end: int, close: int) -> list[Signal]:
        """Return the signals at the close of a row, which ends at `end` with `close` units, in the desk's order."""
        found = self.signal_indexes[id_].signals_at(row, end, close)
        if self.may_decide and self._deciders.decides_for(id_):
            return self._deciders.decide_bar(id_, row, found, self._position)
        return found

    @property
    def skipped_signals(self) -> int:
        """Return how many rule signals were skipped, because the desk would have ignored them."""
        return sum(wishes.unused_count for wishes in self.signal_indexes)
