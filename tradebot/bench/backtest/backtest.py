"""The benchmark of backtests: crossing averages through desk, gate and orders, beside tools that have none of these.

Costs are processor time of a whole run with its worker processes, from bars in memory to the finished result. Wall time
includes the start of the workers. Rivals run in their own environment (`make rivals-env`), on the same bars, in the
same call.
"""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

import tradebot
from tradebot.backtest.job import Bill, Costs, Job
from tradebot.backtest.parallel import run_parallel
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.bench.measuring import report
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

STARTS_AT = 1_704_067_200 * SECOND  # 2024-01-01, UTC
FAST, SLOW = 12, 26
SELDOM_FACTOR = 36  # factor on both spans: one fill in about a thousand bars
NO_LIMIT = Decimal(10**12)  # no limit is reached: trading is measured, not its denial
RIVALS_PYTHON = Path(tradebot.__file__).resolve().parents[1] / ".venv-rivals/bin/python"
RIVALS_SCRIPT = Path(__file__).parents[1] / "rivals/backtest.py"
RIVALS_WITHIN_S = 600
STRATEGY_CODE = """
from tradebot.indicators.expressions import crossed_above, crossed_below, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class Cross(Strategy):
    fast, slow = Param(12), Param(26)

    def rules(self, bars):
        fast, slow = ta.EMA(bars.close, self.fast), ta.EMA(bars.close, self.slow)
        return Rules(enter_long=crossed_above(fast, slow), exit_long=crossed_below(fast, slow))
"""


def measure_backtests(
    *,
    bars: int,
    symbols: int,
    bars_each: int,
    workers: int,
    repeats: int,
    rivals: Path,
    clock: Clock,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Measure one instrument with many bars, many instruments with few, and every rival that is installed.

    Raises DataError when a rival's process fails.
    """
    one = {"S0": random_walk("S0", bars, seed=7)}
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for name, times in (("often", 1), ("seldom", SELDOM_FACTOR)):
        progress(f"one instrument, trading {name}")
        rows.append(_alone(backtest_job(("S0",), times=times), one, name, repeats))
        found[name] = rows[-1]
    often, seldom = found["often"], found["seldom"]
    orders = [_order_cost(often, seldom)]
    short = {"S0": one["S0"].select_bars(slice(bars // 5))}
    progress("the same on a fifth of the bars")
    fifth = [
        _alone(backtest_job(("S0",), times=times), short, name, repeats)
        for name, times in (("o", 1), ("s", SELDOM_FACTOR))
    ]
    orders.append(_order_cost(*fifth))
    many = {f"S{n}": random_walk(f"S{n}", bars_each, seed=100 + n) for n in range(symbols)}
    for name, shared, processes in (("accounts of their own", False, workers), ("one shared account", True, 1)):
        progress(f"{symbols} instruments, {name}")
        rows.append(_together(backtest_job(tuple(many), shared=shared), many, name, processes, clock))
    others, absent = _rivals(rivals, one["S0"], many, progress)
    return {
        "asked": {"bars": bars, "symbols": symbols, "bars_each": bars_each, "workers": workers, "repeats": repeats},
        "rows": rows + others,
        "order_us": {"fills": [often["fills"], fifth[0]["fills"]], "signal_to_booked_fill": orders},
        "absent": absent,
        "machine": report.machine_state(),
        "versions": report.library_versions(),
    }


def random_walk(symbol: str, count: int, *, seed: int) -> BarSeries:
    """Return one-minute bars of a random walk from 10,000 in steps of 0.05; each opens at the last close."""
    draw = np.random.default_rng(seed)
    close = np.maximum(200_000 + np.cumsum(draw.integers(-20, 21, count)), 1_000) * 5
    open_ = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(open_, close) + draw.integers(0, 10, count) * 5
    low = np.minimum(open_, close) - draw.integers(0, 10, count) * 5
    starts = STARTS_AT + MINUTE * np.arange(count, dtype=np.int64)
    return BarSeries(
        symbol=symbol,
        interval=MINUTE,
        starts=starts,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=np.full(count, 1_000, dtype=np.int64),
    )


def backtest_job(symbols: Sequence[str], *, times: int = 1, shared: bool = True) -> Job:
    """Return the job: averages of `times` x 12 and 26 bars, Indian charges, all controls with limits never reached."""
    spec = StrategySpec(
        name="cross",
        reference="cross.py:Cross",
        params={"fast": FAST * times, "slow": SLOW * times},
        code=STRATEGY_CODE,
    )
    limits = Limits(
        max_order_quantity=NO_LIMIT,
        max_order_notional=NO_LIMIT,
        max_position_notional=NO_LIMIT,
        max_gross_notional=NO_LIMIT,
        max_daily_loss=NO_LIMIT,
        max_open_orders=10**6,
        price_collar_pct=Decimal(20),
        orders_per_second=10**6,
        orders_per_minute=10**6,
        orders_per_day=10**6,
    )
    return Job(
        strategies=(spec,),
        instruments=tuple(Instrument(symbol=symbol) for symbol in symbols),
        interval=MINUTE,
        cash=NO_LIMIT,
        limits=limits,
        desk=DeskSettings(order_notional=Decimal(100_000), max_daily_loss=NO_LIMIT),
        costs=Costs(bill=Bill.INDIA),
        shared=shared,
    )


def _alone(asked: Job, series: dict[str, BarSeries], name: str, repeats: int) -> dict[str, Any]:
    best, result = None, None
    for _ in range(repeats):
        begin = process_time()
        result = run_backtest(asked, series)
        spent = process_time() - begin
        best = spent if best is None else min(best, spent)
    assert result is not None, "a benchmark of no repeats"
    assert best is not None
    return _row("tradebot", name, result, cpu_s=best)


def _row(rival: str, name: str, result: Result, *, cpu_s: float) -> dict[str, Any]:
    bars = result.counts["bars"]
    return {
        "rival": rival,
        "run": name,
        "bars": bars,
        "fills": result.counts["fills"],
        "us_a_bar": cpu_s / bars * 1e6,
        "cpu_s": cpu_s,
        "wall_s": None,
    }


def _order_cost(often: dict[str, Any], seldom: dict[str, Any]) -> float:
    spent: float = often["cpu_s"] - seldom["cpu_s"]
    fills: int = often["fills"] - seldom["fills"]
    return spent / fills * 1e6


def _together(asked: Job, series: dict[str, BarSeries], name: str, workers: int, clock: Clock) -> dict[str, Any]:
    begin, cpu = clock.monotonic_ns(), _spent()
    result = run_parallel(asked, series, workers=workers)
    row = _row("tradebot", f"{len(series)} instruments, {name}", result, cpu_s=_spent() - cpu)
    return row | {"wall_s": (clock.monotonic_ns() - begin) / SECOND}


def _spent() -> float:
    # Processor seconds of this process and of all its ended children.
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in (mine, theirs))


def _rivals(
    python: Path, one: BarSeries, many: dict[str, BarSeries], progress: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[str]]:
    if not python.exists():
        return [], [f"backtesting.py and vectorbt are not installed at {python}: run `make rivals-env`"]
    progress("the rivals")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/one.npy", np.stack([one.open, one.high, one.low, one.close]) / 100.0)
        closes = np.stack([s.close for s in many.values()]) / 100.0
        np.save(f"{folder}/many.npy", np.stack([np.stack([s.open for s in many.values()]) / 100.0, closes]))
        try:
            done = subprocess.run(
                [str(python), str(RIVALS_SCRIPT), folder, str(FAST), str(SLOW), str(SELDOM_FACTOR)],
                capture_output=True,
                text=True,
                timeout=RIVALS_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [], [f"the rivals took longer than {RIVALS_WITHIN_S} s"]
    if done.returncode:
        raise DataError(f"the rivals in {python} failed: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer["rows"], answer["absent"]
