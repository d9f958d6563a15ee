"""Merges new bars into stored ones for the history: the newer bar of a start wins; counts what that changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.domain.market import SERIES_COLUMNS, BarSeries, Ints
from tradebot.history.interval import shortest_step


class WriteCounts(NamedTuple):
    """How many written bars were new, replaced another bar, or were equal to a stored one."""

    added: int
    replaced: int
    equal: int

    def __add__(self, other: WriteCounts) -> WriteCounts:  # type: ignore[override]
        return WriteCounts(self.added + other.added, self.replaced + other.replaced, self.equal + other.equal)


def overlaps_newer(old: Ints, new: Ints, interval: int) -> npt.NDArray[np.bool_]:
    """Return for each start of old bars (ns UTC) whether a newer bar with another start overlaps its time.

    Both are then the same bar, stamped in another zone or at its end.
    """
    least = shortest_step(interval)
    after = np.searchsorted(new, old, side="left")
    before = np.maximum(after - 1, 0)
    behind = new[np.minimum(after, len(new) - 1)] - old
    ahead = old - new[before]
    is_near = ((behind > 0) & (behind < least)) | ((ahead > 0) & (ahead < least))
    found: npt.NDArray[np.bool_] = is_near & (behind != 0)
    return found


def merge_bars(old: Ints, new: Ints, bars: BarSeries) -> tuple[BarSeries, WriteCounts]:
    """Return old bars with new ones merged in, as a series with the symbol and interval of `bars`, and the counts.

    `old` and `new` have shape (6, n). Of two bars that overlap in time the newer one stays.
    """
    is_other = overlaps_newer(old[0], new[0], bars.interval)
    other = int(is_other.sum())
    old = old[:, ~is_other]
    both = np.concatenate([old, new], axis=1)
    order = np.argsort(both[0], kind="stable")  # of two bars with one start the newer is second
    both = both[:, order]
    is_last = np.append(both[0, 1:] != both[0, :-1], True)
    again = np.flatnonzero(~is_last)
    equal = int((both[:, again] == both[:, again + 1]).all(axis=0).sum())
    kept = both[:, is_last]
    columns = dict(zip(SERIES_COLUMNS, kept, strict=True))
    series = BarSeries(symbol=bars.symbol, interval=bars.interval, **columns)
    fresh = new.shape[1] - len(again)
    return series, WriteCounts(
        added=max(fresh - other, 0), replaced=len(again) - equal + min(other, fresh), equal=equal
    )
