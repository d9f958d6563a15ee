"""What the verbs of an emergency share, and nothing that takes long to load."""

from __future__ import annotations

import os
from typing import Any

import click

from tradebot.config.salvage import Salvaged, salvage


def salvaged(path: str | os.PathLike[str] | None) -> Salvaged:
    """Return the settings that can be read, and say on standard error what could not be."""
    found = salvage(path)
    for note in found.notes:
        click.echo(printable(note), err=True)
    return found


def printable(value: Any) -> str:
    """Return `value` as text that can neither move the cursor nor break the line: a venue may have written it."""
    return "".join(c if c.isprintable() else " " for c in str(value))
