"""The benchmark of a warm start: what is asked for and in which order is counted; no times."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradebot.bench.start.warmup import LIMIT_S, WarmupLoad, measure_warmups, warmup_verdicts
from tradebot.clock import WallClock


@pytest.mark.timeout(120)
def test_before_the_open_nothing_is_asked_for_and_in_mid_day_what_is_guarded_comes_first() -> None:
    load = WarmupLoad(symbols=12, guarded=3, per_second=100, latency_s=0.01)
    result = measure_warmups(load, clock=WallClock(), progress=lambda _: None)
    early, midday = result["rows"]
    assert (early["requests"], early["from_history"], early["cold"], early["guarded_came_first"]) == (0, 12, 0, None)
    assert (midday["requests"], midday["from_history"], midday["cold"]) == (12, 0, 0)
    assert midday["guarded_came_first"]
    assert json.loads(json.dumps(result)) == result
    assert len(warmup_verdicts(result)) == 2


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [({}, True), ({"ready_s": LIMIT_S + 0.1}, False), ({"warm_s": 100 + LIMIT_S + 0.1}, False)],
)
def test_the_venues_rate_is_what_the_rest_may_take(change: dict[str, Any], is_kept: bool) -> None:
    row = {"moment": "mid-day", "requests": 300, "ready_s": 1.0, "guarded_s": 2.0, "warm_s": 100.0} | change
    (verdict,) = warmup_verdicts({"asked": {"symbols": 300, "per_second": 3}, "rows": [row]})
    assert verdict["ok"] is is_kept
    assert "guarded was warm after 2.00 s" in verdict["text"]
