"""Prints lists for the verbs: a table on a terminal, tab-separated lines in a pipe, JSON on request."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradebot.printable import make_printable
from tradebot.printing import print_error_line, print_json, print_text

PIPE_WIDTH = 160  # columns, where no terminal gives its width
NUMBER_COLUMNS = frozenset(
    {"quantity", "filled", "price", "average_price", "realized", "bought", "sold", "after_ms"}
    | {"open", "high", "low", "close", "volume", "bars", "added", "replaced", "equal", "unsorted", "times"}
)


def print_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows with the same keys: JSON, a table on a terminal, tab-separated lines elsewhere.

    Without rows print `[]` as JSON, else `none` on standard error.
    """
    if as_json:
        print_json(list(rows), indent=2)
    elif not rows:
        print_error_line("none")
    elif sys.stdout.isatty():
        print_table(rows)
    else:
        for line in (rows[0], *(row.values() for row in rows)):
            print_text("\t".join(map(make_printable, line)) + "\n")


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table of at least one row; columns without any value are left out."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    used = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    for name in used:
        drawn.add_column(name, justify="right" if name in NUMBER_COLUMNS else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(make_printable(row[name])) for name in used))
    standard_console().print(drawn)


def standard_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """Return a console for a standard stream; its width is `PIPE_WIDTH` when the stream is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, soft_wrap=soft_wrap, width=None if stream.isatty() else PIPE_WIDTH)


def prints_to_stderr(*, as_json: bool) -> contextlib.AbstractContextManager[object]:
    """Return a context that sends prints of strategies to standard error, so that JSON stays alone on output."""
    return contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
