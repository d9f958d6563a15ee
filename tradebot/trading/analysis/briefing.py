"""What the workers of the analysis are told: their strategies, the past, their rows of each close; and all of it again.

A worker that is rebuilt must come to the same state as the one that was lost, so nothing is told that is not kept here
or read anew from the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Ints, Series
from tradebot.ops.events.analysis import StrategyDisabled
from tradebot.ops.events.event import Tell
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy
from tradebot.trading.analysis.parts import Part
from tradebot.trading.analysis.share import Past, Setup, Slice

HELD_CLOSES = 20_000  # two weeks of minutes; the journal's closes go back to the start of the daemon at most
WARM_SYMBOLS = 50  # histories per warm-up job: some MB, so that pickling does not stall the loop

Holdings = Mapping[str, tuple[Decimal, Decimal]]  # symbol -> (quantity, average price)
Held = dict[int, tuple[Decimal, Decimal]]  # id -> the same, flat symbols left out


class Briefing:
    """Knows all that the workers are told. `on_fault` hears of each strategy that is switched off for a symbol."""

    def __init__(
        self,
        universe: Universe,
        strategies: Sequence[StrategySpec],
        interval: int,
        on_fault: Tell,
    ) -> None:
        self.universe, self.interval = universe, interval
        self._on_fault = on_fault
        self._pasts: dict[int, Series] = {}  # by symbol id
        self._held: dict[int, Held] = {}  # ends_at -> what was held then
        self._is_deciding = any(spec.load().decide is not Strategy.decide for spec in strategies)
        self._off: set[tuple[str, int]] = set()  # strategies that raised, and for which symbol

    def keep_past(self, warmup: Sequence[Series]) -> None:
        """Keep the bars that the strategies are warmed up with."""
        for series in warmup:
            self._pasts[self.universe.id(series.symbol)] = series

    def keep_held(self, close: Close, holdings: Holdings) -> None:
        """Keep what is held at a close, for `decide`."""
        ids = self.universe.ids  # what is held of another run's symbols is none that a strategy here decides on
        held = {ids[symbol]: held for symbol, held in holdings.items() if held[0] != 0 and symbol in ids}
        if held and self._is_deciding:
            self._held[close.ends_at] = held
            if len(self._held) > HELD_CLOSES:
                del self._held[next(iter(self._held))]

    def setups(self, mine: Sequence[Part]) -> list[Setup]:
        """Return what a worker with these parts of the work begins with."""
        off = frozenset(self._off)
        return [
            Setup(tuple(ids.tolist()), tuple(self.universe[id_] for id_ in ids.tolist()), specs, self.interval, off)
            for ids, specs in mine
        ]

    def past(self, ids: Ints) -> Iterator[list[Past]]:
        """Yield the past bars of symbols, as many at once as one job takes."""
        known = [(id_, self._pasts[id_]) for id_ in ids.tolist() if id_ in self._pasts]
        for first in range(0, len(known), WARM_SYMBOLS):
            yield [
                Past(id_, s.starts, np.stack([s.open, s.high, s.low, s.close, s.volume]))
                for id_, s in known[first : first + WARM_SYMBOLS]
            ]

    def slice(self, close: Close, rows: Ints | None) -> Slice:
        """Return these rows of a close, None for all, with what was held at it."""
        ids, wanted = close.ids, [close.open, close.high, close.low, close.close, close.volume]
        if rows is not None and len(rows) < len(ids):
            ids, wanted = ids[rows], [column[rows] for column in wanted]
        columns = np.empty((len(wanted), len(ids)), dtype=np.int64)
        for i, column in enumerate(wanted):
            columns[i] = column
        held = self._held.get(close.ends_at)
        mine = {id_: held[id_] for id_ in ids.tolist() if id_ in held} if held else {}
        return Slice(close.ends_at, ids, columns, mine)

    def switch_off(self, faults: Sequence[tuple[str, int, str]]) -> None:
        """Note which strategies raised, as (strategy, id, reason); each is off for that symbol from now on."""
        for strategy, id_, reason in faults:
            if (strategy, id_) not in self._off:
                self._off.add((strategy, id_))
                symbol = self.universe[id_].symbol
                self._on_fault(StrategyDisabled(strategy=strategy, symbol=symbol, reason=reason))
