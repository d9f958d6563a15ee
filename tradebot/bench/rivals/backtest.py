"""The rivals of the backtest benchmark: a script for another Python, which has them but no tradebot. It prints JSON.

Arguments: a folder with `one.npy` (open, high, low, close) and `many.npy` ((open, close), instruments, bars), the spans
of the two averages, and the factor on both spans in the run that seldom trades.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

SCALED = 25  # instruments measured with a slow rival; the time for all is scaled from it


def main(folder: Path, fast: int, slow: int, seldom: int) -> dict[str, Any]:
    """Return `rows` like the benchmark's own, and in `absent` the rivals that are not installed."""
    one, many = np.load(folder / "one.npy"), np.load(folder / "many.npy")
    rows: list[dict[str, Any]] = []
    absent: list[str] = []
    for rival in (_vectorbt, _backtesting):
        try:
            rows += rival(one, many, fast, slow, seldom)
        except ImportError as fault:
            absent.append(f"{rival.__name__.strip('_')}: {fault}")
    return {"rows": rows, "absent": absent}


def _vectorbt(one: Any, many: Any, fast: int, slow: int, seldom: int) -> list[dict[str, Any]]:
    import pandas as pd
    import vectorbt as vbt

    def trade(opens: Any, closes: Any, times: int) -> int:
        closes = pd.DataFrame(closes)
        quick = closes.ewm(span=fast * times, adjust=False).mean()
        late = closes.ewm(span=slow * times, adjust=False).mean()
        above = quick > late
        entries, exits = above & ~above.shift(fill_value=True), ~above & above.shift(fill_value=False)
        book = vbt.Portfolio.from_signals(
            closes,
            entries.shift(fill_value=False),
            exits.shift(fill_value=False),
            price=pd.DataFrame(opens),
            fees=0.0005,
            init_cash=1e9,
            size=10.0,
            freq="1min",
        )
        book.value()
        return len(book.orders.records_arr)

    version = vbt.__version__
    for wide in (one[[0, 3]][:, :, None], many.transpose(0, 2, 1)):  # compiles the functions
        trade(wide[0][:200], wide[1][:200], 1)
    rows = [
        _timed(f"vectorbt {version}", name, one.shape[1], partial(trade, one[0][:, None], one[3][:, None], times))
        for name, times in (("often", 1), ("seldom", seldom))
    ]
    count = many.shape[1]
    rows.append(
        _timed(f"vectorbt {version}", f"{count} instruments", many[0].size, lambda: trade(many[0].T, many[1].T, 1))
    )
    return rows


def _backtesting(one: Any, many: Any, fast: int, slow: int, seldom: int) -> list[dict[str, Any]]:
    import backtesting
    import pandas as pd

    class Cross(backtesting.Strategy):  # type: ignore[misc]
        times = 1

        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.quick = self.I(lambda: close.ewm(span=fast * self.times, adjust=False).mean().to_numpy())
            self.late = self.I(lambda: close.ewm(span=slow * self.times, adjust=False).mean().to_numpy())

        def next(self) -> None:
            now, before = self.quick[-1] > self.late[-1], self.quick[-2] > self.late[-2]
            if now and not before and not self.position:
                self.buy(size=10)
            elif before and not now and self.position:
                self.position.close()

    def trade(prices: Any, times: int) -> int:
        frame = pd.DataFrame(dict(zip(("Open", "High", "Low", "Close"), prices, strict=True)))
        frame.index = pd.date_range("2024-01-01", periods=len(frame), freq="min")
        stats = backtesting.Backtest(frame, Cross, cash=1e9, commission=0.0005).run(times=times)
        return 2 * len(stats["_trades"])

    version = backtesting.__version__
    rows = [
        _timed(f"backtesting.py {version}", name, one.shape[1], partial(trade, one, times))
        for name, times in (("often", 1), ("seldom", seldom))
    ]
    count, measured = many.shape[1], min(SCALED, many.shape[1])

    def all_of_them() -> int:
        return sum(
            trade((o, np.maximum(o, c), np.minimum(o, c), c), 1) for o, c in zip(*many[:, :measured], strict=True)
        )

    row = _timed(f"backtesting.py {version}", f"{count} instruments, scaled from {measured}", many[0].size, all_of_them)
    scale = count / measured
    row |= {name: row[name] * scale for name in ("cpu_s", "wall_s", "us_a_bar")} | {"fills": int(row["fills"] * scale)}
    return [*rows, row]


def _timed(rival: str, run: str, bars: int, work: Callable[[], int]) -> dict[str, Any]:
    begin, cpu = perf_counter(), process_time()
    fills = work()
    spent, wall = process_time() - cpu, perf_counter() - begin
    return {
        "rival": rival,
        "run": run,
        "bars": bars,
        "fills": fills,
        "us_a_bar": spent / bars * 1e6,
        "cpu_s": spent,
        "wall_s": wall,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))))
