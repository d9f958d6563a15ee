"""Latencies become histograms at a scrape: nothing counted twice, what was overwritten counted as missed."""

from __future__ import annotations

from tests.metrics.metrics_rig import MetricsRig
from tests.trading.desk.desk_rig import DeskRig
from tradebot.clock import MICROSECOND, MILLISECOND, SECOND

NAME = "tradebot_quote_to_order_seconds"


def rig_of_a_run() -> MetricsRig:
    rig = MetricsRig()  # keeps 64 of each
    rig.attach(DeskRig().desk.account)
    return rig


def test_a_latency_is_in_every_bucket_from_its_own_on() -> None:
    rig = rig_of_a_run()
    for ns in (100 * MICROSECOND, 100 * MICROSECOND + 1, 3 * MILLISECOND, 2 * SECOND):
        rig.latencies.record_duration("quote_to_order", ns)
    found = {le: rig.read(f"{NAME}_bucket", le=le) for le in ("0.0001", "0.00025", "0.0025", "0.005", "1.0", "+Inf")}
    assert found == {"0.0001": 1, "0.00025": 2, "0.0025": 2, "0.005": 3, "1.0": 3, "+Inf": 4}
    assert rig.read(f"{NAME}_count") == 4
    assert rig.read(f"{NAME}_sum") == 2.003200001


def test_what_was_taken_up_by_one_scrape_is_not_counted_by_the_next() -> None:
    rig = rig_of_a_run()
    counts = []
    for more in (3, 0, 64, 60):
        for _ in range(more):
            rig.latencies.record_duration("quote_to_order", MILLISECOND)
        counts.append(rig.read(f"{NAME}_count"))
    assert counts == [3, 3, 67, 127]
    assert rig.read("tradebot_latencies_missed_total", latency="quote_to_order") == 0


def test_what_was_overwritten_before_a_scrape_is_counted_as_missed() -> None:
    rig = rig_of_a_run()
    for ns in range(100):
        rig.latencies.record_duration("quote_to_order", ns * SECOND)
    assert rig.read(f"{NAME}_count") == 64
    assert rig.read("tradebot_latencies_missed_total", latency="quote_to_order") == 36
    assert rig.read(f"{NAME}_sum") == sum(range(36, 100))


def test_a_latency_without_a_measurement_is_there_and_empty() -> None:
    rig = rig_of_a_run()
    assert rig.read("tradebot_gc_pause_seconds_count") == 0


def test_a_latency_that_the_catalogue_does_not_have_is_left_out() -> None:
    rig = rig_of_a_run()
    rig.latencies.record_duration("of_a_test", SECOND)
    assert b"of_a_test" not in rig.metrics.render_text()
