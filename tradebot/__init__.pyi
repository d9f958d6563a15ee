"""What `tradebot` offers a notebook, for type checkers and editors: `__init__.py` loads it when it is asked for."""

from tradebot.backtest.notebook import backtest as backtest
from tradebot.history.frames import load_bars as load_bars

__version__: str
