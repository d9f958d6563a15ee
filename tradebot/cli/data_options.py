"""What the verbs of `data` share: where the history is, how files are read, and the bar that shows how far they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tradebot.config import Config
from tradebot.domain.home import HOME_EXCHANGE
from tradebot.history.database import FILE_NAME
from tradebot.history.files.rows import SERIES, Wanted
from tradebot.history.history import History, open_history
from tradebot.history.importing import Terms
from tradebot.history.interval import parse
from tradebot.printable import printable

Progress = Callable[[str, int, int], None]  # (what, done, total)


def where(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say where the history is."""
    for option in (
        click.option("-c", "--config", "config", metavar="FILE", help="Configuration file."),
        click.option(
            "--state-dir", type=click.Path(path_type=Path), help="Where the history is.  [default: as configured]"
        ),
    ):
        command = option(command)
    return command


@contextmanager
def opened(config: Config, *, writes: bool = False) -> Iterator[History]:
    """Open the history that the configuration names. Raises what `open_history` raises."""
    dsn = config.store.dsn.get_secret_value() if config.history.in_store else ""
    with open_history(config.app.state_dir, dsn=dsn, writes=writes) as history:
        yield history


def accepted_in(config: Config) -> set[tuple[str, str, int]]:
    """Return the jumps that were accepted in the history, none where there is no history."""
    if not config.history.in_store and not (config.app.state_dir / FILE_NAME).exists():
        return set()
    with opened(config) as history:
        return history.accepted()


def reading(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say what a file of bars does not."""
    for option in (
        click.option("--mend", is_flag=True, help="Move highs and lows out to an open or close beyond them."),
        click.option("--keep", type=click.Choice(["first", "last"]), help="Which of two bars that start together."),
        click.option(
            "--stamps",
            type=click.Choice(["start", "end"]),
            default="start",
            show_default=True,
            help="What of a bar its time is.",
        ),
        click.option(
            "--series",
            default=",".join(SERIES),
            show_default=True,
            help=f"Of the lists of {HOME_EXCHANGE}: which are taken.",
        ),
        click.option("--columns", default="", help="Names, in order, where a file has no head: date,time,open,...,-"),
        click.option("--skip-bad", is_flag=True, help="Leave rows out that cannot be bars, and count them."),
        click.option("--table", default="", help="The table of a DuckDB file."),
        click.option("--decimals", type=click.IntRange(0, 8), help="Round prices to so many.  [default: as they come]"),
        click.option(
            "--exchange", default=HOME_EXCHANGE, show_default=True, help="Where they trade: its zone and calendar."
        ),
        click.option("--time-format", default="", help="As in strftime: '%d/%m/%Y %H:%M'; epoch, excel."),
        click.option("--tz", "zone", default="", help="Zone of times that name none: Asia/Kolkata, America/New_York."),
        click.option("--interval", default="", help="Length of a bar.  [default: as the rows show]"),
        click.option("--symbol", default="", help="Whose bars they are, or which.  [default: all, or the file]"),
    ):
        command = option(command)
    return command


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


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar on a terminal's standard error; yields what it is told with: (what, done, total)."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bar
    from rich.progress import TimeRemainingColumn

    columns = (*Bar.get_default_columns()[:3], TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(escape(printable(what)), total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell
