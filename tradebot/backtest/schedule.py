"""The schedule of a run: at which timeline index each instrument is due next, and where the clock ticks."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from tradebot.backtest.session_timetable import NEVER


class Schedule:
    """An instrument is due at one index at most; the clock ticks at any number. `end_k` is the timeline's length."""

    def __init__(self, size: int, end_k: int, ticks: Iterable[int]) -> None:
        self._size, self._slots, self.end_k = size, size + 1, end_k  # slots of one `k`: the instruments, then the clock
        self._heap = [k * self._slots + size for k in ticks]  # entries are k * slots + slot
        heapify(self._heap)
        self._next = [NEVER] * size  # id -> the k it is due at; other entries of the heap are out of date

    @property
    def next_k(self) -> int:
        """Return the first index with an entry, `end_k` for none."""
        return self._heap[0] // self._slots if self._heap else self.end_k

    def set_due(self, id_: int, k: int) -> None:
        """Make an instrument due at `k` and at no other index."""
        self._next[id_] = k
        if k < self.end_k:
            heappush(self._heap, k * self._slots + id_)

    def add_tick(self, k: int) -> None:
        """Add a clock tick at `k`."""
        if k < self.end_k:
            heappush(self._heap, k * self._slots + self._size)

    def pop_entries(self, k: int) -> tuple[list[int], bool]:
        """Remove the entries of `k`, the next index; return the instruments due, ascending, and whether it ticks."""
        heap, following, first = self._heap, self._next, k * self._slots
        due: list[int] = []
        ticks = False
        while heap and heap[0] < first + self._slots:
            id_ = heappop(heap) - first
            if id_ == self._size:
                ticks = True
            elif following[id_] == k:
                following[id_] = NEVER
                due.append(id_)
        return due, ticks
