"""The benchmark of sweeps: the same trials in one process and on several, over bars of the invented market."""

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
from tradebot.domain.market import SERIES_COLUMNS, Series
from tradebot.strategies.loading import load_strategy
from tradebot.sweep.crew import Crew, Inline, Processes
from tradebot.sweep.ledger import Ledger
from tradebot.sweep.space import Axis, Space
from tradebot.sweep.sweep import Plan, head, sweep
from tradebot.sweep.trial import Ground, Row

STRATEGY = "ema_cross"
DAY_BARS = 375  # minutes of a session
SLOWS = 10  # values of the slow average; the fast one takes as many as the trials need


def measure_sweep(
    *, trials: int, bars: int, workers: int, clock: Clock, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time a grid of about `trials` trials over `bars` bars inline and on `workers` processes, start and end too."""
    ground = Ground(job=_job(), series={"RELIANCE": _bars(bars)})
    plan = Plan(space=_space(trials))
    progress(f"{plan.size} trials over {bars:,} bars, one process")
    alone_s, alone_cpu_s, alone = _timed(plan, ground, lambda: Inline(ground), clock)
    progress(f"the same on {workers} processes")
    crew_s, crew_cpu_s, crew = _timed(plan, ground, lambda: Processes(ground, workers), clock)
    return {
        "asked": {"trials": plan.size, "bars": bars, "workers": workers, "strategy": STRATEGY},
        "one_process_s": round(alone_s, 3),
        "processes_s": round(crew_s, 3),
        "speedup": round(alone_s / crew_s, 3),
        "one_process_cpu_s": alone_cpu_s and round(alone_cpu_s, 3),
        "processes_cpu_s": crew_cpu_s and round(crew_cpu_s, 3),
        # What the work alone would allow on idle cores: the same for a machine that has other things to do.
        "speedup_by_cpu": alone_cpu_s and crew_cpu_s and round(workers * alone_cpu_s / crew_cpu_s, 3),
        "trials_per_s": round(plan.size / crew_s, 1),
        "ms_a_trial": round(alone_s / plan.size * 1e3, 3),
        "rows": "the same" if alone == crew else "DIFFERENT",
        "fills": sum(int(row.figures.get("trades") or 0) for row in alone) * 2,
        "machine": machine_state(),
        "versions": library_versions(),
    }


def _timed(
    plan: Plan, ground: Ground, crew_of: Callable[[], Crew], clock: Clock
) -> tuple[float, float | None, list[Row]]:
    with tempfile.TemporaryDirectory() as folder:
        begin, before = clock.monotonic_ns(), cpu_seconds(os.getpid())
        crew = crew_of()
        try:
            with Ledger(Path(folder) / "ledger", head(plan, ground), resume=False) as ledger:
                rows = sweep(plan, crew, ledger, clock=clock)
            after = cpu_seconds(os.getpid())  # while the workers live
        finally:
            crew.close()
        used = None if before is None or after is None else sum(after.used_since(before))
        return (clock.monotonic_ns() - begin) / SECOND, used, rows


def _space(trials: int) -> Space:
    fasts = tuple(range(4, 4 + max(1, round(trials / SLOWS))))
    slows = tuple(range(max(fasts) + 5, max(fasts) + 5 + 10 * SLOWS, 10))
    return Space(axes=(Axis(name="fast", values=fasts), Axis(name="slow", values=slows)))


def _bars(count: int) -> Series:
    days = timedelta(days=10 + count // DAY_BARS * 8 // 5)  # sessions among calendar days, with room for holidays
    _, series = sample_bars(("RELIANCE",), days=days.days)
    found = series["RELIANCE"]
    assert len(found) >= count, f"the sample has {len(found)} bars"
    columns = {name: np.ascontiguousarray(getattr(found, name)[-count:]) for name in SERIES_COLUMNS}
    return Series(symbol="RELIANCE", interval=found.interval, **columns)


def _job() -> Job:
    universe, _ = sample_bars(("RELIANCE",), days=3)
    return Job(strategies=(load_strategy(STRATEGY),), instruments=universe.instruments, interval=MINUTE)
