"""Bars repaired after an outage: the closes of a run with the venue's bars in the place of its own. Pure.

A run keeps what it built of the quotes that came. Repaired bars are recorded beside it and take its place wherever the
state of strategies is computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tradebot.domain.market import BAR_COLUMNS, BarBatch, BarSeries, Ints


class SpoiledBars(NamedTuple):
    """Bars that an outage spoiled, of all symbols, `bars` of each: they are to be repaired.

    The last of them ends at `until` (market ns), None while the outage goes on. With 0 `bars` it ended, and none of its
    bars is repaired after all.
    """

    until: int | None
    bars: int


class RepairedBars(NamedTuple):
    """The venue's bars of symbols whose own bars an outage spoiled.

    `symbols` are those that need not wait longer for bars that end at or before `until` (market ns). One without a
    series is given up: the venue has no bars of it, refuses them, or takes too long.
    """

    series: tuple[BarSeries, ...]
    symbols: tuple[str, ...] = ()
    until: int = 0


def batches_of_series(series: Sequence[BarSeries], ids: Mapping[str, int], seen_at: int) -> list[BarBatch]:
    """Return bars of some symbols, with the universe's `ids`, as batches, oldest first, made at `seen_at` (mono ns).

    All bars have one interval. The number of quotes in each is 0: none was counted.
    """
    if not series:
        return []
    interval = series[0].interval
    rows = np.concatenate([np.full(len(one), ids[one.symbol], dtype=np.int64) for one in series])
    starts = np.concatenate([one.starts for one in series])
    columns = {
        name: np.concatenate([getattr(one, name) for one in series])
        for name in ("open", "high", "low", "close", "volume")
    }
    found = []
    for start in np.unique(starts).tolist():
        chosen = np.flatnonzero(starts == start)
        chosen = chosen[np.argsort(rows[chosen])]
        found.append(
            BarBatch(
                interval=interval,
                ends_at=start + interval,
                seen_at=seen_at,
                quoted_at=seen_at,
                ids=rows[chosen],
                ticks=np.zeros(len(chosen), dtype=np.int64),
                **{name: column[chosen] for name, column in columns.items()},
            )
        )
    return found


def apply_repairs(closes: Iterable[BarBatch], repairs: Iterable[BarBatch]) -> list[BarBatch]:
    """Return closes with repaired bars in their place, oldest first; of bars that were repaired twice the later one.

    A repaired bar of a time without a close makes one.
    """
    whole = {batch.ends_at: batch for batch in closes}
    for repair in repairs:
        built = whole.get(repair.ends_at)
        whole[repair.ends_at] = repair if built is None else _merged(built, repair)
    return [whole[ends_at] for ends_at in sorted(whole)]


def _merged(built: BarBatch, repair: BarBatch) -> BarBatch:
    kept = ~np.isin(built.ids, repair.ids)
    columns: dict[str, Ints] = {
        name: np.concatenate([getattr(built, name)[kept], getattr(repair, name)]) for name in BAR_COLUMNS
    }
    order = np.argsort(columns["ids"], kind="stable")
    return BarBatch(
        interval=built.interval,
        ends_at=built.ends_at,
        seen_at=built.seen_at,
        quoted_at=built.quoted_at,
        **{name: column[order] for name, column in columns.items()},
    )
