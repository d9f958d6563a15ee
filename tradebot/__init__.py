"""tradebot: an asyncio trading daemon. Read `app.py` for the parts and `engine.py` for how they run."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# The API for notebooks. It is loaded on first access, because the daemon does not use it.
NOTEBOOK = {"backtest": ("tradebot.backtest", ""), "load_bars": ("tradebot.history.frames", "load_bars")}


def __getattr__(name: str) -> object:
    if name not in NOTEBOOK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = NOTEBOOK[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return ["__version__", *NOTEBOOK]
