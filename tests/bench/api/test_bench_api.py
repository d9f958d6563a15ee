"""The benchmark of the operator's API: a short real run whose counts are whole, its load, its verdicts; no times."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradebot.__main__ import run_command_line
from tradebot.bench.api.api import FLOOD, LOADS, MODERATE, SILENT, ApiBench, api_verdicts, measure_api
from tradebot.clock import WallClock
from tradebot.control.request_guard import HTTP_BURST, HTTP_PER_S

SECONDS, PAIRS = 0.4, 1
DELAYS = ("p50_quiet_us", "p50_with_us", "p50_ratio", "p99_quiet_us", "p99_with_us", "p99_ratio")


def test_the_rows_of_a_short_run_are_whole_and_beyond_the_rate_the_api_refuses() -> None:
    asked = ApiBench(for_s=SECONDS, pairs=PAIRS, orders=100.0, dropped_within_s=0.0)
    progress = list[tuple[int, int]]()
    result = measure_api(asked, clock=WallClock(), progress=lambda done, total: progress.append((done, total)))

    rows = {row["load"]: row for row in result["rows"]}
    assert list(rows) == [MODERATE, SILENT, FLOOD]
    assert progress == [(0, 3), (1, 3), (2, 3)]
    # One quote in two, in a slice without the load and in one with it.
    assert [row["n"] + row["missing"] for row in rows.values()] == [80, 80, 80]
    assert [row["unarmed"] for row in rows.values()] == [0, 0, 0]
    assert all(row[name] > 0 for row in rows.values() for name in DELAYS)
    moderate, flood = rows[MODERATE], rows[FLOOD]
    assert (moderate["readers"], moderate["dropped"], moderate["status_429"]) == (10, 0, 0)
    assert 0 < moderate["status_200"] == moderate["requests"]
    assert moderate["events"] > 0
    assert flood["status_429"] > 0
    assert 0 < flood["status_200"] <= HTTP_BURST + HTTP_PER_S * (flood["load_s"] + 1)
    assert flood["status_200"] + flood["status_429"] + flood["no_answer"] == flood["requests"]
    assert (rows[SILENT]["readers"], rows[SILENT]["requests"], rows[SILENT]["events"]) == (10, 0, 0)
    assert json.loads(json.dumps(result)) == result
    assert len(api_verdicts(result)) == 7


def row(load: str, **more: Any) -> dict[str, Any]:
    counts = {"requests": 0, "status_200": 0, "status_429": 0, "no_answer": 0, "events": 0, "missed": 0, "dropped": 0}
    orders = {"n": 900, "missing": 0, "unarmed": 0}
    figures = dict(zip(DELAYS, (1_000.0, 1_050.0, 1.05, 2_000.0, 2_100.0, 1.05), strict=True))
    return {"load": load, "load_s": 10.0, "readers": 10} | counts | orders | figures | more


def failures(**changed: dict[str, Any]) -> list[str]:
    kept: dict[str, dict[str, Any]] = {
        MODERATE: {"requests": 200, "status_200": 200, "events": 5_000},
        SILENT: {"dropped": 10},
        FLOOD: {"requests": 10_000, "status_200": 240, "status_429": 9_755, "no_answer": 5, "readers": 0},
    }
    rows = [row(load, **kept[load] | changed.get(load, {})) for load in LOADS]
    return [
        v["text"] for v in api_verdicts({"asked": {"pairs": 1, "orders_per_s": 100.0}, "rows": rows}) if not v["ok"]
    ]


def test_figures_within_the_limits_have_no_failed_verdict() -> None:
    assert failures() == []
    assert failures(flood={"p99_ratio": 1.5}, moderate={"p50_ratio": 1.1, "p99_ratio": 0.7}) == []


@pytest.mark.parametrize(
    ("load", "changed", "said"),
    [
        (SILENT, {"missing": 3}, "3 quotes that hit a stop led to no order"),
        (FLOOD, {"unarmed": 3}, "3 quotes found no stop to hit"),
        (FLOOD, {"status_200": 261, "status_429": 9_739, "no_answer": 0}, "261 were answered"),
        (FLOOD, {"status_429": 9_659, "no_answer": 101}, "101 not answered"),
        (FLOOD, {"status_429": 9_700}, "9,700 refused with 429"),
        (FLOOD, {"requests": 8_999, "status_429": 8_754}, "of 8,999 requests in 10 s (1,000/s wanted)"),
        (FLOOD, {"p99_ratio": 1.51}, "1.51 times that without; the limit is 1.5 times"),
        (FLOOD, {"p99_ratio": None}, "nothing was measured"),
        (MODERATE, {"status_200": 179}, "179 of 200 were answered"),
        (MODERATE, {"events": 0}, "10 readers at once read 0 events"),
        (MODERATE, {"dropped": 1}, "10 readers at once read 5,000 events"),
        (MODERATE, {"p50_ratio": 1.11}, "(p50), 1.11 times that without"),
        (MODERATE, {"p99_ratio": 1.11}, "(p99), 1.11 times that without"),
        (SILENT, {"p50_ratio": None, "p99_ratio": None}, "nothing was measured"),
        (SILENT, {"dropped": 9}, "9 of 10 readers that never read were dropped"),
    ],
)
def test_each_promise_that_is_broken_is_said(load: str, changed: dict[str, Any], said: str) -> None:
    (found,) = failures(**{load: changed})
    assert said in found


def test_a_length_that_is_too_long_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "api", "--for", "1h"]) == 2
    assert "600 s is the longest" in capsys.readouterr().err
