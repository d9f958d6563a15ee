"""The verb `data` with its commands `list`, `export` and `remove`; the others are in the modules beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tradebot.cli.data.accept import accept
from tradebot.cli.data.check import check
from tradebot.cli.data.download import download
from tradebot.cli.data.importing import import_, import_journal
from tradebot.cli.data.options import history_options
from tradebot.cli.shared.history import open_configured_history
from tradebot.cli.shared.tables import print_rows
from tradebot.config import load_config
from tradebot.errors import DataError
from tradebot.history.interval import interval_name, parse_interval
from tradebot.printing import confirm_or_abort, print_line, print_text


@click.group()
def data() -> None:
    """Import, download, check and export past bars: what backtests and notebooks read.

    They are kept in <state_dir>/history.sqlite3, or with history.in_store in the database of store.dsn.
    """


for command in (accept, check, download, import_, import_journal):
    data.add_command(command)


@data.command("list")
@history_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(config: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the series in the history."""
    from tradebot.history.frames import format_time

    def when(at: int, exchange: str) -> str:
        # On a terminal each series fits on one line; the zone is left out, it is the exchange's.
        told = format_time(at, exchange)
        return told if as_json or not sys.stdout.isatty() else told[:16].replace("T", " ")

    with open_configured_history(load_config(config, {"app.state_dir": state_dir})) as history:
        rows = [
            {
                "symbol": line.symbol,
                "interval": interval_name(line.interval),
                "bars": line.bars,
                "first": when(line.first_at, line.exchange),
                "last": when(line.last_at, line.exchange),
                "exchange": line.exchange,
                "prices": f"invented by {line.venue}" if line.venue else "traded",
                "source": line.source,
            }
            for line in history.list_series()
        ]
    print_rows(rows, as_json=as_json)


@data.command()
@click.argument("symbol")
@click.option("--interval", default="1m", show_default=True, help="Length of a bar; made of shorter ones if need be.")
@click.option("--from", "start", help="First day or time.")
@click.option("--to", "end", help="Last day, or the time to stop before.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file.csv, .csv.gz or .parquet.")
@history_options
def export(
    symbol: str,
    interval: str,
    start: str | None,
    end: str | None,
    output: Path | None,
    config: str | None,
    state_dir: Path | None,
) -> None:
    """Write the bars of SYMBOL as CSV, with times in the exchange's zone."""
    from tradebot.history.frames import load_frame, write_frame

    with open_configured_history(load_config(config, {"app.state_dir": state_dir})) as history:
        frame = load_frame(history, symbol.upper(), parse_interval(interval), start=start, end=end)
    if output is None:
        print_text(frame.to_csv())
        return
    write_frame(frame, output)
    print_line(f"{output}: {len(frame)} bars")


@data.command()
@click.argument("symbol")
@click.option("--interval", required=True, help="Of the series that goes.")
@history_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(symbol: str, interval: str, config: str | None, state_dir: Path | None, yes: bool) -> None:
    """Remove one series from the history."""
    length, name = parse_interval(interval), symbol.upper()
    with open_configured_history(load_config(config, {"app.state_dir": state_dir}), writes=True) as history:
        bars = len(history.bar_starts(name, length))
        if not bars:
            raise DataError(f"{history.location}: there are no {interval_name(length)} bars of {name}")
        if not yes:
            confirm_or_abort(f"Remove {bars} bars of {name}?")
        with history.transaction():
            history.remove_series(name, length)
    print_line(f"removed {bars} bars of {name}")
