"""Runs a sweep from its plan to its rows: rounds of trials in an executor, each row written to the results file first.

The rows are a pure function of the plan and the shared data. The number of workers, the death of a worker, a stop and a
resumption change when rows are made, and never what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tradebot import __version__
from tradebot.clock import Clock
from tradebot.domain.market import SERIES_COLUMNS
from tradebot.domain.message import Message
from tradebot.sweep.dispatcher import TrialDispatcher
from tradebot.sweep.executors import TrialExecutor
from tradebot.sweep.parameter_space import ParameterSpace, ParameterValues
from tradebot.sweep.results_file import ResultsFile, ResultsHeader
from tradebot.sweep.search import Search, SearchKind, make_search
from tradebot.sweep.trial import DONE, TEST, TRAIN, TRIAL, SweepData, SweepTrial, TrialRow
from tradebot.sweep.walk_forward import WalkForwardFold

SUMMED_FIGURES = {"trades", "gross", "charges", "net"}


class SweepPlan(Message, frozen=True):
    """All that determines the rows of a sweep, besides the shared data.

    `objective` is the figure to maximize. With `folds` each fold is searched on its training span, and its best
    parameters are tried on its test span. With `symbols` every combination is tried on each symbol alone, which does
    not combine with folds or optuna.
    """

    space: ParameterSpace
    kind: SearchKind = SearchKind.GRID
    trials: int | None = None
    seed: int = 1
    objective: str = "sharpe"
    folds: tuple[WalkForwardFold, ...] = ()
    symbols: tuple[str, ...] = ()

    @property
    def row_count(self) -> int:
        """Return the number of rows that the sweep will have."""
        once = self.new_search().size
        return len(self.folds) * (once + 1) if self.folds else once * max(1, len(self.symbols))

    def new_search(self) -> Search:
        """Return a new search."""
        return make_search(self.kind, self.space, trials=self.trials, seed=self.seed, objective=self.objective)


def results_header(plan: SweepPlan, shared_data: SweepData) -> ResultsHeader:
    """Return the first line of the results file: a sha256 over version, plan, job with its code, and bars."""
    digest = hashlib.sha256(__version__.encode())
    for part in (plan, shared_data.job):
        digest.update(msgspec.json.encode(part))
    for one in shared_data.series.values():
        digest.update(f"{one.symbol} {one.interval} {len(one)}".encode())
        for name in SERIES_COLUMNS:
            digest.update(getattr(one, name).data)
    return ResultsHeader(sweep=digest.hexdigest(), trials=plan.row_count)


def run_sweep(
    plan: SweepPlan,
    executor: TrialExecutor,
    ledger: ResultsFile,
    *,
    clock: Clock,
    patience_s: float = 600.0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[TrialRow]:
    """Run every trial that has no row yet, and return all rows ordered by number.

    `on_progress` gets the number of finished trials. After `patience_s` without a result the workers are replaced.
    """

    def on_rows(rows: Sequence[TrialRow]) -> None:
        ledger.append_rows(rows)
        on_progress(len(ledger.rows))

    on_progress(len(ledger.rows))
    dispatch = TrialDispatcher(executor, clock=clock, on_rows=on_rows, patience_s=patience_s)

    def rows_of(trials: Sequence[SweepTrial]) -> list[TrialRow]:
        dispatch.dispatch_trials(trial for trial in trials if trial.number not in ledger.rows)
        return [ledger.rows[trial.number] for trial in trials]

    each = plan.symbols or ("",)
    for at, symbol in enumerate(each if not plan.folds else ()):
        _searched(plan, rows_of, at * (plan.row_count // len(each)), role=TRIAL, symbol=symbol)
    tests = []
    for at, fold in enumerate(plan.folds):
        span = {"fold": fold.number, "begin": fold.train_from, "end": fold.train_to}
        rows = _searched(plan, rows_of, at * (plan.row_count // len(plan.folds)), role=TRAIN, **span)
        winner = best_row(rows, plan.objective)
        values = winner.values if winner else rows[0].values
        number = (at + 1) * (plan.row_count // len(plan.folds)) - 1
        tests.append(
            SweepTrial(number=number, values=values, role=TEST, fold=fold.number, begin=fold.train_to, end=fold.test_to)
        )
    rows_of(tests)
    return [ledger.rows[number] for number in sorted(ledger.rows)]


def pool_symbols(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Return one row per set of parameters, from one row per symbol: sums of money and trades, means of other figures.

    A figure that one symbol lacks is None. A set that was refused or failed on one symbol counts as such.
    """
    sets: dict[tuple[Any, ...], list[TrialRow]] = {}
    for row in rows:
        sets.setdefault(tuple(row.values.items()), []).append(row)
    return [_joined(same) for same in sets.values()]


def _joined(rows: Sequence[TrialRow]) -> TrialRow:
    bad = next((row for row in rows if row.state != DONE), None)
    if bad is not None:
        return msgspec.structs.replace(bad, symbol="")
    figures: dict[str, float | int | None] = {}
    for name in rows[0].figures:
        values = [value for row in rows if (value := row.figures[name]) is not None]
        total = sum(values) if len(values) == len(rows) else None
        figures[name] = total if total is None or name in SUMMED_FIGURES else total / len(rows)
    return msgspec.structs.replace(rows[0], symbol="", figures=figures, orders_hash="")


def best_row(rows: Sequence[TrialRow], objective: str) -> TrialRow | None:
    """Return the row with the largest objective, the first of equals; None where no row has it."""
    ranked = rank_rows(rows, objective)
    return ranked[0] if ranked else None


def rank_rows(rows: Sequence[TrialRow], objective: str) -> list[TrialRow]:
    """Return the finished rows that have the objective, largest first, equals by number."""
    valued = [row for row in rows if row.state == DONE and row.figures.get(objective) is not None]
    return sorted(valued, key=lambda row: (-float(row.figures[objective] or 0), row.number))


def _searched(
    plan: SweepPlan, rows_of: Callable[[Sequence[SweepTrial]], list[TrialRow]], number: int, **told: Any
) -> list[TrialRow]:
    looking = plan.new_search()
    rows: list[TrialRow] = []
    for values in looking.parameter_rounds():
        made = rows_of(_numbered(values, number + len(rows), told))
        looking.take_results(made)
        rows += made
    return rows


def _numbered(values: Sequence[ParameterValues], first: int, told: dict[str, Any]) -> list[SweepTrial]:
    return [SweepTrial(number=first + i, values=one, **told) for i, one in enumerate(values)]
