"""Crossing averages on real bars: our trades are those of backtesting.py and of vectorbt, one for one.

The rule of the comparison is the one all three know: an order of a bar's close fills at the next open, without costs.
What differs by design is left out on both sides, and only this:
* a position that is open after the last bar: no tool closes it here, and none reports it as a trade;
* sizes: ours come from the notional of an order, theirs are 1, so only bars and prices are compared;
* averages before their first value: TA-Lib's begin with a simple mean, pandas' with the first price, which moves
  crossings of the first hundred bars. All three trade the columns that TA-Lib gives.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
import talib

from tests.backtest.bars_by_hand import DESK, MINUTE, WIDE
from tradebot.backtest.job import Bill, Costs, Job
from tradebot.backtest.run import run_backtest
from tradebot.bench.backtest.backtest import STRATEGY_CODE
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.strategies.loading import StrategySpec

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".venv-rivals/bin/python"
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
IST_NS = 19_800 * SECOND
TAKES_S = 110
Rows = list[tuple[int, float, float, float, float]]  # start in ns, open, high, low, close


def midnight(text: str) -> int:
    return int(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * SECOND


def lean_minutes(folder: Path) -> Rows:
    rows: Rows = []
    for path in sorted(folder.glob("*_trade.zip")):
        day = midnight(path.name[:8])
        with zipfile.ZipFile(path) as packed:
            for line in packed.read(packed.namelist()[0]).decode().split():
                at, *prices = line.split(",")
                rows.append((day + int(at) * SECOND // 1000, *(int(p) / 10_000 for p in prices[:4])))
    return rows


def aapl(folder: Path) -> Rows:
    return lean_minutes(folder / "lean-usa/minute-aapl")


def yesbank(folder: Path) -> Rows:
    return lean_minutes(folder / "lean-india/equity/india/minute/yesbank")


def btcusdt(folder: Path) -> Rows:
    rows: Rows = []
    with zipfile.ZipFile(folder / "lean-crypto/binance__hour__btcusdt_trade.zip") as packed:
        for line in packed.read(packed.namelist()[0]).decode().splitlines():
            at, *prices = line.split(",")
            start = int(datetime.strptime(at, "%Y%m%d %H:%M").replace(tzinfo=UTC).timestamp()) * SECOND
            rows.append((start, *map(float, prices[:4])))
    return rows


def btc_month(folder: Path) -> Rows:
    rows: Rows = []
    with gzip.open(folder / "nautilus-binance/btc-perp-20211231-20220201_1m.csv.gz", "rt") as file:
        for line in file.read().splitlines()[1:]:
            at, *prices = line.split(",")
            start = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * SECOND
            rows.append((start, *map(float, prices[:4])))
    return rows


def orcl(folder: Path) -> Rows:
    lines = (folder / "basana/orcl-2000-yahoo-sorted.csv").read_text().splitlines()[1:]
    return [(midnight(line[:10].replace("-", "")), *map(float, line.split(",")[1:5])) for line in lines]


def nse_ticks(folder: Path) -> Rows:
    """One stock's ticks of a day as minutes: rows of 1970 and from outside the session left out, in order of time."""
    ticks: dict[int, list[float]] = {}
    with gzip.open(folder / "nse-ticks-2021-06-11/ASIANPAINT.csv.gz", "rt") as file:
        stamped = sorted((line.split(",")[:2] for line in file.read().splitlines()[1:]), key=lambda row: row[0])
    for at, price in stamped:
        if "2021-06-11 09:15" <= at[:16] < "2021-06-11 15:30":
            moment = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * SECOND - IST_NS
            ticks.setdefault(moment // MINUTE * MINUTE, []).append(float(price))
    return [(at, seen[0], max(seen), min(seen), seen[-1]) for at, seen in sorted(ticks.items())]


def series_of(rows: Rows, interval: int) -> BarSeries:
    table = np.array([row[1:] for row in rows]).T
    open_, high, low, close = np.rint(table * 10_000).astype(np.int64)
    return BarSeries(
        symbol="X", interval=interval, starts=np.array([row[0] for row in rows], dtype=np.int64), open=open_,
        high=np.maximum.reduce([open_, high, close]), low=np.minimum.reduce([open_, low, close]), close=close,
        volume=np.full(len(rows), 10**9, dtype=np.int64),
    )  # fmt: skip


def ours(series: BarSeries, spans: tuple[int, int]) -> list[list[float]]:
    instrument = Instrument(symbol="X", tick_size=Decimal("0.0001"), price_decimals=4)
    params = dict(zip(("fast", "slow"), spans, strict=True))
    asked = Job(
        strategies=(StrategySpec(name="cross", reference="cross.py:Cross", params=params, code=STRATEGY_CODE),),
        instruments=(instrument,),
        interval=series.interval,
        limits=WIDE,
        costs=Costs(bill=Bill.NONE),
        desk=msgspec.structs.replace(DESK, order_notional=Decimal(10**7)),
    )
    result = run_backtest(asked, {"X": series})
    rows = {int(start): row for row, start in enumerate(series.starts)}
    assert result.counts["denied"] == 0
    trades, quantity = result.trade_rows, result.trade_rows.quantity
    return [
        [rows[int(entered)], rows[int(exited)], entry / size / 10_000, exit_ / size / 10_000]
        for entered, exited, entry, exit_, size in zip(
            trades.entered_at, trades.exited_at, trades.entry_value, trades.exit_value, quantity, strict=True
        )
    ]


CASES: dict[str, tuple[Callable[[Path], Rows], int, tuple[int, int]]] = {
    "AAPL minutes": (aapl, MINUTE, (12, 26)),
    "YESBANK minutes": (yesbank, MINUTE, (12, 26)),
    "BTCUSDT hours": (btcusdt, HOUR, (3, 7)),  # five days of them
    "BTCUSDT minutes": (btc_month, MINUTE, (12, 26)),  # a month of them
    "ORCL days": (orcl, DAY, (12, 26)),
    "NSE ticks as minutes": (nse_ticks, MINUTE, (12, 26)),
}


@pytest.fixture(scope="module")
def theirs(conformance: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[list[float]]]]:
    """Return case -> tool -> its trades, from one run of their Python over all cases."""
    if not PYTHON.exists():
        reason = "backtesting.py and vectorbt are not installed; run `make rivals-env`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder, paths = tmp_path_factory.mktemp("bars"), []
    for number, (load, interval, (fast, slow)) in enumerate(CASES.values()):
        series = series_of(load(conformance), interval)
        close = series.close / 10_000.0
        columns = {name: getattr(series, name) / 10_000.0 for name in ("open", "high", "low", "close")}
        paths.append(folder / f"{number}.npz")
        np.savez(paths[-1], fast=talib.EMA(close, fast), slow=talib.EMA(close, slow), **columns)
    done = subprocess.run(
        [str(PYTHON), str(HERE / "backtest_client.py"), *map(str, paths)],
        capture_output=True, text=True, timeout=TAKES_S, check=True,
    )  # fmt: skip
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.timeout(TAKES_S + 60)
@pytest.mark.parametrize("case", CASES)
def test_our_trades_are_those_of_the_others(
    case: str, conformance: Path, theirs: dict[str, dict[str, list[list[float]]]]
) -> None:
    load, interval, spans = CASES[case]

    mine = ours(series_of(load(conformance), interval), spans)

    assert len(mine) >= 3
    for tool, trades in theirs[case].items():
        assert [trade[:2] for trade in mine] == [trade[:2] for trade in trades], tool
        assert np.allclose(mine, trades, rtol=0, atol=1e-9), tool
