"""Backtests: recorded bars through the desk, the gate and the order machine that trade live, as fast as bars allow."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, strategy: Any, bars: Any, **options: Any) -> Any:
        """Run a backtest from Python; see `tradebot.backtest.notebook.backtest`."""
        from tradebot.backtest.notebook import backtest

        return backtest(strategy, bars, **options)


# `tradebot.backtest(Strategy, bars)` is what one types in a notebook, and this package has the name already.
sys.modules[__name__].__class__ = _Callable
