"""A result made by hand: two orders of one round trip, and one order that was denied."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.backtest.job import Job
from tradebot.backtest.result import FillColumns, OrderColumns, Result, TradeColumns, trading_hash
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import OrderKind, OrderPurpose, OrderState
from tradebot.strategies.loading import load_strategy

START = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND
KINDS, STATES, PURPOSES = tuple(OrderKind), tuple(OrderState), tuple(OrderPurpose)


def codes(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def round_trip() -> Result:
    """Bought 10 at 100.05, sold at 101.00, charges of 0.30 and 0.32, on an account of 1,000."""
    entry, exit_ = PURPOSES.index(OrderPurpose.ENTRY), PURPOSES.index(OrderPurpose.EXIT)
    filled, denied = STATES.index(OrderState.FILLED), STATES.index(OrderState.DENIED)
    market = KINDS.index(OrderKind.MARKET)
    orders = OrderColumns(
        symbol=codes(0, 0, 0),
        strategy=codes(0, 0, 0),
        side=codes(1, -1, 1),
        kind=codes(market, market, market),
        purpose=codes(entry, exit_, entry),
        state=codes(filled, filled, denied),
        reason=codes(0, 0, 1),
        quantity=ints(10, 10, 10),
        decided_at=ints(START, START + 5 * MINUTE, START + 9 * MINUTE),
        stop=ints(9_900, 0, 9_950),
    )
    fills = FillColumns(
        order=codes(0, 1),
        at=ints(START, START + 5 * MINUTE),
        quantity=ints(10, 10),
        price=ints(10_005, 10_100),
        charges=ints(30, 32),
    )
    trades = TradeColumns(
        symbol=codes(0),
        strategy=codes(0),
        side=codes(1),
        reason=codes(exit_),
        bars=ints(5),
        entered_at=ints(START),
        exited_at=ints(START + 5 * MINUTE),
        quantity=ints(10),
        entry_value=ints(100_050),
        exit_value=ints(101_000),
        gross=ints(950),
        charges=ints(62),
    )
    job = Job(
        strategies=(load_strategy("ema_cross"),),
        instruments=(Instrument(symbol="RELIANCE"),),
        interval=MINUTE,
        cash=Decimal(1_000),
    )
    return Result(
        job=job,
        orders_hash=trading_hash(orders, fills, names=("RELIANCE",)),
        symbols=("RELIANCE",),
        strategies=("ema_cross",),
        texts=("", "session: the session is closed"),
        money_decimals=2,
        order_rows=orders,
        fill_rows=fills,
        trade_rows=trades,
        equity_at=ints(*(START + k * MINUTE for k in range(1, 7))),
        equity_units=ints(99_970, 100_000, 100_200, 100_400, 100_888, 100_888),
        counts={"signals": 3, "denied": 1},
    )
