"""The symbols of a partition that have not joined: their closes are kept, and given to the strategies when they join.

A symbol joins once its past is here. It then gets its past and the closes kept since, with the holdings of their time,
so its strategies have the state that they would have had from the beginning. Only the signals of these closes are lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from tradebot.domain.market import Ints

MAX_KEPT_CLOSES = 2_000  # five sessions of minutes; more than any wait for a past, and some MB for a hundred symbols


class CloseRows(NamedTuple):
    """Rows of one close: `ids` (k,) ascending, `columns` (5, k) in price and quantity units.

    `ends_at` is market ns. `held` maps an id to (signed quantity, average price), without flat symbols.
    """

    ends_at: int
    ids: Ints
    columns: Ints
    held: Mapping[int, tuple[Decimal, Decimal]]

    def select_ids(self, chosen: Ints) -> CloseRows:
        """Return the rows of the ids `chosen` (ascending)."""
        is_chosen = np.isin(self.ids, chosen)
        ids = self.ids[is_chosen]
        return CloseRows(
            self.ends_at, ids, self.columns[:, is_chosen], {i: self.held[i] for i in ids.tolist() if i in self.held}
        )


class WaitingSymbols:
    """The ids that wait, among the ids of a partition, and their kept closes.

    With `as_one` all ids wait until the last one joins: strategies that compare symbols. Among the few that have joined
    a rank would be another number than among all, and what is computed from it would differ ever after.
    """

    def __init__(self, ids: Sequence[int], waiting: Collection[int], *, as_one: bool) -> None:
        self._all = np.array(ids, dtype=np.int64)
        self._missing = set(waiting).intersection(ids)  # ids without their past
        self._as_one = as_one
        self._closes: deque[CloseRows] = deque(maxlen=MAX_KEPT_CLOSES)
        self._held_back = self._waiting_ids()

    @property
    def is_empty(self) -> bool:
        """True when every symbol has joined."""
        return not len(self._held_back)

    def hold_back(self, close_rows: CloseRows) -> CloseRows:
        """Keep the rows of waiting symbols, and return the others."""
        kept = close_rows.select_ids(self._held_back)
        if not len(kept.ids):
            return close_rows
        self._closes.append(kept)
        return close_rows.select_ids(np.setdiff1d(close_rows.ids, kept.ids))

    def join_ids(self, ids: Collection[int]) -> Ints:
        """Let ids join, and return those that wait no longer, ascending."""
        self._missing.difference_update(ids)
        before, self._held_back = self._held_back, self._waiting_ids()
        return np.setdiff1d(before, self._held_back)

    def take_closes(self, joined: Ints) -> Iterator[CloseRows]:
        """Yield the kept closes of ids that have just joined, oldest first, and keep those of the others."""
        closes, self._closes = self._closes, deque(maxlen=MAX_KEPT_CLOSES)
        for close in closes:
            if len(others := close.select_ids(self._held_back).ids):
                self._closes.append(close.select_ids(others))
            if len((own := close.select_ids(joined)).ids):
                yield own

    def _waiting_ids(self) -> Ints:
        if self._as_one and self._missing:
            return np.unique(self._all)
        return np.array(sorted(self._missing), dtype=np.int64)
