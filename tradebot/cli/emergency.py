"""What the verbs of an emergency share, and nothing that takes long to load."""

from __future__ import annotations

import os

from tradebot.config.salvage import Salvaged, salvage
from tradebot.printing import aside


def salvaged(path: str | os.PathLike[str] | None) -> Salvaged:
    """Return the settings that can be read, and say on standard error what could not be."""
    found = salvage(path)
    for note in found.notes:
        aside(note)
    return found
