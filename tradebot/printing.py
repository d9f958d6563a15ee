"""All that the verbs print goes through here, made printable: a file, a symbol or a venue may hold any letters."""

from __future__ import annotations

import json
from typing import Any

import click

from tradebot.printable import make_printable


def print_line(line: Any = "") -> None:
    """Print one line to standard output."""
    click.echo(make_printable(line))


def print_error_line(line: Any) -> None:
    """Print one line to standard error, beside the result."""
    click.echo(make_printable(line), err=True)


def print_text(text: str) -> None:
    """Print a text of several lines as it stands, its last line ended or not."""
    click.echo(make_printable(text, allowed="\n\t"), nl=False)


def print_error_text(text: str) -> None:
    """Print a text of several lines to standard error, as it stands."""
    click.echo(make_printable(text, allowed="\n"), nl=False, err=True)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON in ASCII."""
    click.echo(json.dumps(value, indent=indent))


def confirm_or_abort(question: str) -> None:
    """Ask on standard error and go on with a yes. Raises click.Abort."""
    click.confirm(make_printable(question), abort=True, err=True)
