"""Bars and jobs for the tests of the walk: prices typed in, or a seeded walk on the tick."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from tradebot.backtest.job import Bill, Costs, Job
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.strategies.loading import StrategySpec, load_strategy
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

MINUTE = 60 * SECOND
START = 1_704_067_200 * SECOND  # 2024-01-01 00:00 UTC
WIDE = Limits(
    allow_short=True,
    max_order_quantity=Decimal(10**9),
    max_order_notional=Decimal(10**12),
    max_position_notional=Decimal(10**12),
    max_gross_notional=Decimal(10**12),
    max_daily_loss=Decimal(10**12),
    max_open_orders=1_000,
    price_collar_pct=Decimal(20),
    orders_per_second=10**6,
    orders_per_minute=10**6,
    orders_per_day=10**6,
    stale_after_s=10**9,
)
DESK = DeskSettings(order_notional=Decimal(10_000), max_daily_loss=Decimal(10**12), protection_pct=Decimal(5))


def bars(
    *rows: tuple[float, float, float, float], symbol: str = "ACME", volume: int = 1_000, skip: int = 0
) -> BarSeries:
    """Bars of a minute from (open, high, low, close) in rupees."""
    table = np.rint(np.array(rows, dtype=np.float64).reshape(-1, 4).T * 100).astype(np.int64)
    starts = START + MINUTE * (skip + np.arange(table.shape[1], dtype=np.int64))
    return BarSeries(
        symbol=symbol, interval=MINUTE, starts=starts, open=table[0], high=table[1], low=table[2], close=table[3],
        volume=np.full(table.shape[1], volume, dtype=np.int64),
    )  # fmt: skip


def random_bars(seed: int, count: int, *, symbol: str = "ACME", swing: int = 12, gap: int = 6) -> BarSeries:
    """A random walk on a tick of 5 paise from 100 rupees up and down; some bars open away from the last close."""
    draw = np.random.default_rng(seed)
    move, jump = draw.integers(-swing, swing + 1, count), draw.integers(-gap, gap + 1, count)
    up, down = draw.integers(0, swing, count), draw.integers(0, swing, count)
    close = np.maximum(2_000 + np.cumsum(move + jump), 200)
    open_ = np.maximum(close - move, 100)
    columns = (open_, np.maximum(open_, close) + up, np.minimum(open_, close) - np.minimum(down, 50), close)
    open_, high, low, close = (column.astype(np.int64) * 5 for column in columns)
    starts = START + MINUTE * np.arange(count, dtype=np.int64)
    volume = draw.integers(0, 200, count)
    return BarSeries(
        symbol=symbol, interval=MINUTE, starts=starts, open=open_, high=high, low=low, close=close, volume=volume
    )


def job(*specs: StrategySpec, symbols: tuple[str, ...] = ("ACME",), **changes: Any) -> Job:
    """A job without costs and with limits that nothing meets."""
    made = Job(
        strategies=specs or (load_strategy("ema_cross"),),
        instruments=tuple(Instrument(symbol=symbol) for symbol in symbols),
        interval=MINUTE,
        limits=WIDE,
        desk=DESK,
        costs=Costs(bill=Bill.NONE),
    )
    return msgspec.structs.replace(made, **changes)
