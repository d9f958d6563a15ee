"""Holds rows of an import until the interval of their bars is known; the number of held rows is bounded."""

from __future__ import annotations

import numpy as np

from tradebot.clock import DAY
from tradebot.errors import DataError
from tradebot.history.exchange_calendar import UTC_ZONE, calendar_of, exchange_days, zone_of
from tradebot.history.files.rows import ParsedRows
from tradebot.history.interval import common_step

MAX_HELD_ROWS = 400_000  # a list of all shares has some thousand rows a day
MAX_SAMPLED_SYMBOLS = 20  # symbols of a batch that are sampled for the step between their bars


class HeldRows:
    """Holds rows while each symbol has only one time; `duplicates` counts rows that repeat an earlier one exactly.

    `lone_interval` (ns) is the interval of such single bars, 0 when it is not given.
    """

    def __init__(self, exchange: str, *, lone_interval: int) -> None:
        self._exchange, self._lone_interval = exchange, lone_interval
        self._rows: list[tuple[ParsedRows, str]] = []
        self._count = 0
        self.duplicates = 0

    def __len__(self) -> int:
        return self._count

    def hold_rows(self, rows: ParsedRows, place: str) -> None:
        """Hold rows of a file; `place` names the file in errors."""
        one = _without_repeats(rows)
        self.duplicates += len(rows.starts) - len(one.starts)
        self._count += len(one.starts)
        self._rows.append((one, place))

    def lone_bar_interval(self) -> int:
        """Return the interval (ns) of single bars: the given one, else a day if all start at midnight.

        Raises DataError when neither applies.
        """
        length = self._lone_interval or (DAY if all(self._are_days(rows) for rows, _ in self._rows) else 0)
        if not length:
            place = self._rows[0][1]
            raise DataError(f"{place}: one bar of a symbol does not tell how long a bar is; say it with --interval")
        return length

    def release_rows(self) -> list[tuple[ParsedRows, str]]:
        """Return the held rows with their places, and hold none afterwards."""
        rows, self._rows, self._count = self._rows, [], 0
        return rows

    def _are_days(self, rows: ParsedRows) -> bool:
        # Single bars that start at midnight are daily: no session opens then. Lists of all shares on one day are so.
        if zone_of(self._exchange) == UTC_ZONE:
            return False
        calendar, days = calendar_of(self._exchange), exchange_days(rows.starts, self._exchange).tolist()
        return all(calendar.midnight_at(day) == start for day, start in zip(days, rows.starts.tolist(), strict=True))


def common_spacing(rows: ParsedRows) -> int:
    """Return the commonest step (ns) between consecutive bars of a symbol, 0 without one; gaps and nights are rare."""
    steps = [
        np.diff(np.unique(rows.starts[rows.symbols == symbol]))
        for symbol in list(dict.fromkeys(rows.symbols))[:MAX_SAMPLED_SYMBOLS]
    ]
    return common_step(np.concatenate(steps)) if steps else 0


def _without_repeats(rows: ParsedRows) -> ParsedRows:
    # Drops rows equal to the row before with the same symbol and start. The first and the last row stay so.
    names, numbers = np.unique(rows.symbols.astype(str), return_inverse=True)
    if len(names) == len(numbers):
        return rows
    order = np.lexsort((rows.starts, numbers))
    is_other = (np.diff(np.vstack([numbers, rows.starts])[:, order]) != 0).any(axis=0)
    is_other |= (np.diff(rows.values[:, order]) != 0).any(axis=0)
    kept = np.sort(order[np.append(True, is_other)])
    return ParsedRows(rows.symbols[kept], rows.starts[kept], rows.values[:, kept])
