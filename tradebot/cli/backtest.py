"""The verb `backtest`: past bars through the desk, gate and order machine that trade live, and what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import click

from tradebot.cli.backtest_shown import show
from tradebot.errors import ExitCode

MOST_WORKERS = 64
DAY_NS = 86_400_000_000_000
MOST_CHANGES = 25  # of one order, as Kite allows


class Given(NamedTuple):
    """The bars of a backtest with their instruments, all of one length."""

    instruments: tuple[Any, ...]
    series: Mapping[str, Any]


@click.command()
@click.option("--strategy", "strategies", multiple=True, help="A shipped name or path/to/file.py:Class; repeatable.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the one --strategy.")
@click.option("--symbols", default="", help='RELIANCE,TCS or an index name or "@file".  [default: all in a file]')
@click.option("--data", default="history", show_default=True, help="`history`, or a file or folder of bars.")
@click.option("--interval", default="", help="Length of a bar; made of shorter ones if need be.")
@click.option("--from", "start", help="First day or time that is traded; bars before it warm up.")
@click.option("--to", "end", help="Last day, or the time to stop before.")
@click.option("--tz", "zone", default="", help="Zone of times in files that name none.")
@click.option("--exchange", default="NSE", show_default=True, help="Where the symbols of files trade.")
@click.option("--cash", type=Decimal, default=Decimal(100_000), show_default=True, help="What the account begins with.")
@click.option("--slippage", default="none", show_default=True, help="2ticks, 5bps, spread:0.05 or volume:10.")
@click.option("--latency-bars", type=click.IntRange(0, 1000), default=0, help="Bars an order is under way.")
@click.option("--latency", type=click.FloatRange(0, 3600), default=0.0, help="Seconds an order is under way.")
@click.option("--participation", type=click.FloatRange(0, 100, min_open=True),
              help="Percent of a bar's volume that orders may take.  [default: all]")  # fmt: skip
@click.option("--costs", default="", help="india, none, or a percentage such as 0.1%.  [default: india for rupees]")
@click.option("--hours", type=click.Choice(["nse", "always"]), help="Sessions.  [default: by exchange and interval]")
@click.option("--account", type=click.Choice(["shared", "each"]), default="shared", show_default=True,
              help="One account for all symbols as the daemon trades, or one for each.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS), help="Processes for --account each.")
@click.option("--every-bar", is_flag=True, help="Walk every bar; gives the same, slower.")
@click.option("--time-limit", type=click.FloatRange(0.01, 3600), default=10.0, show_default=True,
              help="Seconds a strategy may take for one bar.")  # fmt: skip
@click.option("--accept-gaps", is_flag=True, help="Test on data with gaps.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a page, and JSON beside it.")
@click.option("--no-checks", is_flag=True, help="Leave the honesty checks out.")
@click.option("-c", "--config", "config_path", metavar="FILE", help="Configuration file: risk and execution hold here.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where the history is.  [default: as configured]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backtest(config_path: str | None, state_dir: Path | None, as_json: bool, **given: Any) -> int:
    """Trade past bars by the code that trades live: same desk, gate, orders and charges.

    The limits of [risk] and the rules of [execution] hold. Orders of a bar's close fill at the next open; inside a bar
    stops count before targets. The same bars and settings give the same orders_hash. The exit code is 65 when a
    strategy raised or took too long: it is switched off for that symbol, and the figures are those without it.
    """
    from tradebot.backtest.run import run
    from tradebot.backtest.spread import run_spread
    from tradebot.cli.data_options import progress
    from tradebot.config import load

    config = load(config_path, {"app.state_dir": state_dir})
    with progress() as tell:
        bars = _bars(config, given, tell)
        job = _job(config, given, bars)
        _require_sound(bars, accept_gaps=given["accept_gaps"])
        workers = given["workers"] or config_workers()
        result = run_spread(job, bars.series, workers=workers, say=lambda done, of: tell("walking", done, of))
        checks: Sequence[Any] = ()
        if not given["no_checks"] and job.shared:
            from tradebot.backtest.honesty import checks as honest

            tell("checking", 0, 1)
            checks = honest(result, bars.series, run)
            tell("checking", 1, 1)
    show(result, bars.series, checks, report=given["report"], as_json=as_json)
    for fault in result.faults:
        click.echo(f"tradebot: {fault}", err=True)
    return ExitCode.DATA if result.faults else ExitCode.OK


def config_workers() -> int:
    """Return how many processes this machine has a core for."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bars(config: Any, given: Mapping[str, Any], tell: Any) -> Given:
    from tradebot.history.interval import parse
    from tradebot.history.resample import resampled
    from tradebot.markets.symbols import parse_symbols

    symbols = parse_symbols(given["symbols"], cwd=Path.cwd()) if given["symbols"] else ()
    interval = parse(given["interval"]) if given["interval"] else 0
    if given["data"] == "history":
        found = _from_history(config, symbols or config.app.symbols, interval or parse(str(config.bars.interval)))
    else:
        found = _from_files(Path(given["data"]), symbols, given, tell)
    if interval:
        exchanges = {i.symbol: i.exchange for i in found.instruments}
        series = {name: resampled(one, interval, exchanges[name]) for name, one in found.series.items()}
        found = found._replace(series=series)
    return found


def _from_history(config: Any, symbols: Sequence[str], interval: int) -> Given:
    from tradebot.cli.data_options import opened
    from tradebot.errors import DataError
    from tradebot.history.frames import stored_interval

    if not symbols:
        raise DataError("say which bars: --symbols RELIANCE,TCS from the history, or --data PATH")
    with opened(config) as history:
        by_length: dict[int, list[str]] = {}
        for symbol in symbols:
            by_length.setdefault(stored_interval(history, symbol, interval), []).append(symbol)
        series: dict[str, Any] = {}
        instruments: dict[str, Any] = {}
        for stored, names in by_length.items():
            series |= history.load(names, stored)
            instruments |= {name: history.instrument(name, stored) for name in names}
    return Given(tuple(instruments[name] for name in symbols), {name: series[name] for name in symbols})


def _from_files(path: Path, symbols: Sequence[str], given: Mapping[str, Any], tell: Any) -> Given:
    from tradebot.history.importing import Terms, read_files
    from tradebot.history.parsing import Wanted

    wanted, terms = Wanted(zone=given["zone"]), Terms(exchange=given["exchange"])
    with tempfile.TemporaryDirectory() as scratch:
        read = read_files(path, Path(scratch), wanted=wanted, terms=terms, symbols=symbols, progress=tell)
    return Given(tuple(read.instruments), read.series)


def _require_sound(bars: Given, *, accept_gaps: bool) -> None:
    from tradebot.history.soundness import require_sound

    require_sound(bars.series, bars.instruments, accept_gaps=accept_gaps)


def _job(config: Any, given: Mapping[str, Any], bars: Given) -> Any:
    from tradebot.backtest.job import Hours, Job, Matching, Slippage
    from tradebot.controls import desk_settings, limits
    from tradebot.errors import DataError
    from tradebot.history.frames import moment
    from tradebot.history.market import zone_of

    lengths = {one.interval for one in bars.series.values()}
    if len(lengths) != 1:
        raise DataError("the bars have several lengths; say one with --interval")
    interval, first = lengths.pop(), bars.instruments[0]
    zone = zone_of(first.exchange)
    is_indian = first.currency == "INR"
    try:
        slippage = Slippage.parse(given["slippage"])
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--slippage") from None
    share = given["participation"]
    return Job(
        strategies=tuple(_specs(config, given)),
        instruments=bars.instruments,
        interval=interval,
        cash=given["cash"],
        limits=limits(config),
        desk=desk_settings(config, most_changes=MOST_CHANGES),
        matching=Matching(
            slippage=slippage,
            latency_bars=given["latency_bars"],
            latency_s=given["latency"],
            participation=None if share is None else Decimal(str(share)) / 100,
        ),
        costs=_costs(given["costs"], is_indian=is_indian),
        hours=Hours(
            market=given["hours"] or ("nse" if is_indian and interval < DAY_NS else "always"),
            entries_until=time.fromisoformat(config.risk.entries_until),
            square_off_at=time.fromisoformat(config.risk.square_off_at),
        ),
        zone=zone,
        currency=first.currency,
        begin=moment(given["start"], zone, is_end=False),
        end=moment(given["end"], zone, is_end=True),
        every_bar=given["every_bar"],
        shared=given["account"] == "shared",
        time_limit_s=given["time_limit"],
    )


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


def _costs(text: str, *, is_indian: bool) -> Any:
    from tradebot.backtest.job import Bill, Costs

    words = text.strip().lower() or ("india" if is_indian else "none")
    if words in (Bill.INDIA, Bill.NONE):
        return Costs(bill=Bill(words))
    try:
        percent = Decimal(words.removesuffix("%"))
    except InvalidOperation:
        percent = Decimal(-1)
    if not 0 <= percent <= 100:
        raise click.BadParameter(f"should be india, none or a percentage such as 0.1%, not {text!r}",
                                 param_hint="--costs")  # fmt: skip
    return Costs(bill=Bill.PERCENT, commission_pct=percent)
