"""What the commands of `data` share: the options that say where the history is and how files are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tradebot.cli.shared.options import stamps_option, state_dir_option, together
from tradebot.domain.home import HOME_EXCHANGE
from tradebot.history.files.rows import SERIES, Wanted
from tradebot.history.importing import Terms
from tradebot.history.interval import parse

where = together(
    state_dir_option("Where the history is."),
    click.option("-c", "--config", "config", metavar="FILE", help="Configuration file."),
)
# What a file of bars does not say itself.
reading = together(
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
        default=",".join(SERIES),
        show_default=True,
        help=f"Of the lists of {HOME_EXCHANGE}: which are taken.",
    ),
    stamps_option("What of a bar its time is."),
    click.option("--keep", type=click.Choice(["first", "last"]), help="Which of two bars that start together."),
    click.option("--mend", is_flag=True, help="Move highs and lows out to an open or close beyond them."),
)


def wanted_of(given: Mapping[str, Any], *, skips_bad: bool) -> Wanted:
    """Return how `reading`'s options want a file's rows."""
    return Wanted(
        zone=given["zone"],
        time_format=given["time_format"],
        symbol=given["symbol"].upper(),
        skips_bad=skips_bad,
        mends=given["mend"],
        columns=_words(given["columns"]),
        series=tuple(word.upper() for word in _words(given["series"])),
    )


def terms_of(given: Mapping[str, Any]) -> Terms:
    """Return what `reading`'s options say of a file that it does not. Raises DataError."""
    return Terms(
        exchange=given["exchange"],
        interval=parse(given["interval"]) if given["interval"] else 0,
        decimals=given["decimals"],
        table=given["table"],
        are_ends=given["stamps"] == "end",
        keep=given["keep"] or "",
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",")) if text else ()
