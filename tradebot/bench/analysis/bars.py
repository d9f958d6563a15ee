"""Bars of a random walk for the benchmarks: as arrays, as columns of a message, and as warm-up of instruments."""

from __future__ import annotations

import numpy as np

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Floats, Ints

OPENS_AT = 1_766_966_400 * SECOND + 225 * MINUTE  # 03:45 UTC of a day, when the exchange opens
DISTINCT_HISTORIES = 50  # more symbols share histories, which changes no cost and saves memory
COLUMNS = ("open", "high", "low", "close", "volume")
UNITS_PER_VALUE = np.array([100, 100, 100, 100, 1])[:, None]


def random_histories(count: int, rows: int, seed: int = 7) -> tuple[Floats, Ints]:
    """Return bars (count, 5, rows), float64 on ticks of 0.05, and their starts (rows,), int64 ns, a minute apart."""
    rng = np.random.default_rng(seed)
    close = np.cumsum(rng.integers(-20, 21, (count, rows)), axis=1) + 40_000
    open_ = close + rng.integers(-5, 6, close.shape)
    high = np.maximum(open_, close) + rng.integers(0, 6, close.shape)
    low = np.minimum(open_, close) - rng.integers(0, 6, close.shape)
    prices = np.stack([open_, high, low, close], axis=1) * 5 / 100.0
    volume = rng.integers(1, 5_000, (count, 1, rows)).astype(np.float64)
    return np.concatenate([prices, volume], axis=1), OPENS_AT + np.arange(rows) * MINUTE


def message_columns(bars: Floats) -> dict[str, Ints]:
    """Return bars (5, n) as int64 columns of a message: prices in hundredths, volume unchanged."""
    return dict(zip(COLUMNS, np.rint(bars * UNITS_PER_VALUE).astype(np.int64), strict=True))


def warmup_series(universe: Universe, bars: Floats, starts: Ints) -> list[BarSeries]:
    """Return the warm-up bars of each instrument, taken in turn from bars (count, 5, n), without shared memory."""
    return [
        BarSeries(
            symbol=instrument.symbol,
            interval=MINUTE,
            starts=starts.copy(),
            **{name: column.copy() for name, column in message_columns(bars[i % len(bars)]).items()},
        )
        for i, instrument in enumerate(universe)
    ]
