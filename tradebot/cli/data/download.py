"""The verb `data download`: fetches past bars from the configured venue into the history."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import click

from tradebot.cli.data.options import history_options
from tradebot.cli.shared.history import open_configured_history
from tradebot.cli.shared.options import exchange_option
from tradebot.cli.shared.progress import Progress, progress_bar
from tradebot.cli.shared.tables import print_rows
from tradebot.config import Config, load_with_origins
from tradebot.errors import DataError, ExitCode
from tradebot.history.history import History
from tradebot.history.interval import interval_name, parse_interval
from tradebot.printing import print_error_line


@click.command()
@click.option("--symbols", help="RELIANCE,TCS, an index name, or @file.  [default: as configured]")
@click.option("--interval", default="1m", show_default=True, help="Length of a bar, as the venue has it.")
@click.option("--from", "start", required=True, help="First day or time.")
@click.option("--to", "end", help="Last day, or the time to stop before.  [default: now]")
@exchange_option()
@history_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def download(
    symbols: str | None,
    interval: str,
    start: str,
    end: str | None,
    exchange_file: Path | None,
    config: str | None,
    state_dir: Path | None,
    as_json: bool,
) -> int:
    """Fetch past bars from the configured venue: only what it has not been asked for, at the pace it allows.

    Each piece is kept before the next is asked for: after an interruption the same command goes on. The embedded
    exchange, the venue of a first run, invents its past as it does its present.
    """
    loaded = load_with_origins(config, {"app.state_dir": state_dir, "app.symbols": symbols})
    settings = loaded.config
    if exchange_file is None and settings.venue.name == "embedded":
        from tradebot.daemon.start_checks import invented_share_problems

        loaded.raise_complaints(invented_share_problems(settings))
    exchange = None
    if exchange_file is not None:
        from tradebot.cli.shared.exchange_file import read_addresses

        exchange = read_addresses(exchange_file)
    try:
        with open_configured_history(settings, writes=True) as history, progress_bar() as tell:
            rows = asyncio.run(_download(settings, exchange, history, parse_interval(interval), start, end, tell))
    except KeyboardInterrupt:
        print_error_line("tradebot: interrupted; what came is kept, the same command goes on from there")
        return ExitCode.INTERRUPTED
    print_rows(rows, as_json=as_json)
    return ExitCode.OK


async def _download(
    settings: Config,
    exchange: dict[str, Any] | None,
    history: History,
    interval: int,
    start: str,
    end: str | None,
    tell: Progress,
) -> list[dict[str, Any]]:
    from tradebot.daemon.venue.venue_session import open_history_source
    from tradebot.history.downloading import download_bars as fill
    from tradebot.history.exchange_calendar import zone_of
    from tradebot.history.frames import parse_moment
    from tradebot.ops.events.event import drop_event

    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "exchange.jsonl"
        opening = open_history_source(settings, exchange=exchange, exchange_log=log, tell=drop_event)
        async with opening as source:
            zone = zone_of(source.universe[0].exchange)
            since, until = parse_moment(start, zone, is_end=False), parse_moment(end, zone, is_end=True)
            assert since is not None, "--from is required"
            now = source.clock.market_ns()
            if since >= min(until or now, now):
                raise DataError(f"--from {start} is not before --to {end or 'now'}, or not before the venue's time")
            found = await fill(
                history,
                source.universe.instruments,
                interval,
                since,
                until or now,
                fetch=source.reader.fetch_history,
                clock=source.clock,
                source=f"venue {source.venue_name}",
                venue=source.venue_name,
                progress=tell,
            )
    return [
        {
            "symbol": one.symbol,
            "interval": interval_name(interval),
            "requests": one.requests,
            **one.counts._asdict(),
            "odd": one.odd,
        }
        for one in found
    ]
