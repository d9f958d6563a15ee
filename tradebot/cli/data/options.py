"""Options that the commands of `data` share: where the history is and how files are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tradebot.cli.shared.options import combine_options, stamps_option, state_dir_option
from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.history.files.rows import SHARE_SERIES, ParseOptions
from tradebot.history.importing import ImportOptions
from tradebot.history.interval import parse_interval

history_options = combine_options(
    state_dir_option("Where the history is."),
    click.option("-c", "--config", "config", metavar="FILE", help="Configuration file."),
)
# What a file of bars does not state itself.
file_options = combine_options(
    click.option("--symbol", default="", help="Whose bars they are, or which.  [default: all, or the file]"),
    click.option("--interval", default="", help="Length of a bar.  [default: as the rows show]"),
    click.option("--tz", "zone", default="", help="Zone of times that name none: Asia/Kolkata, America/New_York."),
    click.option("--time-format", default="", help="As in strftime: '%d/%m/%Y %H:%M'; epoch, excel."),
    click.option(
        "--exchange", default=HOME_EXCHANGE, show_default=True, help="Where they trade: its zone and calendar."
    ),
    click.option("--decimals", type=click.IntRange(0, 8), help="Round prices to so many.  [default: as they come]"),
    click.option("--table", default="", help="The table of a DuckDB file."),
    click.option("--skip-bad", is_flag=True, help="Leave rows out that cannot be bars, and count them."),
    click.option("--columns", default="", help="Names, in order, where a file has no head: date,time,open,...,-"),
    click.option(
        "--series",
        default=",".join(SHARE_SERIES),
        show_default=True,
        help=f"Of the lists of {HOME_EXCHANGE}: which are taken.",
    ),
    stamps_option("What of a bar its time is."),
    click.option("--keep", type=click.Choice(["first", "last"]), help="Which of two bars that start together."),
    click.option("--mend", is_flag=True, help="Move highs and lows out to an open or close beyond them."),
)


def parse_options_of(given: Mapping[str, Any], *, skips_bad: bool) -> ParseOptions:
    """Return how to parse a file, by the options of `file_options`."""
    return ParseOptions(
        zone=given["zone"],
        time_format=given["time_format"],
        symbol=given["symbol"].upper(),
        skips_bad=skips_bad,
        mends_range=given["mend"],
        columns=_words(given["columns"]),
        series=tuple(word.upper() for word in _words(given["series"])),
    )


def import_options_of(given: Mapping[str, Any]) -> ImportOptions:
    """Return the import options that `file_options` add. Raises DataError."""
    return ImportOptions(
        exchange=given["exchange"],
        interval=parse_interval(given["interval"]) if given["interval"] else 0,
        price_decimals=given["decimals"],
        table=given["table"],
        are_end_stamps=given["stamps"] == "end",
        keep=given["keep"] or "",
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()
