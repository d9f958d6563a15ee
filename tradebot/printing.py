"""All that the verbs print goes through here, made printable: a file, a symbol or a venue may hold any letters."""

from __future__ import annotations

import json
from typing import Any

import click

from tradebot.printable import printable


def say(line: Any = "") -> None:
    """Print one line to standard output."""
    click.echo(printable(line))


def aside(line: Any) -> None:
    """Print one line to standard error, beside the result."""
    click.echo(printable(line), err=True)


def say_text(text: str) -> None:
    """Print a text of several lines as it stands, its last line ended or not."""
    click.echo(printable(text, keep="\n\t"), nl=False)


def aside_text(text: str) -> None:
    """Print a text of several lines to standard error, as it stands."""
    click.echo(printable(text, keep="\n"), nl=False, err=True)


def say_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON in ASCII."""
    click.echo(json.dumps(value, indent=indent))


def confirm(question: str) -> None:
    """Ask on standard error and go on with a yes. Raises click.Abort."""
    click.confirm(printable(question), abort=True, err=True)
