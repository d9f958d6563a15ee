"""Finds the daemon's state directory, even with a configuration that `run` would refuse; loads quickly."""

from __future__ import annotations

import os
from pathlib import Path

from tradebot.config.salvage import SalvagedSettings, salvage_settings
from tradebot.printing import print_error_line


def salvaged_settings(path: str | os.PathLike[str] | None) -> SalvagedSettings:
    """Return the settings that can be read; report the others on standard error."""
    found = salvage_settings(path)
    for note in found.notes:
        print_error_line(note)
    return found


def state_dir_of(given: Path | None, path: str | None) -> Path:
    """Return the given state directory, else the one in the configuration at `path`."""
    return given if given is not None else salvaged_settings(path).state_dir
