"""One trial of a sweep: a set of parameters and a span of time in, one row of figures out. Pure, so it may run twice.

The same trial on the same data gives the same row in any process and on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradebot.backtest import metrics
from tradebot.backtest.job import Job
from tradebot.backtest.parallel import run_parallel
from tradebot.clock import SECOND, WallClock
from tradebot.domain.market import BarSeries
from tradebot.domain.message import Message
from tradebot.indicators.expressions import Bars
from tradebot.strategies.time_limit import LOAD_LIMIT_S, time_limit
from tradebot.strategies.user_code_guard import UserCodeGuard

DONE, REFUSED, FAILED = "done", "refused", "failed"
TRIAL, TRAIN, TEST = "trial", "train", "test"


class SweepData(Message, frozen=True, eq=False):
    """The data that all trials of a sweep share: the job whose parameters they change, and the bars by symbol."""

    job: Job
    series: dict[str, BarSeries]


class SweepTrial(Message, frozen=True):
    """One backtest to run: parameters, role, span in market ns (None: the job's) and symbol (empty: all)."""

    number: int
    values: dict[str, Any]
    role: str = TRIAL
    fold: int = 0
    symbol: str = ""
    begin: int | None = None
    end: int | None = None


class TrialRow(Message, frozen=True):
    """The result of a trial, with its figures.

    `state` is "done", "refused" (by the strategy, with its `reason`) or "failed" (it raised, took too long, or its
    worker died).
    """

    number: int
    role: str
    fold: int
    values: dict[str, Any]
    state: str
    symbol: str = ""
    reason: str = ""
    figures: dict[str, float | int | None] = {}
    orders_hash: str = ""


class TrialBatch(Message, frozen=True):
    """The rows of some trials, and the seconds they took, which only determine the size of later batches."""

    rows: tuple[TrialRow, ...]
    seconds: float


def trial_job(trial: SweepTrial, job: Job) -> Job:
    """Return `job` with the parameters of its first strategy, the span and the symbols of the trial."""
    first, *rest = job.strategies
    spec = msgspec.structs.replace(first, params={**first.params, **trial.values})
    begin = job.begin if trial.begin is None else trial.begin
    end = job.end if trial.end is None else trial.end
    instruments = tuple(i for i in job.instruments if trial.symbol in ("", i.symbol))
    return msgspec.structs.replace(job, strategies=(spec, *rest), instruments=instruments, begin=begin, end=end)


def run_trial(trial: SweepTrial, shared_data: SweepData) -> TrialRow:
    """Run the backtest of one trial and return its row."""
    job = trial_job(trial, shared_data.job)
    with UserCodeGuard() as guard, time_limit(LOAD_LIMIT_S):
        job.strategies[0].create_strategy().rules(Bars())
    if guard.fault is not None:  # an invalid combination of parameters
        return _row(trial, state=REFUSED, reason=guard.fault_reason)
    result = run_parallel(job, {i.symbol: shared_data.series[i.symbol] for i in job.instruments})
    if result.faults:
        return _row(trial, state=FAILED, reason=result.faults[0])
    found = metrics.performance_figures(result.equity, result.trades, result.fills, cash=float(job.cash))
    return _row(trial, state=DONE, figures=found, orders_hash=result.orders_hash)


def run_trials(shared_data: SweepData, trials: Sequence[SweepTrial]) -> TrialBatch:
    """Run the backtests of some trials, one after the other."""
    clock = WallClock()
    begin = clock.monotonic_ns()
    rows = tuple(run_trial(trial, shared_data) for trial in trials)
    return TrialBatch(rows=rows, seconds=(clock.monotonic_ns() - begin) / SECOND)


def failed_row(trial: SweepTrial, reason: str) -> TrialRow:
    """Return the failed row of a trial that cannot be run."""
    return _row(trial, state=FAILED, reason=reason)


def _row(trial: SweepTrial, **told: Any) -> TrialRow:
    about = {name: getattr(trial, name) for name in ("number", "role", "fold", "values", "symbol")}
    return TrialRow(**about, **told)
