"""A queue of calls by market time: requests in transit to the exchange, and answers in transit back."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class TimerQueue:
    """Calls by time; calls due at the same instant run in the order they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._added = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def next_at(self) -> int:
        """Return the time of the next call (market ns). The queue must not be empty."""
        return self._heap[0][0]

    def add_call(self, at: int, call: Callable[[int], None]) -> None:
        """Schedule `call(at)` for `at` (market ns)."""
        self._added += 1
        heapq.heappush(self._heap, (at, self._added, call))

    def run_until(self, until_at: int) -> None:
        """Make every call due at or before `until_at` (market ns), including calls that these calls add."""
        while self._heap and self._heap[0][0] <= until_at:
            at, _, call = heapq.heappop(self._heap)
            call(at)
