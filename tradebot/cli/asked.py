"""What a backtest is asked on the command line: the options that `backtest` and `sweep` share, and the job they mean.

Limits, sizes, product and times of the day come from the configuration: what is tested is what `tradebot run` would do.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import click

SAMPLE_DAYS = 120
CHANGES = 25  # how often the venue lets one order be changed
_SLIPPAGE = re.compile(r"(\d+(?:\.\d+)?)\s*(ticks?|t|bps|bp|%|spread|volume)?")


class Asked(NamedTuple):
    """A job with its bars (symbol -> oldest first), and the configuration they stand in."""

    job: Any
    series: dict[str, Any]
    config: Any


def bar_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say which bars are traded, for what money and at what cost."""
    options = (
        click.option("-c", "--config", "config_path", metavar="FILE", help="Configuration file."),
        click.option("--data", "data", metavar="PATH|history", default=None,
                     help="A file or folder of bars (CSV, Parquet, DuckDB), or the history of `tradebot data`."),
        click.option("--sample", is_flag=True, help="Bars of an invented market, made on the spot."),
        click.option("--symbols", help='RELIANCE,TCS or an index name or "@file".  [default: all that FILE has]'),
        click.option("--interval", default=None, help="Length of a bar.  [default: as the bars show]"),
        click.option("--from", "start", help="First day or time that is traded; bars before it warm up."),
        click.option("--to", "end", help="Last day, or the time to stop before."),
        click.option("--exchange", default=None, help="Where FILE's symbols trade.  [default: NSE]"),
        click.option("--tz", "zone", default="", help="Zone of times that name none: Asia/Kolkata, UTC."),
        click.option("--accept-gaps", is_flag=True, help="Test on bars with gaps or jumps all the same."),
        click.option("--cash", type=str, default=None, help="Money to start with.  [default: exchange.cash]"),
        click.option("--slippage", default="none", show_default=True, help="none, 1tick, 5bps, 0.1%spread, 10volume."),
        click.option("--delay", type=click.IntRange(0, 100), default=0, show_default=True, help="Bars an order waits."),
        click.option("--commission", default=None, metavar="PCT",
                     help="Percent of each fill's value.  [default: India's charges for INR, else none]"),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def asked(given: Mapping[str, Any], specs: tuple[Any, ...], *, progress: Any = None) -> Asked:
    """Return what the options of `bar_options` mean for these strategies.

    Raises UsageError, ConfigError and DataError, each one sentence.
    """
    from tradebot.backtest.job import Job
    from tradebot.clock import SECOND, iso
    from tradebot.config import load
    from tradebot.controls import desk_settings, limits
    from tradebot.errors import DataError
    from tradebot.exchange.bar_matching import Matching
    from tradebot.history.frames import moment
    from tradebot.history.market import zone_of

    if given["sample"] == (given["data"] is not None):
        raise click.UsageError("say which bars: --data PATH, --data history, or --sample")
    config = load(given["config_path"], {"app.symbols": given["symbols"]} if given["symbols"] else {})
    instruments, series = _sample(given) if given["sample"] else _bars(given, config, progress)
    zone = zone_of(instruments[0].exchange)
    currencies = {instrument.currency for instrument in instruments}
    if len(currencies) > 1:
        raise click.UsageError(f"one account has one currency; the symbols have {', '.join(sorted(currencies))}")
    job = Job(
        strategies=specs,
        instruments=tuple(instruments),
        interval=next(iter(series.values())).interval,
        cash=config.exchange.cash if given["cash"] is None else _amount("--cash", given["cash"]),
        limits=limits(config),
        desk=desk_settings(config, most_changes=CHANGES),
        matching=Matching(slippage=slippage_of(given["slippage"]), latency_bars=given["delay"]),
        costs=_costs(given["commission"], currencies.pop()),
        hours=_hours(config, zone, next(iter(series.values())).interval >= 86_400 * SECOND),
        zone=zone,
        currency=instruments[0].currency,
        begin=moment(given["start"], zone, is_end=False),
        end=moment(given["end"], zone, is_end=True),
    )
    if job.begin is not None and job.end is not None and job.begin >= job.end:
        raise click.UsageError("--from must be before --to")
    first, last = (f(int(one.starts[at]) for one in series.values()) for f, at in ((min, 0), (max, -1)))
    if (job.begin is not None and job.begin > last) or (job.end is not None and job.end <= first):
        raise DataError(f"there are no bars from --from to --to: they go from {iso(first)} to {iso(last)}")
    return Asked(job, series, config)


def slippage_of(text: str) -> Any:
    """Return the model that `none`, `1tick`, `5bps`, `0.1%spread` or `10volume` means. Raises UsageError."""
    from tradebot.exchange.slippage import Slippage, SlippageKind

    if text == "none":
        return Slippage()
    found = _SLIPPAGE.fullmatch(text.strip().lower().replace("%spread", "%").replace("%volume", "volume"))
    kinds = {
        "t": SlippageKind.TICKS, "tick": SlippageKind.TICKS, "ticks": SlippageKind.TICKS, "bp": SlippageKind.BPS,
        "bps": SlippageKind.BPS, "%": SlippageKind.SPREAD, "spread": SlippageKind.SPREAD, "volume": SlippageKind.VOLUME,
    }  # fmt: skip
    if found is None or found[2] is None:
        raise click.UsageError(f"--slippage {text}: write none, 1tick, 5bps, 0.1%spread or 10volume")
    return Slippage(kind=kinds[found[2]], amount=Decimal(found[1]))


def _sample(given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    from tradebot.backtest.sample import SYMBOLS, sample
    from tradebot.history.interval import parse
    from tradebot.markets.symbols import parse_symbols

    symbols = parse_symbols(given["symbols"], cwd=Path.cwd()) if given["symbols"] else SYMBOLS
    universe, series = sample(symbols, days=SAMPLE_DAYS, interval=parse(given["interval"] or "1m"))
    return universe.instruments, series


def _bars(given: Mapping[str, Any], config: Any, progress: Any) -> tuple[Any, dict[str, Any]]:
    from tradebot.history.soundness import require_sound

    instruments, series = _history(given, config) if given["data"] == "history" else _files(given, config, progress)
    require_sound(series, instruments, accept_gaps=given["accept_gaps"])
    return instruments, series


def _history(given: Mapping[str, Any], config: Any) -> tuple[Any, dict[str, Any]]:
    from tradebot.cli.data_options import opened
    from tradebot.history.interval import parse

    interval = parse(given["interval"] or config.bars.interval)
    with opened(config) as history:
        symbols = config.app.symbols
        return [history.instrument(symbol, interval) for symbol in symbols], history.load(symbols, interval)


def _files(given: Mapping[str, Any], config: Any, progress: Any) -> tuple[Any, dict[str, Any]]:
    from tradebot.history.importing import Terms, read_files
    from tradebot.history.interval import parse
    from tradebot.history.parsing import Wanted

    told = {} if progress is None else {"progress": progress}
    terms = Terms(exchange=given["exchange"] or "NSE", interval=parse(given["interval"]) if given["interval"] else 0)
    symbols = config.app.symbols if given["symbols"] else ()
    with tempfile.TemporaryDirectory(prefix="tradebot-") as scratch:
        read = read_files(
            Path(given["data"]), Path(scratch), wanted=Wanted(zone=given["zone"]), terms=terms, symbols=symbols, **told
        )
    return read.instruments, read.series


def _hours(config: Any, zone: str, is_daily: bool) -> Any:
    from datetime import time

    from tradebot.backtest.job import Hours
    from tradebot.history.market import INDIA

    if zone != INDIA or is_daily:
        return Hours(market="always")
    return Hours(
        market="nse",
        entries_until=time.fromisoformat(config.risk.entries_until),
        square_off_at=time.fromisoformat(config.risk.square_off_at),
    )


def _costs(commission: str | None, currency: str) -> Any:
    from tradebot.backtest.job import Bill, Costs

    if commission is not None:
        return Costs(bill=Bill.PERCENT, commission_pct=_amount("--commission", commission, least=Decimal(0)))
    return Costs(bill=Bill.INDIA if currency == "INR" else Bill.NONE)


def _amount(option: str, text: str, *, least: Decimal = Decimal("0.01")) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < least:
        raise click.UsageError(f"{option} {text}: a number of {least} or more")
    return found
