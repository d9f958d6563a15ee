"""Latencies by name in bounded arrays: a measurement costs one store, percentiles are computed on request."""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

CAPACITY = 1 << 16  # durations kept of each name: 65,536, half a megabyte


class Latencies:
    """Records durations in ns under names such as `quote_to_order`, and keeps the newest `capacity` of each name."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity.bit_count() == 1, f"capacity must be a power of two, was {capacity}"
        self._capacity, self._mask = capacity, capacity - 1
        self._rings: dict[str, array[int]] = {}  # name -> durations, the oldest overwritten
        self._counts: dict[str, int] = {}
        self._worst: dict[str, int] = {}

    def record_duration(self, name: str, duration_ns: int) -> None:
        """Record one duration in ns."""
        try:
            n = self._counts[name]
        except KeyError:
            n = 0
            self._rings[name] = array("q", bytes(8 * self._capacity))
            self._worst[name] = duration_ns
        self._rings[name][n & self._mask] = duration_ns
        self._counts[name] = n + 1
        if duration_ns > self._worst[name]:
            self._worst[name] = duration_ns

    @property
    def recorded_counts(self) -> dict[str, int]:
        """Return name -> how many durations were recorded, those overwritten since included."""
        return dict(self._counts)

    def newest_durations(self, name: str, count: int) -> npt.NDArray[np.int64]:
        """Return the newest `count` durations of `name` in ns, oldest first; fewer where fewer are kept.

        An int64 copy of shape (n,).
        """
        recorded = self._counts[name]
        kept = min(count, recorded, self._capacity)
        places = np.arange(recorded - kept, recorded) & self._mask
        newest: npt.NDArray[np.int64] = np.frombuffer(self._rings[name], dtype=np.int64)[places]
        return newest

    def percentile_summary(self) -> dict[str, dict[str, float]]:
        """Return name -> p50_us, p99_us (of the newest kept), max_us and n (of all), names sorted."""
        out: dict[str, dict[str, float]] = {}
        for name in sorted(self._counts):
            n = self._counts[name]
            kept = np.frombuffer(self._rings[name], dtype=np.int64)[: min(n, self._capacity)]
            p50, p99 = np.percentile(kept, (50, 99), method="higher") / 1000
            out[name] = {"p50_us": float(p50), "p99_us": float(p99), "max_us": self._worst[name] / 1000, "n": n}
        return out
