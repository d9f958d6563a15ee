"""When sessions open: a clock on which every session of an exchange begins at a whole day, summer and winter."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.market import Ints

DAY_S = 86_400
FIRST_YEAR, LAST_YEAR = 1970, 2100  # years whose daylight saving is known
At = TypeVar("At", int, Ints)

Anchor = int | time | None  # ns after midnight UTC, a time in the exchange's zone, or None: when the exchange opens


class SessionOpens:
    """Sessions that open at `opens_at` in `zone` every day; daylight saving there moves them.

    `session_clock(t)` is `t` on a clock that shows whole days when sessions open: it gives the session, and the time
    since it opened.
    """

    def __init__(self, zone: str, opens_at: time) -> None:
        self.zone, self.opens_at = zone, opens_at
        self._edges, self._offsets = _table(zone, opens_at)

    def session_clock(self, at: At) -> At:
        """Return market ns, one or many, less the UTC time of day (ns) at which the session of that time opens."""
        if not self._edges:
            return at - self._offsets[0]
        if isinstance(at, int):
            return at - self._offsets[bisect_right(self._edges, at)]
        return at - np.array(self._offsets, dtype=np.int64)[np.searchsorted(self._edges, at, side="right")]

    def at_anchor(self, anchor: Anchor) -> SessionOpens:
        """Return the sessions that an anchor means for this exchange."""
        if anchor is None:
            return self
        if isinstance(anchor, time):
            return SessionOpens(self.zone, anchor)
        seconds = anchor // SECOND
        return SessionOpens("UTC", time(seconds // 3600, seconds // 60 % 60, seconds % 60))


@lru_cache(maxsize=64)
def _table(zone: str, at: time) -> tuple[tuple[int, ...], tuple[int, ...]]:
    # (when the offset changes, ns UTC), (offsets before, between and after the changes, ns after midnight UTC)
    place = ZoneInfo(zone)

    def opening(day: date) -> int:
        return int(datetime.combine(day, at, place).astimezone(UTC).timestamp())

    day, end = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 1, 1)
    offsets, edges = [opening(day) % DAY_S], []
    while day < end:
        later = day + timedelta(days=28)
        if opening(later) % DAY_S != offsets[-1]:
            later = day + timedelta(days=1)
            if (offset := opening(later) % DAY_S) != offsets[-1]:
                edges.append(opening(later) * SECOND)
                offsets.append(offset)
        day = later
    return tuple(edges), tuple(offset * SECOND for offset in offsets)


HOME_OPENS = SessionOpens("Asia/Kolkata", time(9, 15))  # the default
