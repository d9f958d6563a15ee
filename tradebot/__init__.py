"""tradebot: an asyncio trading daemon. Read `app.py` for the parts and `engine.py` for how they run."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # What notebooks ask for, loaded when it is asked for: the daemon has no use for it.
    if name == "backtest":
        import importlib

        return importlib.import_module("tradebot.backtest")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
