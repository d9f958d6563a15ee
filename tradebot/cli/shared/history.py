"""Opens the history of past bars that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tradebot.config import Config
from tradebot.history.database import FILE_NAME
from tradebot.history.history import History, open_history


@contextmanager
def open_configured_history(config: Config, *, writes: bool = False) -> Iterator[History]:
    """Open the history that the configuration names. Raises what `open_history` raises."""
    dsn = config.store.dsn.get_secret_value() if config.history.in_store else ""
    with open_history(config.app.state_dir, dsn=dsn, writes=writes) as history:
        yield history


def accepted_jumps_of(config: Config) -> set[tuple[str, str, int]]:
    """Return the accepted jumps of the history, empty when no history exists."""
    if not config.history.in_store and not (config.app.state_dir / FILE_NAME).exists():
        return set()
    with open_configured_history(config) as history:
        return history.accepted_jumps()
