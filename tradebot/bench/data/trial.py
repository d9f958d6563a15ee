"""One trial of a store of past bars: what it has to keep, how long it takes, and whether it gives back what it got."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from tradebot.bench.measuring.interleaving import Cost
from tradebot.clock import SECOND, Clock
from tradebot.domain.market_data import Ints


class StoreTrial:
    """Bars of `symbols`, which share the `tables` (SERIES_COLUMNS, bars), and a folder for files."""

    def __init__(self, folder: Path, tables: list[Ints], symbols: int, clock: Clock) -> None:
        self.folder, self.symbols, self._tables, self.clock = folder, symbols, tables, clock
        self._bars = tables[0].shape[1]

    def symbol_bars(self, n: int) -> Ints:
        """Return the bars of a symbol by its number."""
        return self._tables[n % len(self._tables)]

    def symbols_within(self, most: int) -> int:
        """Return how many of the symbols have no more than `most` bars together, at least one."""
        return max(1, min(int(self.symbols), most // int(self._bars)))

    @contextmanager
    def timed_block(self) -> Iterator[list[Cost]]:
        """Measure what stands in the context; its cost is in the list afterwards."""
        spent: list[Cost] = []
        begin, cpu = self.clock.monotonic_ns(), process_time()
        yield spent
        spent.append(Cost((self.clock.monotonic_ns() - begin) / SECOND, process_time() - cpu))

    def timed_loop(self, work: Callable[[int], Any], symbols: int) -> Cost:
        """Do the work for each symbol by its number and return what all of it cost."""
        with self.timed_block() as spent:
            for n in range(symbols):
                work(n)
        return spent[0]

    def timed_load(self, work: Callable[[int], Any], symbols: int, *, close: int | str = 4) -> Cost:
        """Load each symbol by its number, hold all and return what it cost; the closes stand at `close` of each."""
        held: list[Any] = []
        cost = self.timed_loop(lambda n: held.append(work(n)), symbols)
        self.check_closes(held[-1][close], symbols - 1)
        return cost

    def check_closes(self, close: Any, n: int) -> None:
        """Hold the closes that were loaded against those of the symbol."""
        assert (np.asarray(close) == self.symbol_bars(n)[4]).all(), "what was loaded is not what was written"

    def result_row(self, symbols: int, wrote: Cost | None, read: Cost, size: int | None, how: str) -> dict[str, Any]:
        """Return the row of a store that kept so many symbols in `size` bytes; None is what was not measured."""
        bars = symbols * self._bars
        return {
            "symbols": symbols,
            "write_m_bars_s": None if wrote is None else round(bars / wrote.elapsed_s / 1e6, 2),
            "load_m_bars_s": round(bars / read.elapsed_s / 1e6, 2),
            "load_m_bars_cpu_s": round(bars / max(read.cpu_s, 1e-6) / 1e6, 2),
            "bytes_per_bar": None if size is None else round(size / bars, 1),
            "how": how,
        }
