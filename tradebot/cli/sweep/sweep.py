"""The verb `sweep`: one backtest per set of parameters, on all cores or a cluster; stopped, it can go on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from tradebot.cli.backtest.bars import bars_asked
from tradebot.cli.backtest.job import job_asked
from tradebot.cli.backtest.options import CORES, bar_options
from tradebot.cli.shared.progress import progress
from tradebot.cli.shared.tables import others_aside, standard_console
from tradebot.clock import SECOND
from tradebot.errors import ExitCode
from tradebot.printing import aside, say, say_json

CHOICES = ("sharpe", "net", "total_return", "cagr", "sortino", "calmar", "profit_factor", "win_rate", "expectancy")


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
@click.option("--objective", type=click.Choice(CHOICES), default="sharpe", show_default=True, help="To make large.")
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
@click.option("--workers", type=click.IntRange(0, 1024), default=CORES, show_default="one a core", help="Processes.")
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

    with others_aside(as_json=given["as_json"]):
        made = _made(given)
    if made is None:
        return ExitCode.INTERRUPTED
    plan, rows, checks, places = made
    _tell(plan, rows, checks, places, as_json=given["as_json"])
    return ExitCode.DATA if all(row.state == FAILED for row in rows) else ExitCode.OK


def _made(given: dict[str, Any]) -> tuple[Any, Any, list[Any], dict[str, Any]] | None:
    from tradebot.clock import WallClock
    from tradebot.config import load
    from tradebot.strategies.loading import load_strategy
    from tradebot.sweep import outcome
    from tradebot.sweep.ledger import Ledger
    from tradebot.sweep.sweep import head, pooled
    from tradebot.sweep.sweep import sweep as make
    from tradebot.sweep.trial import Ground

    out, heat_map = _places(given)
    spec = load_strategy(given["strategy"])
    config = load(given["config_path"], {"app.state_dir": given["state_dir"]})
    with progress() as tell_reading:
        bars = bars_asked(config, given, tell_reading)
    job = job_asked(config, given, bars, (spec,))
    ground = Ground(job=job, series=dict(bars.series))
    plan = _plan(given, job, ground.series, spec)
    clock, place = WallClock(), out.with_name(f"{out.name}.ledger")
    begin = clock.monotonic()
    if given["resume"] and not place.exists():
        aside(f"tradebot: {place} is not there, so there is nothing to go on from; beginning anew")
    ledger = Ledger(place, head(plan, ground), resume=given["resume"])
    try:
        with _stoppable(), closing(_crew(given, ground, plan.size)) as crew, ledger, _progress(plan.size) as tell:
            rows = make(plan, crew, ledger, clock=clock, patience_s=given["patience"], on_progress=tell)
    except KeyboardInterrupt:
        aside(
            f"tradebot: stopped after {len(ledger.rows):,} of {plan.size:,} trials, which are kept in {place}; "
            "the same command with --resume goes on"
        )
        return None
    seconds = (clock.monotonic() - begin) / SECOND
    outcome.write(outcome.frame(rows, plan.space), out)
    alone = [outcome.across(rows, plan)] if plan.symbols else []
    rows = pooled(rows) if plan.symbols else rows
    best = _Best(plan, rows, ground)
    checks = [] if given["no_checks"] else [*alone, *best.checks()]
    _draw(heat_map, plan, rows, checks, ground)
    if given["report"] is not None:
        best.report(given["report"], checks)
    ledger.remove()
    places = {"out": str(out), "heat_map": str(heat_map), "report": best.written, "seconds": round(seconds, 3)}
    return plan, rows, checks, places


def _places(given: dict[str, Any]) -> tuple[Path, Path]:
    from tradebot.backtest.report import check_place
    from tradebot.sweep import outcome

    out: Path = given["out"]
    outcome.check_out(out)
    heat_map = out.with_suffix(".html")
    if given["report"] is not None:
        check_place(given["report"])
        if given["forward"] is not None:
            raise click.UsageError("--report is about the one best trial, and a walk-forward has none; leave it out")
        if given["report"].resolve() == heat_map.resolve():
            raise click.UsageError(f"--report {given['report']} is where the heat map of --out {out} goes")
    return out, heat_map


class _Best:
    """The best trial made again, for its checks and its report."""

    def __init__(self, plan: Any, rows: Any, ground: Any) -> None:
        import msgspec

        from tradebot.backtest.spread import run_spread
        from tradebot.sweep.sweep import best
        from tradebot.sweep.trial import Trial, job_of

        self.plan, self.rows, self.ground, self.written = plan, rows, ground, ""
        found = None if plan.folds else best(rows, plan.objective)
        self.result = None
        if found is not None:
            job = job_of(Trial(number=found.number, values=found.values), ground.job)
            if plan.symbols:
                job = msgspec.structs.replace(job, shared=False)
            self.result = run_spread(job, ground.series)

    def checks(self) -> list[Any]:
        from tradebot.backtest import honesty
        from tradebot.backtest.metrics import points_a_year
        from tradebot.backtest.spread import run_spread
        from tradebot.sweep import outcome

        if self.plan.folds:
            return [outcome.forward(self.rows, self.plan)]
        found = [outcome.cliff(self.rows, self.plan)]
        if self.result is not None:
            deviation = outcome.sharpe_deviation(self.rows, days=points_a_year(self.result.equity))
            found += honesty.checks(
                self.result,
                self.ground.series,
                run_spread,
                trials=len(self.rows),
                deviation=deviation,
                seed=self.plan.seed,
            )
        return found

    def report(self, path: Path, checks: list[Any]) -> None:
        from tradebot.backtest import report, story

        if self.result is None:
            aside("tradebot: no report: there is no one best trial to report on")
            return
        whole = story.summary(self.result, checks)
        report.write(path, story.tell(self.result, self.ground.series, checks, summary_=whole), whole)
        self.written = str(path)


def _plan(given: dict[str, Any], job: Any, series: dict[str, Any], spec: Any) -> Any:
    from tradebot.errors import ConfigError
    from tradebot.sweep.search import Kind
    from tradebot.sweep.space import parse
    from tradebot.sweep.sweep import Plan
    from tradebot.sweep.windows import WalkForward, folds

    kind = Kind(given["kind"])
    if kind is Kind.GRID and given["trials"] is not None:
        raise ConfigError("--trials is for --search random and optuna; a grid tries every combination")
    if given["each_symbol"] and (kind is Kind.OPTUNA or given["forward"] is not None):
        raise ConfigError("--each-symbol compares the same parameters over symbols: use a grid or random, all at once")
    space = parse(given["params"], spec.load().params, strategy=spec.name)
    begin, end = span(job, series)
    steps = (
        []
        if given["forward"] is None
        else folds(
            begin,
            end,
            kind=WalkForward(given["forward"]),
            train=_window("--train", given["train"]),
            test=_window("--test", given["test"]),
        )
    )
    return Plan(
        space=space,
        kind=kind,
        trials=given["trials"],
        seed=given["seed"],
        objective=given["objective"],
        folds=tuple(steps),
        symbols=tuple(series) if given["each_symbol"] else (),
    )


def _window(option: str, text: str) -> int:
    from tradebot.errors import ConfigError
    from tradebot.history.interval import MONTH, parse

    found = parse(text)
    if found == MONTH and "d" not in text.lower():
        raise ConfigError(f"{option} {text}: months are not of one length; say days, such as 30d")
    return found


def span(job: Any, series: dict[str, Any]) -> tuple[int, int]:
    """Return the first midnight and the end of what a job trades, in market ns."""
    import pandas as pd

    first = min(int(one.starts[0]) for one in series.values()) if job.begin is None else job.begin
    last = max(int(one.starts[-1]) for one in series.values()) + job.interval
    midnight = pd.Timestamp(first, unit="ns", tz=job.zone).normalize()
    return int(midnight.as_unit("ns").value), last if job.end is None else min(job.end, last)


def _crew(given: dict[str, Any], ground: Any, trials: int) -> Any:
    from tradebot.sweep.crew import Cluster, Inline, Processes

    if given["cluster"]:
        return Cluster(ground, given["cluster"], is_trusted=given["cluster_without_tls"])
    if not given["workers"]:
        return Inline(ground)
    return Processes(ground, min(given["workers"], trials))


@contextmanager
def _stoppable() -> Iterator[None]:
    # A polite kill is as good as Ctrl-C: what is done is kept, the workers end.
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


def _draw(path: Path, plan: Any, rows: Any, checks: list[Any], ground: Any) -> None:
    from tradebot.backtest.report import whole_file
    from tradebot.sweep.heat import page

    job = ground.job
    symbols = [instrument.symbol for instrument in job.instruments]
    title = f"Sweep of {job.strategies[0].name} on {', '.join(symbols[:4])}"
    title += f" and {len(symbols) - 4} more" if len(symbols) > 4 else ""
    bars = sum(map(len, ground.series.values()))
    period = f"{len(rows):,} trials by {plan.kind.value}, seed {plan.seed}; {bars:,} bars"
    made = page(rows, plan, checks, title=title, period=period, currency=job.currency)
    whole_file(path, made.encode())


def _tell(plan: Any, rows: Any, checks: list[Any], places: dict[str, Any], *, as_json: bool) -> None:
    from tradebot.sweep import telling

    if as_json:
        say_json(telling.as_json(plan, rows, checks, **places))
        return
    telling.show(plan, rows, checks, standard_console())
    seconds = places["seconds"]
    say()
    say(f"{len(rows):,} trials in {seconds:.1f} s, {len(rows) / max(seconds, 1e-9):.1f} trials/s")
    report = f", report {places['report']}" if places["report"] else ""
    say(f"rows {places['out']}, heat map {places['heat_map']}{report}")
