"""The benchmarks of rivals: the shape of what they say, and that all rivals compute the same values; no times."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tradebot.bench import eleven, fetch, indicators, pool
from tradebot.bench.quote_server import price
from tradebot.bench.rivals import interleaved
from tradebot.cli.bench import bench
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.indicators.plan import batch


def quiet(_: str) -> None:
    pass


def test_rivals_take_turns_and_the_median_is_per_unit():
    clock, turns = ManualClock(), []

    def rival(name, seconds, units):
        def run():
            turns.append(name)
            clock.now += int(seconds.pop(0) * SECOND)
            return units

        return run

    found = interleaved(clock, {"a": rival("a", [9.0, 2.0, 4.0], 2), "b": rival("b", [1.0, 1.0, 1.0], 1)}, 3)
    assert turns == ["a", "b"] * 3
    assert {name: cost.elapsed_s for name, cost in found.items()} == {"a": 2.0, "b": 1.0}


def test_the_eleven_indicators_agree_with_pandas_and_talib():
    bars, starts = eleven.histories(1, 400)
    plan = eleven.plan()
    values = batch(plan, bars[0], starts)
    ours = [float(values[root][-1]) for root in plan.roots]
    frame = pd.DataFrame(dict(zip(("open", "high", "low", "close", "volume"), bars[0], strict=True)))
    assert len(ours) == len(eleven.NAMES)
    assert eleven.by_talib(bars[0]) == ours
    assert eleven.by_pandas(frame) == pytest.approx(ours, rel=1e-9)


def test_the_benchmark_of_indicators_compares_every_rival_at_every_size():
    result = indicators.measure((2, 30), window=300, repeats=1, clock=WallClock(), progress=quiet)
    assert [row["symbols"] for row in result["rows"]] == [2] * 7 + [30] * 7
    assert [row["rival"] for row in result["rows"][:7]] == list(indicators.HOW)
    for row in result["rows"]:
        assert row["us_per_symbol"] > 0
        assert (row["cpu_us"] is None) == (row["rival"] == indicators.PROCESSES)
        same = row["values"] == "the same bits"
        assert same != (row["rival"] == indicators.PANDAS), row
    apart = [float(row["values"].split()[1]) for row in result["rows"] if row["rival"] == indicators.PANDAS]
    assert max(apart) < 1e-6
    assert json.loads(json.dumps(result))["machine"]["cores"] >= 1
    assert {"numpy", "pandas", "TA-Lib"} <= set(result["versions"])
    assert result["advice"]


def test_a_wrong_value_of_a_rival_is_seen():
    ours = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert indicators._likeness(ours[:, :1].copy(), ours) == "the same bits"
    assert indicators._likeness(ours + np.array([[0.0, 0.0], [0.0, 0.4]]), ours) == "within 1e-01"


def test_the_benchmark_of_fetching_gets_the_same_quotes_in_every_way(monkeypatch):
    monkeypatch.setattr(fetch, "SEQUENTIAL_UP_TO", 2)
    monkeypatch.setattr(fetch, "PROCESSES", 2)
    monkeypatch.setattr(fetch, "BATCH", 2)
    result = fetch.measure((1, 5), latency_s=0.001, repeats=1, clock=WallClock(), progress=quiet)
    assert [row["values"] for row in result["rows"]] == ["the same"] * 14
    scaled = [(row["symbols"], row["rival"]) for row in result["rows"] if "scaled" in row["how"]]
    assert scaled == [(5, "sequential")]
    assert min(row["times_best"] for row in result["rows"]) == 1.0
    assert result["advice"]


def test_the_quotes_of_the_server_depend_on_the_symbol_only():
    assert price("TCS") == price("TCS") != price("INFY")


def test_the_benchmark_of_pools_gets_the_same_bits_everywhere():
    result = pool.measure((1, 30), window=60, repeats=1, clock=WallClock(), progress=quiet)
    assert [(row["symbols"], row["work"]) for row in result["rows"]] == [
        (n, work) for n in (1, 30) for work in (pool.STEP, pool.WINDOW)
    ]
    assert {row["values"] for row in result["rows"]} == {"the same bits"}
    assert {row["fastest"] for row in result["rows"]} <= {pool.INLINE, pool.THREADS, pool.PROCESSES}
    assert set(result["hop_us"]) == {pool.THREADS, pool.PROCESSES}


def test_the_verbs_print_json_or_a_table(monkeypatch):
    rows = [{"symbols": 3, "rival": "tradebot step", "us_per_symbol": 0.123, "measured": True, "how": None}]
    made = {"rows": rows, "advice": ["carry state"], "machine": {
        "processor": "p", "cores": 2, "system": "s", "load_1m": 0.1}, "versions": {"numpy": "2"}}  # fmt: skip
    asked = {}

    def measure(symbols, **given):
        asked.update(given, symbols=symbols)
        return made

    monkeypatch.setattr(indicators, "measure", measure)
    as_json = CliRunner().invoke(bench, ["indicators", "--symbols", "3, 40", "--repeats", "2", "--json"])
    assert json.loads(as_json.output) == made
    assert (asked["symbols"], asked["repeats"], asked["window"]) == ((3, 40), 2, 500)
    shown = CliRunner().invoke(bench, ["indicators"])
    assert "tradebot step" in shown.output
    assert "carry state" in shown.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["indicators", "--symbols", "0"], "numbers from 1"),
        (["pool", "--symbols", "5,x"], "numbers from 1"),
        (["fetch", "--latency", "soon"], "duration"),
        (["fetch", "--latency", "20s"], "the longest"),
    ],
)
def test_mistakes_on_the_command_line_are_named(arguments, says):
    result = CliRunner().invoke(bench, arguments)
    assert result.exit_code == 2
    assert says in result.output
