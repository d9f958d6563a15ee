"""What the exchange publishes about its instruments at one step, as columns; every price source makes these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Ints
from tradebot.domain.message import Message

DEPTH_LEVELS = 5


class Snapshots(Message, frozen=True, eq=False):
    """The published state of some instruments after one step of the price source; row i belongs to `ids[i]`.

    `at` is the market ns of the step. `stamps` is the venue timestamp printed on each row (ns UTC); recorded bad ticks
    keep their wrong stamps, 0 included. Columns of shape (n,) are in price or quantity units. `previous_close` is
    yesterday's. `traded` is the volume that changed hands since the row before; a resting order may share in it. Depth
    columns have shape (n, 5), best level first, 0 where a level is empty.
    """

    at: int
    ids: Ints
    stamps: Ints
    last: Ints
    last_quantity: Ints
    average: Ints
    volume: Ints
    buy_quantity: Ints
    sell_quantity: Ints
    open: Ints
    high: Ints
    low: Ints
    previous_close: Ints
    traded: Ints
    bids: Ints
    bid_quantities: Ints
    bid_orders: Ints
    asks: Ints
    ask_quantities: Ints
    ask_orders: Ints

    def __len__(self) -> int:
        return len(self.ids)


SNAPSHOT_COLUMNS = tuple(name for name in Snapshots.__struct_fields__ if name != "at")


class PriceSource(Protocol):
    """Where prices come from. The same arguments give the same rows, however the calls of `steps_until` are split.

    `instrument_closes_at` is the first market ns at which each instrument no longer trades, none after `closes_at`.
    Circuit limits are 0 where they are unknown. `depth_levels` is how many levels of depth the source knows, at most
    `DEPTH_LEVELS`; what lies beyond them is unknown and not empty.
    """

    depth_levels: int

    universe: Universe
    opens_at: int
    closes_at: int
    instrument_closes_at: Ints
    lower_circuit: Ints
    upper_circuit: Ints

    def opening_snapshot(self) -> Snapshots:
        """Return the state of every instrument (ids 0..n-1) before the first trade."""
        ...

    def steps_until(self, until_at: int) -> Iterator[Snapshots]:
        """Yield every step up to `until_at` (market ns) not yielded before, in order of time."""
        ...

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        """Return bars that start in [start_at, end_at), earlier days included.

        No bar ends after the newest `until_at` of `steps_until`. Times are market ns.
        """
        ...

    @property
    def is_finished(self) -> bool:
        """Return whether no step is left."""
        ...


def empty_columns(universe: Universe) -> dict[str, Ints]:
    """Return zeroed columns for every instrument; snapshots overwrite them row by row."""
    n = len(universe)
    return {
        name: np.zeros((n, DEPTH_LEVELS) if name.startswith(("bid", "ask")) else n, dtype=np.int64)
        for name in SNAPSHOT_COLUMNS
    }
