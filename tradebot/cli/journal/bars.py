"""The verb `bars`: prints the recorded bars of a symbol."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import click

from tradebot.cli.journal.options import journal_options, journal_path
from tradebot.cli.shared.tables import print_rows
from tradebot.clock import SECOND, format_iso, parse_iso
from tradebot.errors import DataError
from tradebot.journal import recorded_bars
from tradebot.markets.market import HOME_MARKET
from tradebot.printing import print_text

UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}  # unit -> seconds


@click.command()
@click.argument("symbol")
@journal_options
@click.option("--interval", default="1m", show_default=True, help="Length of the bars: 1s, 1m, 5m, 1h, 1d.")
@click.option("--since", metavar="TIME", help="Bars that end then or later, ISO-8601; without a zone in India's.")
@click.option("--run", "run_id", help="Only what this run recorded.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def bars(
    symbol: str,
    state_dir: Path | None,
    config: str | None,
    as_json: bool,
    interval: str,
    since: str | None,
    run_id: str | None,
    as_csv: bool,
) -> None:
    """Print the recorded bars of SYMBOL by start time."""
    length = _interval(interval)
    found = recorded_bars.read_bars(journal_path(state_dir, config), symbol, length, since=_moment(since), run=run_id)
    if not found:
        raise DataError(f"the journal holds no {interval} bars of {symbol}")
    fields = [
        {
            "start": format_iso(bar.start, HOME_MARKET.tzinfo),
            "open": f"{bar.open:f}",
            "high": f"{bar.high:f}",
            "low": f"{bar.low:f}",
            "close": f"{bar.close:f}",
            "volume": f"{bar.volume:f}",
        }
        for bar in found
    ]
    if as_csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(fields[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(fields)
        print_text(text.getvalue())
    else:
        print_rows(fields, as_json=as_json)


def _interval(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,4})([smhd])", text)
    if match is None:
        raise click.BadParameter(f"should be a length such as 1m or 1h, not {text!r}", param_hint="--interval")
    return int(match[1]) * UNIT_S[match[2]] * SECOND


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else parse_iso(text, HOME_MARKET.tzinfo)
    except ValueError as error:
        raise click.BadParameter(
            f"should be a time such as 2026-11-23T09:15, not {text!r}", param_hint="--since"
        ) from error
