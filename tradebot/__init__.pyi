"""The API of `tradebot` for notebooks, as type checkers and editors see it; `__init__.py` loads it on first access."""

from tradebot.backtest.notebook import backtest as backtest
from tradebot.history.frames import load_bars as load_bars

__version__: str
