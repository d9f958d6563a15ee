"""The venue whose protocol the benchmarks use: its broker, feed, binary frames and rules."""

from __future__ import annotations

from tradebot.venues.kite.bench_names import HEADERS, PROFILE, RECORDS, Broker, Feed

__all__ = ["HEADERS", "PROFILE", "RECORDS", "Broker", "Feed"]
