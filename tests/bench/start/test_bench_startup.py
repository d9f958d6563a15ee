"""The benchmark of starting wide: every symbol answers at the end, memory is counted; no times, no sizes."""

import json

from tradebot.bench.start.startup import INLINE, OURS, StartupLoad, measure_startup, startup_verdicts
from tradebot.clock import WallClock


def test_every_symbol_is_warm_and_answers_the_first_close():
    result = measure_startup(StartupLoad(symbols=(30,), bars=60, repeats=1), clock=WallClock(), progress=lambda _: None)
    rows = result["rows"]
    assert [(row["symbols"], row["rival"], row["workers"], row["fired"]) for row in rows] == [
        (30, OURS, 1, 30), (30, INLINE, 0, 30),
    ]  # fmt: skip
    for row in rows:
        assert 0 < row["ready_s"] < row["first_close_s"]
        assert 0 < row["pss_mb"] <= row["rss_mb"]
    assert json.loads(json.dumps(result)) == result
    assert len(startup_verdicts(result)) == 1


def test_the_promise_is_for_five_thousand_symbols():
    row = {"symbols": 5000, "rival": OURS, "ready_s": 4.0, "pss_mb": 500.0, "rss_mb": 590.0}
    for change, is_kept in (({}, True), ({"ready_s": 5.1}, False), ({"rss_mb": 601.0}, False)):
        few = row | {"symbols": 500, "ready_s": 9.0, "pss_mb": 50.0}
        found = startup_verdicts({"asked": {"bars": 500}, "rows": [few, row | change]})
        assert [v["ok"] for v in found] == [True, is_kept, True]
        assert "each symbol costs 102.4 kB" in found[2]["text"]
