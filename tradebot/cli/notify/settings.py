"""The settings of the watch, read even from a configuration that `run` would refuse: then above all it is needed."""

from __future__ import annotations

from pydantic import ValidationError

from tradebot.cli.shared.state_dir import salvaged_settings
from tradebot.config import Config, load_config
from tradebot.errors import ConfigError

KEPT = {"notify": ("urls",), "telegram": ("token", "chat_id", "server")}


def alert_settings(path: str | None) -> Config:
    """Return the configuration, or what can be read of its receivers. Raises ConfigError where that is too little."""
    try:
        return load_config(path)
    except ConfigError:
        values = salvaged_settings(path).values
        kept = {name: {k: v for k, v in values.get(name, {}).items() if k in keys} for name, keys in KEPT.items()}
        try:
            return Config(**{name: table for name, table in kept.items() if table})  # type: ignore[arg-type]
        except ValidationError:
            pass
        raise
