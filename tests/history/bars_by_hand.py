"""Made-up bars for the tests of the history: a seeded walk on NSE's minutes, and small series written by hand."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import SERIES_COLUMNS, BarSeries
from tradebot.markets.calendar import TradingCalendar

MINUTE = 60 * SECOND
MONDAY = date(2025, 6, 2)


def walk(
    symbol: str = "RELIANCE", *, days: int = 3, begins: date = MONDAY, interval: int = MINUTE, seed: int = 1,
) -> BarSeries:  # fmt: skip
    """Whole sessions of NSE from `begins` on, in paise."""
    calendar, starts, day = TradingCalendar(), [], begins
    for _ in range(days):
        session = calendar.session_on(day)
        assert session is not None, f"{day} is no trading day"
        starts.append(np.arange(session.opens_at, session.closes_at, interval))
        day = calendar.next_trading_day(day)
    return series(symbol, np.concatenate(starts), interval=interval, seed=seed)


def series(symbol: str, starts: np.ndarray, *, interval: int = MINUTE, seed: int = 1) -> BarSeries:
    random, n = np.random.default_rng(seed), len(starts)
    close = 140_000 + np.cumsum(random.integers(-30, 31, n))
    open_ = close + random.integers(-10, 11, n)
    return BarSeries(
        symbol=symbol,
        interval=interval,
        starts=starts.astype(np.int64),
        open=open_,
        high=np.maximum(open_, close) + random.integers(0, 9, n),
        low=np.minimum(open_, close) - random.integers(0, 9, n),
        close=close,
        volume=random.integers(0, 90_000, n),
    )


def assert_same(found: BarSeries, wanted: BarSeries) -> None:
    assert (found.symbol, found.interval) == (wanted.symbol, wanted.interval)
    for name in SERIES_COLUMNS:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
        assert getattr(found, name).dtype == np.int64
