"""The benchmark of backtests measures what it says, and says which rivals it did not find."""

from __future__ import annotations

from pathlib import Path

from tradebot.bench.backtest.backtest import measure_backtests
from tradebot.clock import WallClock


def test_every_run_trades_and_absent_rivals_are_named(tmp_path: Path) -> None:
    found = measure_backtests(
        bars=5_000, symbols=3, bars_each=400, workers=1, repeats=1, rivals=tmp_path / "python", clock=WallClock(),
        progress=lambda what: None,
    )  # fmt: skip

    often, seldom, each, shared = found["rows"]
    assert often["fills"] > 100 > seldom["fills"]
    assert each["fills"] == shared["fills"] > 20
    assert each["bars"] == 1_200
    assert found["absent"] == [
        f"backtesting.py and vectorbt are not installed at {tmp_path / 'python'}: run `make rivals-env`"
    ]
    assert len(found["order_us"]["signal_to_booked_fill"]) == 2
