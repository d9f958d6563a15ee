"""The verb `backtest`: runs past bars through the desk, gate and order machine of live trading; prints the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tradebot.cli.backtest.bars import load_requested_bars
from tradebot.cli.backtest.job import build_backtest_job
from tradebot.cli.backtest.options import bar_options
from tradebot.cli.backtest.result import show_backtest
from tradebot.cli.shared.options import CPU_CORES
from tradebot.cli.shared.progress import progress_bar
from tradebot.cli.shared.tables import prints_to_stderr
from tradebot.errors import ExitCode
from tradebot.printing import print_error_line

MAX_WORKERS = 64


@click.command()
@click.option(
    "-s", "--strategy", "strategies", multiple=True, help="A shipped name or path/to/file.py:Class; repeatable."
)
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the one strategy.")
@bar_options
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes for --account each.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page, and JSON beside it.")
@click.option("--no-checks", is_flag=True, help="Leave the honesty checks out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backtest(as_json: bool, **given: Any) -> int:
    """Trade past bars by the code that trades live: same desk, gate, orders and charges.

    The limits of [risk] and the rules of [execution] hold. Orders of a bar's close fill at the next open; inside a bar
    stops count before targets. The same bars and settings give the same orders_hash. The exit code is 65 when a
    strategy raised or took too long: it is switched off for that symbol, and the figures are those without it.
    """
    from tradebot.backtest.report import check_report_path

    if given["report"] is not None:
        check_report_path(given["report"])
    with prints_to_stderr(as_json=as_json):
        result, bars, checks = _tested(given)
    show_backtest(result, bars.series, checks, report=given["report"], as_json=as_json)
    for fault in result.faults:
        print_error_line(f"tradebot: {fault}")
    return ExitCode.DATA if result.faults else ExitCode.OK


def _tested(given: Mapping[str, Any]) -> tuple[Any, Any, Sequence[Any]]:
    from tradebot.backtest.parallel import run_parallel
    from tradebot.backtest.run import unaffordable_instruments
    from tradebot.config import load_config

    config = load_config(given["config_path"], {"app.state_dir": given["state_dir"]})
    specs = _specs(config, given)
    with progress_bar() as tell:
        bars = load_requested_bars(config, given, tell)
        job = build_backtest_job(config, given, bars, specs)
        for note in unaffordable_instruments(job, bars.series):
            print_error_line(f"tradebot: {note}")
        workers = given["workers"] or CPU_CORES
        result = run_parallel(job, bars.series, workers=workers, on_progress=lambda done, of: tell("walking", done, of))
        checks: Sequence[Any] = ()
        if not given["no_checks"]:
            from tradebot.backtest.honesty_checks import run_honesty_checks as honest

            tell("checking", 0, 1)
            checks = honest(result, bars.series, run_parallel)
            tell("checking", 1, 1)
    return result, bars, checks


def _specs(config: Any, given: Mapping[str, Any]) -> list[Any]:
    from tradebot.strategies.loading import load_strategy

    names = given["strategies"]
    if not names:
        return [load_strategy(s.name, s.params, symbols=s.symbols) for s in config.strategy]
    if given["params"] and len(names) > 1:
        raise click.UsageError("--param belongs to one --strategy; write several into the configuration")
    return [load_strategy(name, dict(map(_param, given["params"]))) for name in names]


def _param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"should be NAME=VALUE, not {text!r}", param_hint="--param")
    words = value.strip()
    if words.lower() in ("true", "false"):
        return name.strip(), words.lower() == "true"
    for kind in (int, float):
        try:
            return name.strip(), kind(words)
        except ValueError:
            continue
    return name.strip(), words
