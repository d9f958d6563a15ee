"""The rival of the burst benchmark: what a script does at a close, by threads or processes too, to its last signal."""

from __future__ import annotations

from concurrent.futures import Executor

import pandas as pd

from tradebot.bench.analysis.bars import histories
from tradebot.bench.rivals import eleven
from tradebot.bench.rivals.hands import HANDS
from tradebot.clock import SECOND, Clock

SCRIPTED = 50  # symbols measured of a script's ways, whose cost grows with every symbol
SCRIPTS = {"pandas": 1, "pandas, threads": HANDS, "pandas, processes": HANDS}


class Script:
    """A frame for each symbol, its indicators, and whether to act."""

    def __init__(self, count: int) -> None:
        self._count, self._measured = count, min(count, SCRIPTED)
        self._frames = [eleven.frame(bars) for bars in histories(self._measured, 500)[0]]

    def run(self, pool: Executor | None, clock: Clock) -> float:
        """Return the seconds that all symbols take, scaled from those that are measured."""
        begin = clock.monotonic()
        found = list((map if pool is None else pool.map)(_signal, self._frames))
        assert len(found) == self._measured, "a symbol was left out"
        return (clock.monotonic() - begin) / SECOND * self._count / self._measured


def _signal(frame: pd.DataFrame) -> bool:
    return eleven.by_pandas(frame)[0] > 0
