"""The benchmark of a burst: every signal leads to its order, the figures have their shape; no times."""

import json

from click.testing import CliRunner

from tradebot.bench.burst.burst import BurstLoad, burst_verdicts, measure_bursts
from tradebot.bench.rivals import script_pools
from tradebot.bench.rivals.burst import SYMBOLS_AT_ONCE
from tradebot.cli.bench.bench import bench
from tradebot.clock import WallClock


def test_a_burst_goes_through_the_daemon_to_the_venue_and_is_counted(monkeypatch):
    monkeypatch.setattr(script_pools, "POOL_SIZE", 1)
    load = BurstLoad(symbols=(3,), bursts=4, full=1, repeats=1)
    result = measure_bursts(load, clock=WallClock(), progress=lambda _: None)
    rows = result["rows"]
    assert [(row["symbols"], row["rival"], row["fired"], row["n"]) for row in rows] == [
        (3, "tradebot", 1, 4), (3, "tradebot", 3, 2),
        *((3, name, None, 1) for name in SYMBOLS_AT_ONCE),
    ]  # fmt: skip
    for row in rows[:2]:
        assert row["missing"] == 0
        assert row["how"].endswith("workers: 1")
        assert 0 < row["signal_p50_ms"] <= row["signal_p99_ms"] <= row["signal_max_ms"]
        assert row["signal_p50_ms"] < row["order_max_ms"]
    assert json.loads(json.dumps(result)) == result
    assert burst_verdicts(result)[0] == {"ok": True, "text": "every order came"}


def row(symbols: int, how: str, **given: float) -> dict[str, object]:
    figures = {"signal_p50_ms": 1.0, "signal_p99_ms": 1.2, "order_p50_ms": 3.0, "stall_ms": 2.0, "missing": 0}
    return {"symbols": symbols, "rival": "tradebot", "how": how} | figures | given


def test_a_promise_is_held_to_its_own_number_of_symbols():
    few, whole = "one in 50 fires, workers: 1", "all fire, workers: 1"
    rows = [row(50, few), row(50, whole, signal_p99_ms=9.0), row(500, few, signal_p99_ms=3.1), row(7, few)]
    rows += [row(5000, whole, stall_ms=5.1, missing=2)]
    found = burst_verdicts({"rows": rows, "asked": {"symbols": []}})
    assert [v["ok"] for v in found] == [False, True, True, False, True, False]
    assert "2 orders did not come" in found[0]["text"]


def test_a_number_of_workers_that_is_none_is_named():
    result = CliRunner().invoke(bench, ["burst", "--workers", "many"])
    assert result.exit_code == 2
    assert "auto or a number" in result.output
