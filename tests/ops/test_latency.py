"""Latencies: percentiles of the newest, the worst of all, and a bounded memory."""

from __future__ import annotations

import pytest

from tradebot.ops.latency import Latencies


def test_percentiles_are_in_microseconds() -> None:
    latencies = Latencies()
    for us in range(1, 101):
        latencies.record_duration("quote_to_order", us * 1000)

    assert latencies.percentile_summary() == {
        "quote_to_order": {"p50_us": 51.0, "p99_us": 100.0, "max_us": 100.0, "n": 100}
    }


def test_the_oldest_are_forgotten_and_the_worst_is_not() -> None:
    latencies = Latencies(capacity=4)
    for ns in (9_000_000, 1000, 2000, 3000, 4000):
        latencies.record_duration("ack", ns)

    assert latencies.percentile_summary()["ack"] == {"p50_us": 3.0, "p99_us": 4.0, "max_us": 9000.0, "n": 5}


def test_recording_goes_on_after_a_summary() -> None:
    latencies = Latencies(capacity=2)
    latencies.record_duration("b", 1000)
    latencies.percentile_summary()
    latencies.record_duration("b", 3000)
    latencies.record_duration("a", 5000)

    assert list(latencies.percentile_summary()) == ["a", "b"]
    assert latencies.percentile_summary()["b"]["n"] == 2


def test_a_capacity_that_is_no_power_of_two_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(AssertionError, match="power of two"):
        Latencies(capacity=3)


def test_the_newest_durations_are_copied_oldest_first_as_far_as_they_are_kept() -> None:
    latencies = Latencies(capacity=4)
    for ns in range(1, 7):
        latencies.record_duration("ack", ns)

    found = latencies.newest_durations("ack", 3)
    latencies.record_duration("ack", 7)

    assert found.tolist() == [4, 5, 6]
    assert latencies.newest_durations("ack", 0).tolist() == []
    assert latencies.newest_durations("ack", 100).tolist() == [4, 5, 6, 7]
    assert latencies.recorded_counts == {"ack": 7}
