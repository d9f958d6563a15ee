"""The rival of the burst benchmark: a script from the close to its last signal, also in threads or processes."""

from __future__ import annotations

from concurrent.futures import Executor

import pandas as pd

from tradebot.bench.analysis.bars import random_histories
from tradebot.bench.rivals import indicator_set
from tradebot.bench.rivals.script_pools import POOL_SIZE
from tradebot.clock import SECOND, Clock

MEASURED_SYMBOLS = 50  # symbols measured; the cost of a script is proportional to their number
SYMBOLS_AT_ONCE = {"pandas": 1, "pandas, threads": POOL_SIZE, "pandas, processes": POOL_SIZE}


class PandasScript:
    """A script with a pandas frame per symbol, which computes the indicators and a signal."""

    def __init__(self, count: int) -> None:
        self._count, self._measured = count, min(count, MEASURED_SYMBOLS)
        self._frames = [indicator_set.bars_frame(bars) for bars in random_histories(self._measured, 500)[0]]

    def time_symbols(self, pool: Executor | None, clock: Clock) -> float:
        """Return the seconds for all symbols, in `pool` or inline, scaled from the measured ones."""
        begin = clock.monotonic_ns()
        found = list((map if pool is None else pool.map)(_signal, self._frames))
        assert len(found) == self._measured, "a symbol was left out"
        return (clock.monotonic_ns() - begin) / SECOND * self._count / self._measured


def _signal(frame: pd.DataFrame) -> bool:
    return indicator_set.by_pandas(frame)[0] > 0
