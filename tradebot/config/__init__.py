"""File, credentials, environment and options become one frozen `Config`; a bad value is refused with its place."""

from tradebot.config.problems import secret_settings
from tradebot.config.sections import Config, StrategySection
from tradebot.config.sources import LoadedConfig, find_config_file, load_config, load_with_origins
from tradebot.config.values import parse_seconds

__all__ = [
    "Config",
    "LoadedConfig",
    "StrategySection",
    "find_config_file",
    "load_config",
    "load_with_origins",
    "parse_seconds",
    "secret_keys",
]


def secret_keys() -> tuple[str, ...]:
    """Return the settings whose values nobody may see, such as `store.dsn`."""
    return tuple(sorted(".".join(key) for key in secret_settings()))
