"""The verb `version`: prints the versions of the daemon and its dependencies."""

from __future__ import annotations

import importlib.metadata
import platform

import click

from tradebot import __version__
from tradebot.printing import print_json, print_line

DEPENDENCIES = (
    "aiohttp",
    "asyncpg",
    "websockets",
    "uvloop",
    "numpy",
    "pandas",
    "TA-Lib",
    "structlog",
    "orjson",
    "msgspec",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Print the version and those of what it stands on."""
    versions = {"tradebot": __version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in DEPENDENCIES}
    if as_json:
        print_json(versions)
    else:
        for name, number in versions.items():
            print_line(f"{name:<12}{number}")
