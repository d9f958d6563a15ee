"""The benchmark of the order path: a short real run in which every quote is answered for, and its verdicts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradebot.__main__ import run_command_line
from tradebot.bench.orders.orders import order_verdicts


def row(rival: str, **more: Any) -> dict[str, Any]:
    figures = {"n": 900, "missing": 0, "unarmed": 0, "p50_us": 700.0, "p99_us": 2_000.0, "max_us": 3_000.0}
    return {"quotes_per_s": 200.0, "rival": rival} | figures | more


def failures(*rows: dict[str, Any]) -> list[str]:
    return [v["text"] for v in order_verdicts({"rows": list(rows)}) if not v["ok"]]


def test_each_quote_of_a_short_run_that_hits_a_stop_is_answered_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run_command_line(
            ["bench", "orders", "--rates", "200", "--for", "1s", "--turns", "1", "--orders", "100", "--json"]
        )
        == 0
    )

    result = json.loads(capsys.readouterr().out)
    assert [r["rival"] for r in result["rows"]] == ["tradebot", "plain"]
    # One quote in two, and twice as many as there are symbols: what was sold is bought again and its stop hit again.
    assert [r["n"] + r["missing"] for r in result["rows"]] == [100, 100]
    assert [r["unarmed"] for r in result["rows"]] == [0, 0]
    assert all(r["n"] and 0 < r["p50_us"] <= r["p99_us"] <= r["max_us"] for r in result["rows"])
    assert result["machine"]["cores"] >= 1
    assert result["versions"]["websockets"]


def test_figures_within_the_limits_have_no_failed_verdict() -> None:
    assert failures(row("tradebot"), row("plain")) == []


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ({"p50_us": 801.0}, "0.80 ms (p50)"),
        ({"p99_us": 2_501.0}, "2.50 ms (p99)"),
        ({"p50_us": 1_100.0}, "1.57 times the plain pipeline"),
        ({"missing": 3}, "3 quotes that hit a stop led to no order"),
        ({"unarmed": 3}, "3 quotes found no stop to hit"),
        ({"n": 0, "p50_us": None}, "at 200 quotes/s nothing was measured"),
    ],
)
def test_each_limit_that_is_passed_is_said(ours: dict[str, Any], said: str) -> None:
    (found,) = failures(row("tradebot", **ours), row("plain"))
    assert said in found


def test_away_from_the_promised_rate_only_the_ratio_counts() -> None:
    slow = {"quotes_per_s": 1000.0, "p50_us": 2_000.0, "p99_us": 9_000.0}
    assert failures(row("tradebot", **slow), row("plain", **slow)) == []


def test_a_rate_that_is_no_number_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["bench", "orders", "--rates", "fast"]) == 2
    assert "should be whole numbers" in capsys.readouterr().err
