"""The results of a sweep: its rows as a tidy data frame, in CSV or Parquet, and the checks over many trials."""

from __future__ import annotations

import contextlib
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tradebot.backtest.check import Check, CheckVerdict, verdict_at_least
from tradebot.backtest.metrics import LABELS
from tradebot.backtest.report import write_file_atomically
from tradebot.errors import ConfigError, DataError
from tradebot.history.files.duckdb_files import write_parquet
from tradebot.sweep.parameter_space import ParameterSpace
from tradebot.sweep.sweep import SweepPlan, best_row, pool_symbols
from tradebot.sweep.trial import DONE, TEST, TRAIN, TrialRow

PASS_SHARE, WARN_SHARE = 0.7, 0.3  # a median neighbour with this share of the best result passes, or only warns
PASS_SYMBOLS, WARN_SYMBOLS = 2 / 3, 1 / 2  # wins on this share of the symbols pass, or only warn


def results_frame(rows: Sequence[TrialRow], space: ParameterSpace) -> pd.DataFrame:
    """Return one row per trial: number, role, fold, symbol, parameters, state, reason, every figure, orders_hash.

    `symbol` is empty where all symbols were tried together. A parameter with the name of another column gets the prefix
    `param_`.
    """
    own = {"number", "role", "fold", "symbol", "state", "reason", "orders_hash", *LABELS}
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows] for name in ("number", "role", "fold", "symbol")
    }
    for axis in space.axes:
        name = f"param_{axis.name}" if axis.name in own else axis.name
        columns[name] = [row.values[axis.name] for row in rows]
    columns |= {name: [getattr(row, name) for row in rows] for name in ("state", "reason")}
    columns |= {name: [row.figures.get(name) for row in rows] for name in LABELS}
    columns["orders_hash"] = [row.orders_hash for row in rows]
    made = pd.DataFrame(columns)
    figures = [name for name in LABELS if name != "trades"]
    return made.astype(dict.fromkeys(figures, np.float64) | {"trades": "Int64"})


def check_output_path(path: Path) -> None:
    """Check before the work that the results can be written to `path`. Raises ConfigError, DataError."""
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--out {path} must end in .csv or .parquet")
    if path.suffix == ".parquet" and importlib.util.find_spec("duckdb") is None:
        raise ConfigError("--out with .parquet needs DuckDB: pip install 'tradebot[data]'; .csv needs nothing")
    if not path.parent.is_dir():
        raise DataError(f"--out {path}: the folder {path.parent} does not exist")


def write_frame(made: pd.DataFrame, path: Path) -> None:
    """Write the data frame, completely or not at all. Raises DataError."""
    if path.suffix == ".csv":
        write_file_atomically(path, made.to_csv(index=False).encode())
        return
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        write_parquet(made, unfinished)
        unfinished.replace(path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {fault.strerror or fault}") from fault


def parameter_cliff_check(rows: Sequence[TrialRow], plan: SweepPlan) -> Check:
    """Check whether the best parameters are an isolated peak: compare them with their neighbours in the sweep."""

    def said(verdict: CheckVerdict, text: str, **values: float) -> Check:
        return Check(name="cliff", title="Parameter cliff", verdict=verdict, text=text, values=values)

    top = best_row(rows, plan.objective)
    if top is None:
        return said(CheckVerdict.NONE, f"No trial has a {_name(plan)}, so there is no best one to judge.")
    by_values = {tuple(sorted(row.values.items())): row for row in rows}
    near = [by_values.get(tuple(sorted(values.items()))) for values in plan.space.neighbour_combinations(top.values)]
    found = [row.figures.get(plan.objective) for row in near if row is not None and row.state == DONE]
    values = [float(value) for value in found if value is not None]
    if len(values) < 2:
        return said(CheckVerdict.NONE, "The best parameters have fewer than two neighbours in this sweep; try a grid.")
    peak, middle = float(top.figures[plan.objective] or 0), float(np.median(values))
    if peak <= 0:
        return said(CheckVerdict.NONE, f"The best {_name(plan)} is {peak:.2f}: there is no peak to fall from.")
    share = middle / peak
    verdict = verdict_at_least(share, passes=PASS_SHARE, warns=WARN_SHARE)
    text = f"One step away from the best parameters {_name(plan)} is {middle:.2f} in the middle, against {peak:.2f}."
    return said(verdict, text, peak=peak, middle=middle, neighbours=len(values))


def walk_forward_check(rows: Sequence[TrialRow], plan: SweepPlan) -> Check:
    """Check a walk-forward: what the parameters chosen on the training spans earned on the test spans after them."""
    tests = [row for row in rows if row.role == TEST and row.state == DONE]
    net = sum(float(row.figures.get("net") or 0) for row in tests)
    trained, tested = [], []
    for test in tests:
        top = best_row([row for row in rows if row.role == TRAIN and row.fold == test.fold], plan.objective)
        before, after = (one.figures.get(plan.objective) if one else None for one in (top, test))
        if before is not None and after is not None:
            trained.append(float(before))
            tested.append(float(after))
    won = sum(float(row.figures.get("net") or 0) > 0 for row in tests)
    kept = float(np.mean(tested) / np.mean(trained)) if trained and np.mean(trained) > 0 else None
    text = f"Out of sample {won} of {len(tests)} spans won, {net:,.0f} in all"
    if trained:
        text += f"; {_name(plan)} went from {np.mean(trained):,.2f} in training to {np.mean(tested):,.2f}"
    is_good = net > 0 and kept is not None and kept >= 0.5
    verdict = CheckVerdict.FAIL if net <= 0 else CheckVerdict.PASS if is_good else CheckVerdict.WARN
    return Check(
        name="walk_forward",
        title="Walk-forward",
        verdict=verdict if tests else CheckVerdict.NONE,
        text=f"{text}.",
        values={"net": net, "won": won, "spans": len(tests), "kept": kept},
    )


def across_symbols_check(rows: Sequence[TrialRow], plan: SweepPlan) -> Check:
    """Check on how many symbols the best parameters win, where each symbol was tried alone."""
    top = best_row(pool_symbols(rows), plan.objective)
    own = [row for row in rows if top is not None and row.values == top.values]
    won = sum(float(row.figures.get("net") or 0) > 0 for row in own)
    share = won / len(own) if own else 0.0
    verdict = verdict_at_least(share, passes=PASS_SYMBOLS, warns=WARN_SYMBOLS)
    return Check(
        name="across_symbols",
        title="Symbol by symbol",
        verdict=verdict if own else CheckVerdict.NONE,
        text=f"The best parameters win on {won:,} of {len(own):,} symbols, each with an account of its own.",
        values={"won": won, "symbols": len(own)},
    )


def sharpe_deviation(rows: Sequence[TrialRow], *, days: float) -> float | None:
    """Return the standard deviation of the trials' daily Sharpe ratios, None for fewer than two.

    The ratios in the rows are annualized with `days` per year.
    """
    found = [float(row.figures["sharpe"] or 0) for row in rows if row.figures.get("sharpe") is not None]
    return float(np.std(found, ddof=1)) / math.sqrt(days) if len(found) > 1 else None


def _name(plan: SweepPlan) -> str:
    return LABELS[plan.objective].text.split(" (")[0].lower()
