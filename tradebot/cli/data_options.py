"""What the verbs of `data` share: where the history is, how files are read, and the bar that shows how far they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tradebot.config import Config
from tradebot.history.history import History, open_history

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


def reading(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say what a file of bars does not."""
    for option in (
        click.option("--skip-bad", is_flag=True, help="Leave rows out that cannot be bars, and count them."),
        click.option("--table", default="", help="The table of a DuckDB file."),
        click.option("--decimals", type=click.IntRange(0, 8), help="Round prices to so many.  [default: as they come]"),
        click.option("--exchange", default="NSE", show_default=True, help="Where they trade: its zone and calendar."),
        click.option("--time-format", default="", help="Of unusual times, as in strftime: '%d/%m/%Y %H:%M'."),
        click.option("--tz", "zone", default="", help="Zone of times that name none: Asia/Kolkata, America/New_York."),
        click.option("--interval", default="", help="Length of a bar.  [default: as the rows show]"),
        click.option("--symbol", default="", help="Whose bars they are.  [default: the symbol column, or the file]"),
    ):
        command = option(command)
    return command


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar on a terminal's standard error; yields what it is told with: (what, done, total)."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TimeRemainingColumn

    columns = (*Bar.get_default_columns()[:3], TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield tell
