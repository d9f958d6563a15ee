"""What a run is refused for before anything is opened: one list, which `run` obeys and `config check` reads out."""

from __future__ import annotations

from tradebot.config import Config
from tradebot.config.contradictions import Complaint
from tradebot.daemon.order_route import NO_PAPER_AT_VENUE
from tradebot.errors import ConfigError


def refusals(config: Config, *, has_exchange: bool = False) -> list[Complaint]:
    """Return what keeps a run of these settings from starting; `has_exchange` where it trades on `--exchange`.

    Raises DataError or ConfigError for a strategy that cannot be loaded.
    """
    found: list[Complaint] = []
    if config.venue.name == "kite" and config.app.mode == "paper" and not has_exchange:
        found.append((("venue", "name"), NO_PAPER_AT_VENUE))
    return found


def refuse(config: Config, *, has_exchange: bool) -> None:
    """Raise ConfigError with all that `refusals` finds; returns when it finds nothing."""
    if found := refusals(config, has_exchange=has_exchange):
        raise ConfigError("\n".join(f"{'.'.join(map(str, key))}: {sentence}" for key, sentence in found))
