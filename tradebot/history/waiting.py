"""Rows of an import that wait until it is known how long a bar is; how many may wait is bounded."""

from __future__ import annotations

import numpy as np

from tradebot.clock import DAY
from tradebot.errors import DataError
from tradebot.history.files.rows import Rows
from tradebot.history.interval import common_step
from tradebot.history.market import UTC_ZONE, calendar_of, days_of, zone_of

MOST_WAITING = 400_000  # a list of all shares has some thousand rows a day
MOST_ASKED = 20  # symbols of a batch that are looked at for the step between their bars


class Waiting:
    """Holds rows while each symbol has one time alone; `repeats` counts those that said the same as one before.

    `lone` (ns) is how long such bars are if nothing else says it, 0 refuses them.
    """

    def __init__(self, exchange: str, *, lone: int) -> None:
        self._exchange, self._lone = exchange, lone
        self._rows: list[tuple[Rows, str]] = []
        self._count = 0
        self.repeats = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows, place: str) -> None:
        """Take rows of a file; `place` names it in errors."""
        one = _without_repeats(rows)
        self.repeats += len(rows.starts) - len(one.starts)
        self._count += len(one.starts)
        self._rows.append((one, place))

    def interval(self) -> int:
        """Return how long lone bars are, ns. Raises DataError where nothing tells it."""
        length = self._lone or (DAY if all(self._are_days(rows) for rows, _ in self._rows) else 0)
        if not length:
            place = self._rows[0][1]
            raise DataError(f"{place}: one bar of a symbol does not tell how long a bar is; say it with --interval")
        return length

    def take(self) -> list[tuple[Rows, str]]:
        """Return the rows with their places, and hold none any more."""
        rows, self._rows, self._count = self._rows, [], 0
        return rows

    def _are_days(self, rows: Rows) -> bool:
        # Single bars that begin at midnight, where no session does: a list of all shares on one day is made of them.
        if zone_of(self._exchange) == UTC_ZONE:
            return False
        calendar, days = calendar_of(self._exchange), days_of(rows.starts, self._exchange).tolist()
        return all(calendar.midnight(day) == start for day, start in zip(days, rows.starts.tolist(), strict=True))


def spacing(rows: Rows) -> int:
    """Return the commonest step between neighbours of one symbol, ns; 0 without any. Gaps and nights are rare."""
    steps = [
        np.diff(np.unique(rows.starts[rows.symbols == symbol]))
        for symbol in list(dict.fromkeys(rows.symbols))[:MOST_ASKED]
    ]
    return common_step(np.concatenate(steps)) if steps else 0


def _without_repeats(rows: Rows) -> Rows:
    # Rows that say the same as the one before of their symbol and start: first and last stay first and last.
    names, numbers = np.unique(rows.symbols.astype(str), return_inverse=True)
    if len(names) == len(numbers):
        return rows
    order = np.lexsort((rows.starts, numbers))
    is_other = (np.diff(np.vstack([numbers, rows.starts])[:, order]) != 0).any(axis=0)
    is_other |= (np.diff(rows.values[:, order]) != 0).any(axis=0)
    kept = np.sort(order[np.append(True, is_other)])
    return Rows(rows.symbols[kept], rows.starts[kept], rows.values[:, kept])
