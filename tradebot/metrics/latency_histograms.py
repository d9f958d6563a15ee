"""Histograms of the latencies, filled at a scrape from what `Latencies` keeps: a measurement costs nothing more."""

from __future__ import annotations

import numpy as np
from prometheus_client.core import HistogramMetricFamily

from tradebot.metrics.catalogue import METRICS
from tradebot.metrics.stage_metrics import LATENCY_MEANINGS
from tradebot.ops.latency import Latencies

# Upper bounds in microseconds, from 100 us to 1 s: a quote's way to its order on one end, a stalled loop on the other
BOUNDS_US = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
BOUNDS_NS = np.array(BOUNDS_US, dtype=np.int64) * 1000
BOUND_LABELS = (*map(str, (us / 1e6 for us in BOUNDS_US)), "+Inf")


class LatencyHistogram:
    """One histogram; `take_durations` adds durations in ns."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(BOUND_LABELS), dtype=np.int64)
        self._sum_ns = 0
        self.seen_count = 0  # durations that were recorded until the last scrape
        self.missed_count = 0  # of them, those that were overwritten before a scrape

    def read_new(self, latencies: Latencies, name: str, recorded: int) -> None:
        """Add what was recorded under `name` since the last call, as far as it is kept."""
        fresh = latencies.newest_durations(name, recorded - self.seen_count)
        self.missed_count += recorded - self.seen_count - len(fresh)
        self.seen_count = recorded
        places = np.searchsorted(BOUNDS_NS, fresh, side="left")  # a bound holds what equals it
        self._counts += np.bincount(places, minlength=len(BOUND_LABELS))
        self._sum_ns += int(np.maximum(fresh, 0).sum())

    def as_family(self, name: str) -> HistogramMetricFamily:
        """Return it in the form of the client library, in seconds."""
        spec = METRICS[f"tradebot_{name}_seconds"]
        buckets = list(zip(BOUND_LABELS, np.cumsum(self._counts).tolist(), strict=True))
        return HistogramMetricFamily(spec.name, spec.meaning, buckets=buckets, sum_value=self._sum_ns / 1e9)


class LatencyHistograms:
    """The histograms of a run, one for each latency of the catalogue; those without a measurement are there, empty."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._histograms = {name: LatencyHistogram() for name in LATENCY_MEANINGS}

    def read_families(self) -> list[HistogramMetricFamily]:
        """Take up what was measured since the last call, and return every histogram."""
        for name, recorded in self._latencies.recorded_counts.items():
            if name in self._histograms:
                self._histograms[name].read_new(self._latencies, name, recorded)
        return [one.as_family(name) for name, one in self._histograms.items()]

    def missed_counts(self) -> dict[str, int]:
        """Return name -> how many durations no histogram has, because they were overwritten before a scrape."""
        return {name: one.missed_count for name, one in self._histograms.items()}
