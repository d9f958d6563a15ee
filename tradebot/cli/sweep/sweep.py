"""The verb `sweep`: runs one backtest per parameter set, on all cores or a cluster; a stopped sweep can resume."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tradebot.cli.backtest.bars import load_requested_bars
from tradebot.cli.backtest.job import build_backtest_job
from tradebot.cli.backtest.options import bar_options
from tradebot.cli.shared.options import CPU_CORES
from tradebot.cli.shared.progress import progress_bar
from tradebot.cli.shared.tables import prints_to_stderr
from tradebot.cli.sweep.plan import build_sweep_plan
from tradebot.cli.sweep.result import BestTrial, show_sweep, write_heat_map
from tradebot.clock import SECOND
from tradebot.errors import ExitCode
from tradebot.printing import print_error_line

OBJECTIVES = ("sharpe", "net", "total_return", "cagr", "sortino", "calmar", "profit_factor", "win_rate", "expectancy")


@click.command()
@click.option("-s", "--strategy", default="ema_cross", show_default=True, help="A shipped name or file.py:Class.")
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUES",
    required=True,
    help="fast=5:20:5 (from:to:step) or fast=5,10,20; may be repeated.",
)
@click.option(
    "--search",
    "kind",
    type=click.Choice(["grid", "random", "optuna"]),
    default="grid",
    show_default=True,
    help="Every combination, some drawn, or optuna's suggestions.",
)
@click.option("--trials", type=click.IntRange(1, 1_000_000), help="How many, for random and optuna.  [default: 100]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="Of random and optuna.")
@click.option("--objective", type=click.Choice(OBJECTIVES), default="sharpe", show_default=True, help="To make large.")
@click.option("--each-symbol", is_flag=True, help="Try every symbol alone; the best is best over all of them.")
@click.option(
    "--walk-forward",
    "forward",
    type=click.Choice(["anchored", "rolling"]),
    help="Search on --train, try the winner on the --test after it, and so on.",
)
@click.option("--train", default="60d", show_default=True, help="Length of a training span.")
@click.option("--test", default="20d", show_default=True, help="Length of a test span.")
@bar_options
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sweep.csv"),
    show_default=True,
    help="Rows of all trials, .csv or .parquet; the heat map goes beside it.",
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="A report of the best trial, .html.")
@click.option("--resume", is_flag=True, help="Go on with a sweep that was stopped.")
@click.option(
    "--workers", type=click.IntRange(0, 1024), default=CPU_CORES, show_default="one a core", help="Processes."
)
@click.option("--cluster", metavar="ADDRESS", help="Run on a Dask cluster: tls://host:8786, tcp://127.0.0.1:8786.")
@click.option("--cluster-without-tls", is_flag=True, help="The way to the cluster is yours alone.")
@click.option(
    "--patience",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="Seconds without any trial done after which the workers are taken to hang.",
)
@click.option("--no-checks", is_flag=True, help="Leave out the honesty checks of the best trial.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sweep(**given: Any) -> int:
    """Backtest every set of parameters and show the best, with what speaks against believing in them.

    The rows are the same whatever the number of workers. Ctrl-C keeps what is done; --resume goes on. The exit code is
    65 when the strategy raised or took too long in every trial.
    """
    from tradebot.sweep.trial import FAILED

    with prints_to_stderr(as_json=given["as_json"]):
        made = _made(given)
    if made is None:
        return ExitCode.INTERRUPTED
    plan, rows, checks, places = made
    show_sweep(plan, rows, checks, places, as_json=given["as_json"])
    return ExitCode.DATA if all(row.state == FAILED for row in rows) else ExitCode.OK


def _made(given: dict[str, Any]) -> tuple[Any, Any, list[Any], dict[str, Any]] | None:
    from tradebot.clock import WallClock
    from tradebot.config import load_config
    from tradebot.strategies.loading import load_strategy
    from tradebot.sweep import sweep_results
    from tradebot.sweep.results_file import ResultsFile
    from tradebot.sweep.sweep import pool_symbols, results_header
    from tradebot.sweep.sweep import run_sweep as make
    from tradebot.sweep.trial import SweepData

    out, heat_map = _places(given)
    spec = load_strategy(given["strategy"])
    config = load_config(given["config_path"], {"app.state_dir": given["state_dir"]})
    with progress_bar() as tell_reading:
        bars = load_requested_bars(config, given, tell_reading)
    job = build_backtest_job(config, given, bars, (spec,))
    shared_data = SweepData(job=job, series=dict(bars.series))
    plan = build_sweep_plan(given, job, shared_data.series, spec)
    clock, place = WallClock(), out.with_name(f"{out.name}.ledger")
    begin = clock.monotonic_ns()
    if given["resume"] and not place.exists():
        print_error_line(f"tradebot: {place} is not there, so there is nothing to go on from; beginning anew")
    ledger = ResultsFile(place, results_header(plan, shared_data), resume=given["resume"])
    try:
        with (
            _stoppable(),
            _executor(given, shared_data, plan.row_count) as executor,
            ledger,
            _progress(plan.row_count) as tell,
        ):
            rows = make(plan, executor, ledger, clock=clock, patience_s=given["patience"], on_progress=tell)
    except KeyboardInterrupt:
        print_error_line(
            f"tradebot: stopped after {len(ledger.rows):,} of {plan.row_count:,} trials, which are kept in {place}; "
            "the same command with --resume goes on"
        )
        return None
    seconds = (clock.monotonic_ns() - begin) / SECOND
    sweep_results.write_frame(sweep_results.results_frame(rows, plan.space), out)
    alone = [sweep_results.across_symbols_check(rows, plan)] if plan.symbols else []
    rows = pool_symbols(rows) if plan.symbols else rows
    best = BestTrial(plan, rows, shared_data)
    checks = [] if given["no_checks"] else [*alone, *best.robustness_checks()]
    write_heat_map(heat_map, plan, rows, checks, shared_data)
    if given["report"] is not None:
        best.write_report(given["report"], checks)
    ledger.delete_file()
    places = {"out": str(out), "heat_map": str(heat_map), "report": best.report_path, "seconds": round(seconds, 3)}
    return plan, rows, checks, places


def _places(given: dict[str, Any]) -> tuple[Path, Path]:
    from tradebot.backtest.report import check_report_path
    from tradebot.sweep import sweep_results

    out: Path = given["out"]
    sweep_results.check_output_path(out)
    heat_map = out.with_suffix(".html")
    if given["report"] is not None:
        check_report_path(given["report"])
        if given["forward"] is not None:
            raise click.UsageError("--report is about the one best trial, and a walk-forward has none; leave it out")
        if given["report"].resolve() == heat_map.resolve():
            raise click.UsageError(f"--report {given['report']} is where the heat map of --out {out} goes")
    return out, heat_map


@contextmanager
def _executor(given: dict[str, Any], shared_data: Any, trials: int) -> Iterator[Any]:
    from tradebot.sweep.executors import ClusterExecutor, InlineExecutor, ProcessExecutor, TrialExecutor

    executor: TrialExecutor
    if given["cluster"]:
        executor = ClusterExecutor(shared_data, given["cluster"], is_trusted=given["cluster_without_tls"])
    elif not given["workers"]:
        executor = InlineExecutor(shared_data)
    else:
        executor = ProcessExecutor(shared_data, min(given["workers"], trials))
    try:
        yield executor
    finally:
        executor.stop_workers()


@contextmanager
def _stoppable() -> Iterator[None]:
    # SIGTERM acts as Ctrl-C does: finished trials are kept and the workers end.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.1f} trials/s")

    columns = (TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task("sweep", total=size)
        yield lambda done: bar.update(shown, completed=done)
