"""Backtests: recorded bars run through the same desk, gate and order states that trade live."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, strategy: Any, bars: Any, **options: Any) -> Any:
        """Run a backtest from Python; see `tradebot.backtest.notebook.backtest`."""
        from tradebot.backtest.notebook import backtest

        return backtest(strategy, bars, **options)


# Notebooks call `tradebot.backtest(Strategy, bars)`, and this package has that name: so the package is callable.
sys.modules[__name__].__class__ = _Callable
