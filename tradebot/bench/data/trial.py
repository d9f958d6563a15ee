"""One trial of a store of past bars: the bars to keep, the time it takes, and whether it returns the same bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from tradebot.bench.measuring.interleaving import Cost
from tradebot.clock import SECOND, Clock
from tradebot.domain.market import Ints


class StoreTrial:
    """Bars for `symbols` symbols, which share `tables` of shape (SERIES_COLUMNS, bars), and a folder for files."""

    def __init__(self, folder: Path, tables: list[Ints], symbols: int, clock: Clock) -> None:
        self.folder, self.symbols, self._tables, self.clock = folder, symbols, tables, clock
        self._bars = tables[0].shape[1]

    def symbol_bars(self, n: int) -> Ints:
        """Return the bars of symbol number `n`, int64 (SERIES_COLUMNS, bars)."""
        return self._tables[n % len(self._tables)]

    def symbols_within(self, most: int) -> int:
        """Return how many symbols together have at most `most` bars, at least one."""
        return max(1, min(int(self.symbols), most // int(self._bars)))

    @contextmanager
    def timed_block(self) -> Iterator[list[Cost]]:
        """Measure the block inside the context; the yielded list holds its cost afterwards."""
        spent: list[Cost] = []
        begin, cpu = self.clock.monotonic_ns(), process_time()
        yield spent
        spent.append(Cost((self.clock.monotonic_ns() - begin) / SECOND, process_time() - cpu))

    def timed_loop(self, work: Callable[[int], Any], symbols: int) -> Cost:
        """Call `work` with each symbol's number and return the cost of all calls."""
        with self.timed_block() as spent:
            for n in range(symbols):
                work(n)
        return spent[0]

    def timed_load(self, work: Callable[[int], Any], symbols: int, *, close: int | str = 4) -> Cost:
        """Load and hold all symbols by number, check the last one's closes (at index `close`) and return the cost."""
        held: list[Any] = []
        cost = self.timed_loop(lambda n: held.append(work(n)), symbols)
        self.check_closes(held[-1][close], symbols - 1)
        return cost

    def check_closes(self, close: Any, n: int) -> None:
        """Assert that the loaded closes are those of symbol number `n`."""
        assert (np.asarray(close) == self.symbol_bars(n)[4]).all(), "what was loaded is not what was written"

    def result_row(self, symbols: int, wrote: Cost | None, read: Cost, size: int | None, how: str) -> dict[str, Any]:
        """Return the row of a store that kept `symbols` symbols in `size` bytes; None where not measured."""
        bars = symbols * self._bars
        return {
            "symbols": symbols,
            "write_m_bars_s": None if wrote is None else round(bars / wrote.elapsed_s / 1e6, 2),
            "load_m_bars_s": round(bars / read.elapsed_s / 1e6, 2),
            "load_m_bars_cpu_s": round(bars / max(read.cpu_s, 1e-6) / 1e6, 2),
            "bytes_per_bar": None if size is None else round(size / bars, 1),
            "how": how,
        }
