"""File, credentials, environment and options become one frozen `Config`; a bad value is refused with its place."""

from tradebot.config.problems import secrets
from tradebot.config.sections import Config, StrategySection
from tradebot.config.sources import Loaded, find, load, load_explained
from tradebot.config.values import seconds

__all__ = ["Config", "Loaded", "StrategySection", "find", "load", "load_explained", "seconds", "secret_keys"]


def secret_keys() -> tuple[str, ...]:
    """Return the settings whose values nobody may see, such as `store.dsn`."""
    return tuple(sorted(".".join(key) for key in secrets()))
