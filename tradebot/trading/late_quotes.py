"""Counts quotes that came after their bar had closed, by instrument, and warns about them now and then."""

from __future__ import annotations

from collections import Counter

from tradebot.clock import MINUTE
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.ops.events.market import QuotesDelayed

WARN_EVERY_NS = MINUTE  # monotonic ns; without it a machine that is always late would fill the log
SYMBOLS_SHOWN = 5


class LateQuotes:
    """Counts late quotes: `total_count` over the run, and by instrument those without a warning yet."""

    def __init__(self) -> None:
        self.total_count = 0
        self._untold: Counter[int] = Counter()  # id -> quotes
        self._reported_mono: int | None = None

    def count_late(self, ids: Ints) -> None:
        """Count late quotes, one for each of `ids`."""
        self.total_count += len(ids)
        self._untold.update(ids.tolist())

    def take_warning(self, mono: int, universe: Universe) -> QuotesDelayed | None:
        """Return a warning about the quotes that came late since the last warning.

        Returns None if there were none, or if the last warning is less than `WARN_EVERY_NS` old. `mono` is our
        monotonic time in ns.
        """
        if not self._untold or (self._reported_mono is not None and mono - self._reported_mono < WARN_EVERY_NS):
            return None
        worst = {universe[id_].symbol: count for id_, count in self._untold.most_common(SYMBOLS_SHOWN)}
        delayed = QuotesDelayed(
            quotes=self._untold.total(), symbols=len(self._untold), worst=worst, in_all=self.total_count
        )
        self._untold.clear()
        self._reported_mono = mono
        return delayed
