"""The configuration: file, credentials, environment and options become one frozen `Config`, or errors with places."""

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
    """Return the names of the settings whose values are secret, such as `store.dsn`, sorted."""
    return tuple(sorted(".".join(key) for key in secret_settings()))
