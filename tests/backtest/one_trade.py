"""A strategy that enters once and leaves once, on a few bars, and the prices and purposes of its fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from tests.backtest.bars_by_hand import DESK, bars, job
from tradebot.backtest.job import TradingHours
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.domain.order import OrderKind
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.strategies.loading import StrategySpec

CODE = '''"""Enters long after the first bar, or short where asked, and leaves after the bar numbered `leaves`."""
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Param, Strategy


class Once(Strategy):
    stop, trail, target, quantity = Param(0.0), Param(0.0), Param(0.0), Param(10.0)
    leaves, short = Param(99), Param(False)

    def __init__(self):
        self.count = 0

    def decide(self, bar, now, position):
        self.count += 1
        if self.count == 1:
            return Intent(
                action=Action.ENTER_SHORT if self.short else Action.ENTER_LONG,
                quantity=self.quantity,
                stop_loss=self.stop or None,
                trail_by=self.trail or None,
                target=self.target or None,
            )
        if self.count == self.leaves:
            return Intent(action=Action.EXIT_SHORT if self.short else Action.EXIT_LONG)
'''
FLAT = (100.0, 100.0, 100.0, 100.0)


def once(*rows: tuple[float, float, float, float], matching: BarFillModel | None = None, volume: int = 1_000,
         kind: OrderKind = OrderKind.MARKET, protection: str = "5", **params: object) -> Result:  # fmt: skip
    spec = StrategySpec(name="once", reference="once.py:Once", params=params, code=CODE)
    desk = msgspec.structs.replace(DESK, order_kind=kind, protection_pct=Decimal(protection))
    asked = job(spec, matching=matching or BarFillModel(), desk=desk)
    return run_backtest(asked, {"ACME": bars(FLAT, *rows, volume=volume)})


def prices(result: Result) -> list[float]:
    return (result.fill_rows.price / 100).tolist()


def purposes(result: Result) -> list[str]:
    return result.fills["purpose"].tolist()


def once_at(*starts: int, interval: int, market: str = "always", every_bar: bool = False, leaves: int = 99,
       closes: tuple[float, ...] = (), **changes: Any) -> Result:  # fmt: skip
    """Enter long at the first close, and leave at the one numbered `leaves`; bars begin at `starts`, 100, 101, ..."""
    found = closes or tuple(100.0 + n for n in range(len(starts)))
    series = bars(*((p, p, p, p) for p in found))
    series = msgspec.structs.replace(series, starts=np.array(starts, dtype=np.int64), interval=interval)
    spec = StrategySpec(name="once", reference="once.py:Once", params={"leaves": leaves}, code=CODE)
    asked = job(spec, interval=interval, hours=TradingHours(market=market), every_bar=every_bar, **changes)
    return run_backtest(asked, {"ACME": series})
