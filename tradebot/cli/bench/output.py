"""Code that the commands of `bench` share: durations, progress on a terminal, and printing of results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from tradebot.config.values import parse_seconds
from tradebot.printing import print_error_line, print_json

MAX_SYMBOLS = 20_000
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _numbers(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MAX_SYMBOLS for part in parts):
        raise click.BadParameter(f"should be numbers from 1 to {MAX_SYMBOLS:,} such as 50,500, not {text!r}")
    return tuple(map(int, parts))


def symbols_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--symbols`: numbers of symbols, measured in turn."""
    return click.option("--symbols", callback=_numbers, default=default, show_default=True, help="How many, in turn.")


def duration_s(text: str, *, longest_s: float, option: str = "--for") -> float:
    """Return the seconds of an option, at most `longest_s`. Raises BadParameter that names the option."""
    try:
        length = parse_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if length > longest_s:
        raise click.BadParameter(f"{longest_s:g} s is the longest", param_hint=option)
    return length


def show_current(what: str) -> None:
    """Say on a terminal what is being measured."""
    if sys.stderr.isatty():
        print_error_line(f"{what} ...")


def show_count(done: int, total: int) -> None:
    """Say on a terminal how many measurements are done."""
    show_current(f"{done} of {total}")


def show_result(result: dict[str, Any], as_json: bool, *, soft_wrap: bool = False) -> None:
    """Print a result with its machine and its conclusions, as a table or as JSON."""
    from tradebot.bench.measuring.report import print_result
    from tradebot.cli.shared.tables import standard_console

    if as_json:
        print_json(result)
    else:
        print_result(result, standard_console(soft_wrap=soft_wrap))
