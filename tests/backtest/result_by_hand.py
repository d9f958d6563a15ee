"""A backtest's result made by hand for the tests of what reads one: seeded bars, orders at fixed bars, exact books."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from tradebot.backtest.job import Job
from tradebot.backtest.result import FillColumns, OrderColumns, Result, TradeColumns, trading_hash
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind, OrderPurpose, OrderState
from tradebot.exchange.bar_matching import BarFillModel
from tradebot.strategies.loading import load_strategy

MINUTE = 60 * SECOND
OPEN = 1_767_584_700 * SECOND  # 2026-01-05 09:15 in India, a Monday
DAY = 86_400 * SECOND
BARS_A_DAY = 375
KINDS, STATES, PURPOSES = tuple(OrderKind), tuple(OrderState), tuple(OrderPurpose)


def bars(symbol: str, days: int = 5, *, seed: int = 1, price: int = 100_000) -> BarSeries:
    """Return minute bars of `days` weekdays as a seeded walk in paise."""
    draw = np.random.default_rng(seed)
    weekdays = [day for day in range(days * 2) if day % 7 < 5][:days]
    starts = np.concatenate([OPEN + day * DAY + np.arange(BARS_A_DAY) * MINUTE for day in weekdays])
    close = price + np.cumsum(draw.integers(-60, 61, len(starts)))
    start = np.concatenate([[price], close[:-1]])
    high = np.maximum(start, close) + draw.integers(0, 40, len(starts))
    low = np.minimum(start, close) - draw.integers(0, 40, len(starts))
    volume = draw.integers(100, 10_000, len(starts))
    return BarSeries(
        symbol=symbol, interval=MINUTE, starts=starts, open=start, high=high, low=low, close=close, volume=volume
    )


def job(symbols: tuple[str, ...] = ("RELIANCE",), *, matching: BarFillModel = BarFillModel()) -> Job:
    """Return a job of `ema_cross` over `symbols` with 100,000 rupees."""
    return Job(
        strategies=(load_strategy("ema_cross"),),
        instruments=tuple(Instrument(symbol=symbol) for symbol in symbols),
        interval=MINUTE,
        cash=Decimal(100_000),
        matching=matching,
    )


def result(
    given: Mapping[str, BarSeries], *, every: int = 60, hold: int = 20, charges: int = 2_500, quantity: int = 10
) -> Result:
    """Return what buying `quantity` each `every` bars and selling `hold` later gives; `charges` in paise a fill."""
    series = tuple(given.values())
    order, fill, trade, change = [], [], [], {}
    for number, one in enumerate(series):
        for row in range(every, len(one) + 1, every):
            leave = OrderPurpose.STOP if (row // every) % 4 == 0 else OrderPurpose.EXIT
            for at, purpose, side in ((row, OrderPurpose.ENTRY, 1), (row + hold, leave, -1)):
                if at < len(one):  # without a next bar an order waits for ever
                    fill.append((len(order), int(one.starts[at]), quantity, int(one.open[at]), charges))
                if at <= len(one):
                    stop = int(one.close[at - 1]) - 100 if side > 0 else 0
                    order.append((number, side, PURPOSES.index(purpose), int(one.starts[at - 1]) + MINUTE, stop))
            if row + hold < len(one):
                begun, ended, until = int(one.open[row]), int(one.open[row + hold]), int(one.starts[row + hold])
                trade.append((number, PURPOSES.index(leave), int(one.starts[row]), until, begun, ended))
                change[until] = change.get(until, 0) + (ended - begun) * quantity - 2 * charges
    return _result(series, order, fill, trade, change, charges, quantity, hold)


def _result(series, order, fill, trade, change, charges, quantity, hold) -> Result:  # type: ignore[no-untyped-def]
    n, trades = len(order), np.array(trade, np.int64).reshape(-1, 6)
    column = np.array(order, np.int64).reshape(-1, 5)
    filled = np.array(fill, np.int64).reshape(-1, 5)
    codes = lambda values: np.asarray(values, np.int32)  # noqa: E731
    orders = OrderColumns(
        symbol=codes(column[:, 0]), strategy=codes(np.zeros(n)), side=codes(column[:, 1]),
        kind=codes(np.full(n, KINDS.index(OrderKind.MARKET))), purpose=codes(column[:, 2]),
        state=codes(np.full(n, STATES.index(OrderState.FILLED))), reason=codes(np.zeros(n)),
        quantity=np.full(n, quantity), decided_at=column[:, 3],
        stop=column[:, 4],
    )  # fmt: skip
    fills = FillColumns(
        order=codes(filled[:, 0]), at=filled[:, 1], quantity=filled[:, 2], price=filled[:, 3], charges=filled[:, 4]
    )
    k = len(trades)
    trade_rows = TradeColumns(
        symbol=codes(trades[:, 0]), strategy=codes(np.zeros(k)), side=codes(np.ones(k)), reason=codes(trades[:, 1]),
        bars=np.full(k, hold), entered_at=trades[:, 2], exited_at=trades[:, 3], quantity=np.full(k, quantity),
        entry_value=trades[:, 4] * quantity, exit_value=trades[:, 5] * quantity,
        gross=(trades[:, 5] - trades[:, 4]) * quantity, charges=np.full(k, 2 * charges),
    )  # fmt: skip
    at = np.unique(np.concatenate([one.starts for one in series])) + MINUTE
    steps = np.array([change.get(int(end) - MINUTE, 0) for end in at])
    names = tuple(one.symbol for one in series)
    return Result(
        job=job(names), orders_hash=trading_hash(orders, fills, names=names), symbols=names, strategies=("ema_cross",),
        texts=("",), money_decimals=2, order_rows=orders, fill_rows=fills, trade_rows=trade_rows, equity_at=at,
        equity_units=10_000_000 + np.cumsum(steps),
        counts={"orders": n, "fills": len(fill), "bars": sum(map(len, series)), "visited": n},
        truths=("a gap through a stop is filled at the open",),
    )  # fmt: skip
