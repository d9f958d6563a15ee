"""Trades crossings of two given averages with backtesting.py and vectorbt; run by a Python that has them.

Arguments: .npz files with open, high, low, close, fast, slow. Output: JSON, for each file tool -> [entry row, exit row,
entry price, exit price] of every closed trade. Orders of a close fill at the next open: the rule of the comparison.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd


def crossings(fast: Any, slow: Any) -> tuple[Any, Any]:
    """Return where the fast average crosses above and below: strictly beyond now, not so one bar before."""
    up, down = np.zeros(len(fast), dtype=bool), np.zeros(len(fast), dtype=bool)
    with np.errstate(invalid="ignore"):
        up[1:] = (fast[1:] > slow[1:]) & (fast[:-1] <= slow[:-1])
        down[1:] = (fast[1:] < slow[1:]) & (fast[:-1] >= slow[:-1])
    return up, down


def by_backtesting(bars: dict[str, Any], up: Any, down: Any) -> list[list[float]]:
    import backtesting

    class Cross(backtesting.Strategy):
        def init(self) -> None:
            self.up = self.I(lambda: up.astype(float), plot=False)
            self.down = self.I(lambda: down.astype(float), plot=False)

        def next(self) -> None:
            if self.up[-1] and not self.position:
                self.buy(size=1)
            elif self.down[-1] and self.position:
                self.position.close()

    frame = pd.DataFrame({name.capitalize(): bars[name] for name in ("open", "high", "low", "close")})
    trades = backtesting.Backtest(frame, Cross, cash=1e9).run()["_trades"]
    return trades[["EntryBar", "ExitBar", "EntryPrice", "ExitPrice"]].to_numpy(float).tolist()


def by_vectorbt(bars: dict[str, Any], up: Any, down: Any) -> list[list[float]]:
    import vectorbt as vbt

    def late(signal: Any) -> Any:
        return pd.Series(np.concatenate(([False], signal[:-1])))

    book = vbt.Portfolio.from_signals(
        pd.Series(bars["close"]), late(up), late(down), price=pd.Series(bars["open"]), size=1.0, init_cash=1e9,
        freq="1min",
    )  # fmt: skip
    trades = book.trades.records
    closed = trades[trades["status"] == 1]
    return closed[["entry_idx", "exit_idx", "entry_price", "exit_price"]].to_numpy(float).tolist()


def all_of(path: str) -> dict[str, list[list[float]]]:
    with np.load(path) as found:
        bars = dict(found)
    signals = crossings(bars["fast"], bars["slow"])
    return {"backtesting.py": by_backtesting(bars, *signals), "vectorbt": by_vectorbt(bars, *signals)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps([all_of(path) for path in sys.argv[1:]]))
