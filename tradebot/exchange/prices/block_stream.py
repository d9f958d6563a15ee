"""Steps of a price source, made in blocks and handed out one by one, which keeps the cost of a step low."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Ints
from tradebot.exchange.snapshot import DEPTH_LEVELS, SNAPSHOT_COLUMNS, Snapshots, empty_columns

NEVER_AT = 1 << 62  # market ns


class StepBlock:
    """Steps whose rows lie one after the other in shared columns; `next_snapshot` slices them without copying.

    `step_times` holds the time of each step, `bounds` (one longer) where its rows begin. The columns are made
    read-only, because they are handed out without a copy.
    """

    def __init__(self, step_times: Sequence[int], bounds: Ints, columns: dict[str, Ints]) -> None:
        self.step_times = step_times
        self._bounds = bounds.tolist()
        self._columns = [columns[name] for name in SNAPSHOT_COLUMNS]
        for column in self._columns:
            column.flags.writeable = False
        self.position = 0

    @property
    def is_spent(self) -> bool:
        """Return whether every step was taken."""
        return self.position == len(self.step_times)

    @property
    def next_at(self) -> int:
        """Return the time of the next step, market ns."""
        return self.step_times[self.position]

    def next_snapshot(self) -> Snapshots | None:
        """Return the next step and move past it; None when nothing happened in it."""
        k = self.position
        self.position += 1
        begin, end = self._bounds[k], self._bounds[k + 1]
        if begin == end:
            return None
        rows = slice(begin, end)
        return Snapshots(
            at=self.step_times[k],
            **dict(zip(SNAPSHOT_COLUMNS, [column[rows] for column in self._columns], strict=True)),
        )


class BlockStream:
    """The steps of a session in order of time, block after block; the first is at `first_at`.

    `make` returns the next block and the time of the first step after it, NEVER_AT after the last. `emitted_until_at`
    is the market time up to which every step was handed out.
    """

    def __init__(self, make: Callable[[], tuple[StepBlock, int]], *, first_at: int, opens_at: int) -> None:
        self._make = make
        self._block = empty_block()
        self._at = self._next_at = first_at  # of the next step, and of the first one after this block
        self.emitted_until_at = opens_at - 1

    @property
    def is_finished(self) -> bool:
        """Return whether no step is left."""
        return self._at == NEVER_AT

    def steps_until(self, until_at: int) -> Iterator[Snapshots]:
        """Yield every step up to `until_at` (market ns) not yielded before in which something happened."""
        while self._at <= until_at:
            if self._block.is_spent:
                self._block, self._next_at = self._make()
            self.emitted_until_at = max(self.emitted_until_at, self._at)
            snapshot = self._block.next_snapshot()
            self._at = self._next_at if self._block.is_spent else self._block.next_at
            if snapshot is not None:
                yield snapshot
        self.emitted_until_at = max(self.emitted_until_at, until_at)


class StreamedPrices:
    """The part of a price source that hands on the steps of its block stream."""

    depth_levels = DEPTH_LEVELS

    universe: Universe
    opens_at: int
    previous_close: Ints
    _stream: BlockStream

    @property
    def is_finished(self) -> bool:
        """Return whether no step is left."""
        return self._stream.is_finished

    def opening_snapshot(self) -> Snapshots:
        """Return the previous closes with empty books, stamped one second before the open."""
        return untraded_snapshot(self.universe, self.previous_close, at=self.opens_at - SECOND)

    def steps_until(self, until_at: int) -> Iterator[Snapshots]:
        """Yield every step up to `until_at` (market ns) not yielded before. A step without a change is left out."""
        return self._stream.steps_until(until_at)


def untraded_snapshot(universe: Universe, previous_close: Ints, *, at: int) -> Snapshots:
    """Return every instrument at its previous close, without trades and with an empty book; `at` is market ns."""
    columns = empty_columns(universe)
    columns["ids"] = np.arange(len(universe))
    columns["stamps"] = np.full(len(universe), at)
    columns["last"] = columns["previous_close"] = previous_close.copy()
    return Snapshots(at=at, **{name: columns[name] for name in SNAPSHOT_COLUMNS})


def empty_block() -> StepBlock:
    """Return a block without steps."""
    return StepBlock((), np.zeros(1, dtype=np.int64), {name: np.zeros(0, dtype=np.int64) for name in SNAPSHOT_COLUMNS})
