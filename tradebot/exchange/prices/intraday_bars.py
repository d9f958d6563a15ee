"""The current session of the synthetic prices: its minute bars, the newest part of `bar_series`, and its figures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE
from tradebot.domain.market import Ints
from tradebot.exchange.prices.bar_aggregation import BarColumns, aggregate_bars, ended_bars

FAR_PRICE = np.int64(1 << 62)


class SessionFigures:
    """What a quote shows of the session so far, shape (n,) each: prices in units, `value` in units times shares."""

    def __init__(self, previous_close: Ints) -> None:
        self.open: Ints = np.zeros_like(previous_close)
        self._last = previous_close
        self._last_quantity, self._volume, self._value, self._high, self._low = np.zeros(
            (5, len(previous_close)), dtype=np.int64
        )
        self._has_begun = False

    @property
    def last(self) -> Ints:
        """Return the last prices."""
        return self._last

    def add_steps(self, printed: Ints, traded: npt.NDArray[np.bool_], quantity: Ints) -> dict[str, Ints]:
        """Add consecutive steps and return the columns that changed, after each step.

        Every symbol trades in the first step of the session.
        """
        since = np.where(traded, np.arange(1, len(printed) + 1)[:, None], 0)  # row of the newest trade; 0: carried over
        np.maximum.accumulate(since, axis=0, out=since)
        last = np.take_along_axis(np.concatenate([self._last[None], printed]), since, axis=0)
        sizes = np.take_along_axis(np.concatenate([self._last_quantity[None], quantity]), since, axis=0)
        if not self._has_begun:
            self.open, self._high, self._low = last[0].copy(), last[0].copy(), last[0].copy()
            self._has_begun = True
        volume = np.cumsum(quantity, axis=0) + self._volume
        value = np.cumsum(quantity * printed, axis=0) + self._value
        high = np.maximum(np.maximum.accumulate(last, axis=0), self._high)
        low = np.minimum(np.minimum.accumulate(last, axis=0), self._low)
        self._last, self._last_quantity, self._volume = last[-1].copy(), sizes[-1].copy(), volume[-1].copy()
        self._value, self._high, self._low = value[-1].copy(), high[-1].copy(), low[-1].copy()
        average = (value + volume // 2) // np.maximum(volume, 1)
        return {"last": last, "last_quantity": sizes, "average": average, "volume": volume, "high": high, "low": low}


class IntradayBars:
    """Minute bars as columns of shape (minutes, n), and the current figures. A minute without a trade has open 0."""

    def __init__(self, previous_close: Ints, *, opens_at: int, minutes: int) -> None:
        self.figures = SessionFigures(previous_close)
        self._opens_at, n = opens_at, len(previous_close)
        # Zeroed memory costs nothing before it is written, so thousands of symbols cost nothing at the open.
        self._open, self._high, self._low, self._close, self._volume = (
            np.zeros((minutes, n), dtype=np.int64) for _ in range(5)
        )

    def add_steps(self, minute: int, printed: Ints, traded: npt.NDArray[np.bool_], quantity: Ints) -> dict[str, Ints]:
        """Add consecutive steps of one minute, shape (steps, n).

        Return the columns of `SessionFigures` after each step.
        """
        figures = self.figures.add_steps(printed, traded, quantity)
        ids = np.flatnonzero(traded.any(axis=0))
        printed, traded = printed[:, ids], traded[:, ids]
        rows = np.arange(len(ids))
        first = printed[traded.argmax(axis=0), rows]
        final = printed[len(traded) - 1 - traded[::-1].argmax(axis=0), rows]
        is_new = self._open[minute, ids] == 0
        high, low = np.where(traded, printed, 0).max(axis=0), np.where(traded, printed, FAR_PRICE).min(axis=0)
        self._open[minute, ids] = np.where(is_new, first, self._open[minute, ids])
        self._high[minute, ids] = np.maximum(high, self._high[minute, ids])
        self._low[minute, ids] = np.where(is_new, low, np.minimum(low, self._low[minute, ids]))
        self._close[minute, ids] = final
        self._volume[minute] += quantity.sum(axis=0)
        return figures

    def bars_until(self, id_: int, *, interval_ns: int, until_at: int, closes_at: int) -> BarColumns:
        """Return the bars of instrument `id_` that ended by `until_at` (market ns)."""
        minutes = np.arange(max(0, min((until_at - self._opens_at) // MINUTE, len(self._open))))
        if until_at >= closes_at:
            minutes = np.arange(len(self._open))
        minutes = minutes[self._open[minutes, id_] > 0]
        columns = (self._open, self._high, self._low, self._close, self._volume)
        o, h, lo, c, v = (column[minutes, id_] for column in columns)
        bars = aggregate_bars(
            (self._opens_at + minutes * MINUTE, o, h, lo, c, v), opens_at=self._opens_at, interval_ns=interval_ns
        )
        return ended_bars(bars, interval_ns=interval_ns, until_at=until_at, closes_at=closes_at)
