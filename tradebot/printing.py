"""Every command prints through this file, which makes the text printable: names from outside may hold any character."""

from __future__ import annotations

import json
from typing import Any

import click

from tradebot.printable import make_printable


def print_line(line: Any = "") -> None:
    """Print one line to standard output."""
    click.echo(make_printable(line))


def print_error_line(line: Any) -> None:
    """Print one line to standard error, apart from the result."""
    click.echo(make_printable(line), err=True)


def print_text(text: str) -> None:
    """Print a text of several lines unchanged, without adding a line end."""
    click.echo(make_printable(text, allowed="\n\t"), nl=False)


def print_error_text(text: str) -> None:
    """Print a text of several lines to standard error unchanged, without adding a line end."""
    click.echo(make_printable(text, allowed="\n"), nl=False, err=True)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as ASCII JSON."""
    click.echo(json.dumps(value, indent=indent))


def confirm_or_abort(question: str) -> None:
    """Ask a yes-or-no question on standard error. Raises click.Abort unless the answer is yes."""
    click.confirm(make_printable(question), abort=True, err=True)
