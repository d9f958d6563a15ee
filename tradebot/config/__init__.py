"""File, credentials, environment and options become one frozen `Config`; a bad value is refused with its place."""

from tradebot.config.problems import SECRETS
from tradebot.config.sections import Config, StrategySection
from tradebot.config.sources import Loaded, find, load, load_explained
from tradebot.config.values import seconds

SECRET_KEYS = tuple(sorted(".".join(key) for key in SECRETS))
__all__ = ["SECRET_KEYS", "Config", "Loaded", "StrategySection", "find", "load", "load_explained", "seconds"]
