"""Options that verbs of several families take, each defined once. Only their help texts differ."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

CPU_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AddOption = Callable[[Callable[..., Any]], Callable[..., Any]]

CONFIG_OPTION = click.option(
    "-c", "--config", "path", metavar="FILE", help="Configuration file.  [env var: TRADEBOT_CONFIG]"
)


def combine_options(*options: AddOption) -> AddOption:
    """Return a decorator that adds all these options to a command; `--help` lists them in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def state_dir_option(place: str, *, default: str = "as configured") -> AddOption:
    """Return the option `--state-dir`; `place` is its help text."""
    return click.option("--state-dir", type=click.Path(path_type=Path), help=f"{place}  [default: {default}]")


def stamps_option(meaning: str) -> AddOption:
    """Return the option `--stamps`: whether times are starts or ends of bars; `meaning` is its help text."""
    return click.option(
        "--stamps", type=click.Choice(["start", "end"]), default="start", show_default=True, help=meaning
    )


def exchange_option(what: str = "A") -> AddOption:
    """Return the option `--exchange`, the file of a running exchange; `what` begins its help text."""
    return click.option(
        "--exchange",
        "exchange_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"{what} running `tradebot exchange`: the file holding the line it printed.",
    )
