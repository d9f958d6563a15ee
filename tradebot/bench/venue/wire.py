"""The venue whose wire the benchmarks speak: its broker, its feed, its binary frames and its rules."""

from __future__ import annotations

from tradebot.venues.kite.bench_names import HEADERS, PROFILE, RECORDS, Broker, Feed

__all__ = ["HEADERS", "PROFILE", "RECORDS", "Broker", "Feed"]
