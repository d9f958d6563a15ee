"""What a backtest is asked on the command line: the options that `backtest` and `sweep` share, and the job they mean.

Limits, sizes, product and times of the day come from the configuration: what is tested is what `tradebot run` would do.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import click

from tradebot.domain.home import HOME_EXCHANGE
from tradebot.markets.market import HOME
from tradebot.printing import aside

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MOST_CHANGES = 25  # of one order, as many as venues allow
SAMPLE_DAYS = 120
Tell = Callable[[str, int, int], None]  # what, done, of how many


class _Exact(click.ParamType[Decimal]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            found = Decimal(value)
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite():
            self.fail(f"{value!r} is no number", param, ctx)
        return found


class _Span(click.FloatRange):
    """A range of floats that NaN is not in: it is below and above nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


EXACT = _Exact()


class Given(NamedTuple):
    """The bars of a backtest with their instruments, all of one length."""

    instruments: tuple[Any, ...]
    series: Mapping[str, Any]
    invented: tuple[str, ...] = ()  # symbols whose prices no market had


OPTIONS = (
    click.option("--symbols", default="", help='RELIANCE,TCS or an index name or "@file".  [default: all in a file]'),
    click.option("--data", default="history", show_default=True, help="`history`, or a file or folder of bars."),
    click.option("--sample", is_flag=True, help="Bars of an invented market, made on the spot; for a first look."),
    click.option("--interval", default="", help="Length of a bar; made of shorter ones if need be."),
    click.option("--from", "start", help="First day or time that is traded; bars before it warm up."),
    click.option("--to", "end", help="Last day, or the time to stop before."),
    click.option("--tz", "zone", default="", help="Zone of times in files that name none."),
    click.option("--time-format", default="", help="Of unusual times in files, as in strftime: '%d/%m/%Y %H:%M'."),
    click.option(
        "--stamps",
        type=click.Choice(["start", "end"]),
        default="start",
        show_default=True,
        help="What of a bar its time in a file is.",
    ),
    click.option("--exchange", default=HOME_EXCHANGE, show_default=True, help="Where the symbols of files trade."),
    click.option("--accept-gaps", is_flag=True, help="Test on data with gaps, or with rows twice or out of order."),
    click.option("--cash", type=EXACT, default=Decimal(100_000), show_default=True, help="What the account has."),
    click.option("--slippage", default="none", show_default=True, help="2ticks, 5bps, spread:0.05 or volume:10."),
    click.option("--latency-bars", type=click.IntRange(0, 1000), default=0, help="Bars an order is under way."),
    click.option("--latency", type=_Span(0, 3600), default=0.0, help="Seconds an order is under way."),
    click.option(
        "--participation",
        type=_Span(0, 100, min_open=True),
        help="Percent of a bar's volume that orders may take.  [default: all]",
    ),
    click.option(
        "--costs", default="", help=f"india, none, or a percentage as 0.1%.  [default: india for {HOME.money}]"
    ),
    click.option(
        "--hours", type=click.Choice(["nse", "always"]), help="Sessions.  [default: by exchange, interval and bars]"
    ),
    click.option(
        "--account",
        type=click.Choice(["shared", "each"]),
        default="shared",
        show_default=True,
        help="One account for all symbols as the daemon trades, or one for each.",
    ),
    click.option("--every-bar", is_flag=True, help="Walk every bar; gives the same, slower."),
    click.option(
        "--time-limit",
        type=_Span(0.01, 3600),
        default=10.0,
        show_default=True,
        help="Seconds a strategy may take for a bar; ten times that for a symbol in a frame.",
    ),
    click.option("-c", "--config", "config_path", metavar="FILE", help="Configuration: risk and execution hold here."),
    click.option("--state-dir", type=click.Path(path_type=Path), help="Where the history is.  [default: as set]"),
)


def bar_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say which bars are traded, for what money and at what cost."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def bars_asked(config: Any, given: Mapping[str, Any], tell: Tell) -> Given:
    """Return the bars that `bar_options` mean, fit to be tested on. Raises DataError and UsageError."""
    from tradebot.cli.data_options import accepted_in
    from tradebot.history.interval import parse
    from tradebot.history.resample import resampled
    from tradebot.history.soundness import require_sound
    from tradebot.markets.symbols import parse_symbols

    symbols = parse_symbols(given["symbols"], cwd=Path.cwd()) if given["symbols"] else ()
    interval = parse(given["interval"]) if given["interval"] else 0
    if given["sample"]:
        if given["data"] != "history":
            raise click.UsageError("--sample makes its own bars; leave out --data")
        found = _sample(symbols)
    elif given["data"] == "history":
        found = _from_history(config, symbols or config.app.symbols, interval or parse(str(config.bars.interval)))
    else:
        found = _from_files(Path(given["data"]), symbols, interval, given, tell)
    if interval:
        exchanges = {i.symbol: i.exchange for i in found.instruments}
        series = {name: resampled(one, interval, exchanges[name]) for name, one in found.series.items()}
        found = found._replace(series=series)
    gaps, accepted = given["accept_gaps"], () if given["sample"] else accepted_in(config)
    require_sound(found.series, found.instruments, accept_gaps=gaps, accepted=accepted)
    return found


def job_asked(config: Any, given: Mapping[str, Any], bars: Given, strategies: Sequence[Any]) -> Any:
    """Return the job that `bar_options` mean for these bars and strategies. Raises DataError and UsageError."""
    from tradebot.backtest.job import Hours, Job, Matching, Slippage, delivered
    from tradebot.backtest.place import bill_of, hours_of
    from tradebot.config.desk_settings import desk_settings, limits
    from tradebot.errors import DataError
    from tradebot.history.frames import moment
    from tradebot.history.market import zone_of

    lengths = {one.interval for one in bars.series.values()}
    if len(lengths) != 1:
        raise DataError("the bars have several lengths; say one with --interval")
    if len({(zone_of(i.exchange), i.currency) for i in bars.instruments}) > 1:
        places = ", ".join(sorted({f"{i.exchange} in {i.currency}" for i in bars.instruments}))
        raise DataError(f"the symbols trade on exchanges of several hours or currencies ({places}); take one at a time")
    interval, first = lengths.pop(), bars.instruments[0]
    zone = zone_of(first.exchange)
    try:
        slippage = Slippage.parse(given["slippage"])
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--slippage") from None
    if given["cash"] < Decimal("0.01"):
        least = "more than 0" if given["cash"] <= 0 else "0.01 or more"
        raise click.BadParameter(f"should be {least}, not {given['cash']}", param_hint="--cash")
    share = given["participation"]
    job = Job(
        strategies=tuple(strategies),
        instruments=tuple(bars.instruments),
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
        costs=_costs(given["costs"], bill_of(first.exchange)),
        hours=Hours(
            market=given["hours"] or hours_of(first.exchange, interval, bars.series),
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
        invented=bars.invented,
    )
    _check_span(job, bars.series)
    return delivered(job)


def _sample(symbols: Sequence[str]) -> Given:
    from tradebot.backtest.sample import SYMBOLS, sample

    universe, series = sample(symbols or SYMBOLS, days=SAMPLE_DAYS)
    return Given(universe.instruments, series, universe.symbols)


def _from_history(config: Any, symbols: Sequence[str], interval: int) -> Given:
    from tradebot.cli.data_options import opened
    from tradebot.errors import DataError
    from tradebot.history.frames import stored_interval

    if not symbols:
        raise DataError("say which bars: --symbols RELIANCE,TCS from the history, --data PATH, or --sample")
    with opened(config) as history:
        by_length: dict[int, list[str]] = {}
        for symbol in symbols:
            by_length.setdefault(stored_interval(history, symbol, interval), []).append(symbol)
        series: dict[str, Any] = {}
        instruments: dict[str, Any] = {}
        invented: list[str] = []
        for stored, names in by_length.items():
            series |= history.load(names, stored)
            instruments |= {name: history.instrument(name, stored) for name in names}
            invented += [instruments[name].symbol for name in names if history.inventor(name, stored)]
    return Given(
        tuple(instruments[name] for name in symbols),
        {instruments[name].symbol: series[name] for name in symbols},
        tuple(invented),
    )


def _from_files(path: Path, symbols: Sequence[str], lone: int, given: Mapping[str, Any], tell: Tell) -> Given:
    from tradebot.errors import DataError
    from tradebot.history.files.rows import Wanted
    from tradebot.history.importing import Terms, read_files
    from tradebot.history.market import zone

    if given["zone"]:
        zone(given["zone"])  # a wrong one is refused whether or not the files need it
    wanted = Wanted(zone=given["zone"], time_format=given["time_format"])
    terms = Terms(exchange=given["exchange"], lone=lone, are_ends=given["stamps"] == "end")
    bare = [symbol.removeprefix(f"{terms.exchange.upper()}:") for symbol in symbols]
    with tempfile.TemporaryDirectory() as scratch:
        read = read_files(path, Path(scratch), wanted=wanted, terms=terms, symbols=bare, progress=tell)
    for note in read.notes:
        aside(note)
    late = sum(read.unsorted.values())
    for count, words in ((read.duplicates, "that say the same as one before"), (late, "that come after later ones")):
        if count and not given["accept_gaps"]:
            raise DataError(
                f"{path}: rows {words}: {count}; `tradebot data import` puts that right, or say --accept-gaps"
            )
    return Given(tuple(read.instruments), read.series)


def _check_span(job: Any, series: Mapping[str, Any]) -> None:
    from zoneinfo import ZoneInfo

    from tradebot.clock import iso
    from tradebot.errors import DataError

    if job.begin is not None and job.end is not None and job.begin >= job.end:
        raise click.UsageError("--from must be before --to")
    first = min(int(one.starts[0]) for one in series.values())
    last = max(int(one.starts[-1]) for one in series.values())
    begin, end = first if job.begin is None else job.begin, last + 1 if job.end is None else job.end
    if not any(one.starts.searchsorted(begin) < one.starts.searchsorted(end) for one in series.values()):
        span = " to ".join(iso(at, ZoneInfo(job.zone))[:16] for at in (first, last))
        raise DataError(f"there are no bars from --from to --to: they go from {span}")


def _costs(text: str, default: Any) -> Any:
    from tradebot.backtest.job import Bill, Costs

    words = text.strip().lower() or default
    if words in (Bill.INDIA, Bill.NONE):
        return Costs(bill=Bill(words))
    try:
        percent = Decimal(words.removesuffix("%"))
    except InvalidOperation:
        percent = Decimal(-1)
    if not (percent.is_finite() and 0 <= percent <= 100):
        raise click.BadParameter(
            f"should be india, none or a percentage such as 0.1%, not {text!r}", param_hint="--costs"
        )
    return Costs(bill=Bill.PERCENT, commission_pct=percent)
