"""The benchmark of sweeps: the same trials in one process and on several, over bars of the synthetic market."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tradebot.backtest.job import Job
from tradebot.backtest.sample import sample_bars
from tradebot.bench.measuring.cpu import cpu_seconds
from tradebot.bench.measuring.report import library_versions, machine_state
from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.strategies.loading import load_strategy
from tradebot.sweep.executors import InlineExecutor, ProcessExecutor, TrialExecutor
from tradebot.sweep.parameter_space import ParameterAxis, ParameterSpace
from tradebot.sweep.results_file import ResultsFile
from tradebot.sweep.sweep import SweepPlan, results_header, run_sweep
from tradebot.sweep.trial import SweepData, TrialRow

STRATEGY = "ema_cross"
DAY_BARS = 375  # minutes of a session
SLOWS = 10  # values of the slow average; the number of fast ones follows from the trials


def measure_sweep(
    *, trials: int, bars: int, workers: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time a grid of about `trials` trials over `bars` bars inline and on `workers` processes, with start and end."""
    shared_data = SweepData(job=_job(), series={"RELIANCE": _bars(bars)})
    plan = SweepPlan(space=_space(trials))
    progress(f"{plan.row_count} trials over {bars:,} bars, one process")
    alone_s, alone_cpu_s, alone = _timed(plan, shared_data, lambda: InlineExecutor(shared_data), clock)
    progress(f"the same on {workers} processes")
    crew_s, crew_cpu_s, crew = _timed(plan, shared_data, lambda: ProcessExecutor(shared_data, workers), clock)
    return {
        "asked": {"trials": plan.row_count, "bars": bars, "workers": workers, "strategy": STRATEGY},
        "one_process_s": round(alone_s, 3),
        "processes_s": round(crew_s, 3),
        "speedup": round(alone_s / crew_s, 3),
        "one_process_cpu_s": alone_cpu_s and round(alone_cpu_s, 3),
        "processes_cpu_s": crew_cpu_s and round(crew_cpu_s, 3),
        # The speed-up on idle cores, by processor time; a busy machine does not change it.
        "speedup_by_cpu": alone_cpu_s and crew_cpu_s and round(workers * alone_cpu_s / crew_cpu_s, 3),
        "trials_per_s": round(plan.row_count / crew_s, 1),
        "ms_a_trial": round(alone_s / plan.row_count * 1e3, 3),
        "rows": "the same" if alone == crew else "DIFFERENT",
        "fills": sum(int(row.figures.get("trades") or 0) for row in alone) * 2,
        "machine": machine_state(),
        "versions": library_versions(),
    }


def _timed(
    plan: SweepPlan, shared_data: SweepData, crew_of: Callable[[], TrialExecutor], clock: Clock
) -> tuple[float, float | None, list[TrialRow]]:
    with tempfile.TemporaryDirectory() as folder:
        begin, before = clock.monotonic_ns(), cpu_seconds(os.getpid())
        executor = crew_of()
        try:
            with ResultsFile(Path(folder) / "ledger", results_header(plan, shared_data), resume=False) as ledger:
                rows = run_sweep(plan, executor, ledger, clock=clock)
            after = cpu_seconds(os.getpid())  # while the workers are alive
        finally:
            executor.stop_workers()
        used = None if before is None or after is None else sum(after.used_since(before))
        return (clock.monotonic_ns() - begin) / SECOND, used, rows


def _space(trials: int) -> ParameterSpace:
    fasts = tuple(range(4, 4 + max(1, round(trials / SLOWS))))
    slows = tuple(range(max(fasts) + 5, max(fasts) + 5 + 10 * SLOWS, 10))
    return ParameterSpace(axes=(ParameterAxis(name="fast", values=fasts), ParameterAxis(name="slow", values=slows)))


def _bars(count: int) -> BarSeries:
    # Calendar days for so many sessions, with spare ones for holidays.
    days = timedelta(days=10 + count // DAY_BARS * 8 // 5)
    _, series = sample_bars(("RELIANCE",), days=days.days)
    found = series["RELIANCE"]
    assert len(found) >= count, f"the sample has {len(found)} bars"
    columns = {name: np.ascontiguousarray(getattr(found, name)[-count:]) for name in SERIES_COLUMNS}
    return BarSeries(symbol="RELIANCE", interval=found.interval, **columns)


def _job() -> Job:
    universe, _ = sample_bars(("RELIANCE",), days=3)
    return Job(strategies=(load_strategy(STRATEGY),), instruments=universe.instruments, interval=MINUTE)
