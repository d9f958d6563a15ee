"""Bars that come where bars are already: the newer of one start counts, and what that did is told; for the history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tradebot.domain.market import SERIES_COLUMNS, Ints, Series


class Put(NamedTuple):
    """What writing bars did: how many were new, how many took the place of others, how many said the same."""

    added: int
    replaced: int
    equal: int

    def __add__(self, other: Put) -> Put:  # type: ignore[override]
        return Put(self.added + other.added, self.replaced + other.replaced, self.equal + other.equal)


def merged(old: Ints, new: Ints, bars: Series) -> tuple[Series, Put]:
    """Return bars of shape (6, n) with newer ones laid over them, under the name of `bars`, and what that did."""
    both = np.concatenate([old, new], axis=1)
    order = np.argsort(both[0], kind="stable")  # of two with one start the newer stands second
    both = both[:, order]
    is_last = np.append(both[0, 1:] != both[0, :-1], True)
    again = np.flatnonzero(~is_last)
    equal = int((both[:, again] == both[:, again + 1]).all(axis=0).sum())
    kept = both[:, is_last]
    columns = dict(zip(SERIES_COLUMNS, kept, strict=True))
    series = Series(symbol=bars.symbol, interval=bars.interval, **columns)
    return series, Put(added=new.shape[1] - len(again), replaced=len(again) - equal, equal=equal)
