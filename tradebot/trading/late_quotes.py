"""Quotes that came after their bar had closed: counted by instrument, and told as it happens, but seldom."""

from __future__ import annotations

from collections import Counter

from tradebot.clock import MINUTE
from tradebot.domain.instrument import Universe
from tradebot.domain.market_data import Ints
from tradebot.ops.events.market import QuotesDelayed

WARN_EVERY_NS = MINUTE  # wall: a machine that is always late would fill the log
SYMBOLS_SHOWN = 5


class LateQuotes:
    """What was late: `total_count` over the run, and by instrument what was not told yet."""

    def __init__(self) -> None:
        self.total_count = 0
        self._untold: Counter[int] = Counter()  # id -> quotes
        self._told_at: int | None = None

    def count_late(self, ids: Ints) -> None:
        """Count late quotes, one for each of `ids`."""
        self.total_count += len(ids)
        self._untold.update(ids.tolist())

    def take_warning(self, mono: int, universe: Universe) -> QuotesDelayed | None:
        """Return a warning about what was not told yet, None where nothing was or one came lately.

        `mono` is our monotonic time in ns.
        """
        if not self._untold or (self._told_at is not None and mono - self._told_at < WARN_EVERY_NS):
            return None
        worst = {universe[id_].symbol: count for id_, count in self._untold.most_common(SYMBOLS_SHOWN)}
        delayed = QuotesDelayed(
            quotes=self._untold.total(), symbols=len(self._untold), worst=worst, in_all=self.total_count
        )
        self._untold.clear()
        self._told_at = mono
        return delayed
