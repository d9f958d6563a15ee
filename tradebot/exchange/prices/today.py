"""The minute bars of the session under way, kept as the synthetic steps are made; the newest part of `series`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE
from tradebot.domain.market import Ints
from tradebot.exchange.prices.folding import Columns, complete, fold

FAR = np.int64(1 << 62)


class Today:
    """Bars of `n` instruments as columns of shape (minutes, n); a minute without a trade has open 0."""

    def __init__(self, n: int, *, opens_at: int, minutes: int) -> None:
        self._opens_at = opens_at
        # Zeroed memory costs nothing before it is written, so thousands of symbols are no burden at the open.
        self._open, self._high, self._low, self._close, self._volume = (
            np.zeros((minutes, n), dtype=np.int64) for _ in range(5)
        )

    def add(self, minute: int, printed: Ints, traded: npt.NDArray[np.bool_], quantity: Ints) -> None:
        """Take consecutive steps of one minute; all columns have shape (steps, n)."""
        ids = np.flatnonzero(traded.any(axis=0))
        printed, traded = printed[:, ids], traded[:, ids]
        rows = np.arange(len(ids))
        first = printed[traded.argmax(axis=0), rows]
        final = printed[len(traded) - 1 - traded[::-1].argmax(axis=0), rows]
        is_new = self._open[minute, ids] == 0
        high, low = np.where(traded, printed, 0).max(axis=0), np.where(traded, printed, FAR).min(axis=0)
        self._open[minute, ids] = np.where(is_new, first, self._open[minute, ids])
        self._high[minute, ids] = np.maximum(high, self._high[minute, ids])
        self._low[minute, ids] = np.where(is_new, low, np.minimum(low, self._low[minute, ids]))
        self._close[minute, ids] = final
        self._volume[minute] += quantity.sum(axis=0)

    def bars(self, id_: int, *, interval: int, seen: int, closes_at: int) -> Columns:
        """Return the bars of instrument `id_` that ended by `seen`."""
        minutes = np.arange(max(0, min((seen - self._opens_at) // MINUTE, len(self._open))))
        if seen >= closes_at:
            minutes = np.arange(len(self._open))
        minutes = minutes[self._open[minutes, id_] > 0]
        columns = (self._open, self._high, self._low, self._close, self._volume)
        o, h, lo, c, v = (column[minutes, id_] for column in columns)
        bars = fold((self._opens_at + minutes * MINUTE, o, h, lo, c, v), opens_at=self._opens_at, interval=interval)
        return complete(bars, interval=interval, seen=seen, closes_at=closes_at)
