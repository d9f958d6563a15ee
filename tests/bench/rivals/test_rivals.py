"""The benchmarks of rivals: the shape of what they say, and that all rivals compute the same values; no times."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tradebot.bench import overview
from tradebot.bench.analysis import cycle, indicator_set, indicators, pool
from tradebot.bench.analysis.bars import random_histories
from tradebot.bench.data import batches, fetch
from tradebot.bench.measuring.interleaving import interleave_rivals
from tradebot.bench.rivals import indicator_set as others
from tradebot.bench.rivals import script_pools
from tradebot.bench.venue.quotes import quote_price
from tradebot.cli.bench.bench import bench
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.indicators.plan import evaluate_history


def quiet(_: str) -> None:
    pass


def test_rivals_take_turns_and_the_median_is_per_unit():
    clock, turns = ManualClock(), []

    def rival(name, seconds, units):
        def run():
            turns.append(name)
            clock.now_ns += int(seconds.pop(0) * SECOND)
            return units

        return run

    found = interleave_rivals(clock, {"a": rival("a", [9.0, 2.0, 4.0], 2), "b": rival("b", [1.0, 1.0, 1.0], 1)}, 3)
    assert turns == ["a", "b"] * 3
    assert {name: cost.elapsed_s for name, cost in found.items()} == {"a": 2.0, "b": 1.0}


def test_the_eleven_indicators_agree_with_pandas_and_talib():
    bars, starts = random_histories(1, 400)
    plan = indicator_set.indicator_plan()
    values = evaluate_history(plan, bars[0], starts)
    ours = [float(values[root][-1]) for root in plan.roots]
    assert len(ours) == len(indicator_set.INDICATOR_NAMES)
    assert others.by_talib(bars[0]) == ours
    assert others.by_pandas(others.bars_frame(bars[0])) == pytest.approx(ours, rel=1e-9)


def test_the_benchmark_of_indicators_compares_every_rival_at_every_size():
    result = indicators.measure_indicators((2, 30), window=300, repeats=1, clock=WallClock(), progress=quiet)
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
    assert indicators._describe_equality(ours[:, :1].copy(), ours) == "the same bits"
    assert indicators._describe_equality(ours + np.array([[0.0, 0.0], [0.0, 0.4]]), ours) == "within 1e-01"


def test_the_benchmark_of_fetching_gets_the_same_quotes_in_every_way(monkeypatch):
    monkeypatch.setattr(fetch, "SEQUENTIAL_UP_TO", 2)
    monkeypatch.setattr(fetch, "PROCESSES", 2)
    monkeypatch.setattr(batches, "BATCH", 2)
    result = fetch.measure_fetch((1, 5), latency_s=0.001, repeats=1, clock=WallClock(), progress=quiet)
    assert [row["values"] for row in result["rows"]] == ["the same"] * 14
    scaled = [(row["symbols"], row["rival"]) for row in result["rows"] if "scaled" in row["how"]]
    assert scaled == [(5, "sequential")]
    assert min(row["times_best"] for row in result["rows"]) == 1.0
    assert result["advice"]


def test_the_quotes_of_the_server_depend_on_the_symbol_only():
    assert quote_price("TCS") == quote_price("TCS") != quote_price("INFY")


def test_the_benchmark_of_pools_gets_the_same_bits_everywhere():
    result = pool.measure_pools((1, 30), window=60, repeats=1, clock=WallClock(), progress=quiet)
    assert [(row["symbols"], row["work"]) for row in result["rows"]] == [
        (n, work) for n in (1, 30) for work in (pool.STEP, pool.WINDOW)
    ]
    assert {row["values"] for row in result["rows"]} == {"the same bits"}
    assert {row["fastest"] for row in result["rows"]} <= {pool.INLINE, pool.THREADS, pool.PROCESSES}
    assert set(result["hop_us"]) == {pool.THREADS, pool.PROCESSES}


def test_the_ways_of_a_cycle_choose_the_same_symbols(monkeypatch):
    monkeypatch.setattr(script_pools, "POOL_SIZE", 1)
    monkeypatch.setattr(cycle, "SEQUENTIAL_UP_TO", 3)
    result = cycle.measure_cycle((3, 5), latency_s=0.001, window=80, repeats=2, clock=WallClock(), progress=quiet)
    assert [(row["symbols"], row["rival"]) for row in result["rows"]] == [(n, way) for n in (3, 5) for way in cycle.HOW]
    assert {row["chose"] for row in result["rows"]} == {"the same"}
    assert ["scaled" in row["how"] for row in result["rows"]] == [False, False, False, True, False, False]
    assert len(result["advice"]) == 3


def test_the_overview_recommends_from_what_it_measured(monkeypatch):
    monkeypatch.setattr(fetch, "PROCESSES", 1)
    monkeypatch.setattr(fetch, "SEQUENTIAL_UP_TO", 3)
    result = overview.measure_overview(30, latency_s=0.001, clock=WallClock(), progress=quiet)
    assert {row["work"] for row in result["rows"]} == {"quotes", "indicators", "step"}
    assert result["advice"][0].startswith("For 30 symbols on this machine: ")
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("inline", "processes", "says"),
    [(0.2, 0.5, "async fetch, inline indicators"), (3.0, 2.0, "inline"), (40.0, 25.0, "in processes indicators")],
)
def test_the_recommendation_follows_the_figures(inline, processes, says):
    quotes = {"one by one": 900.0, "10 threads": 90.0, "async, a request each": 20.0, "async, in batches": 10.0}
    work = {"quotes": quotes, "indicators": dict.fromkeys(overview.MATH.values(), 1.0)}
    work["step"] = {pool.INLINE: inline, pool.THREADS: 99.0, pool.PROCESSES: processes}
    rows = [{"work": w, "way": way, "ms": ms} for w, ways in work.items() for way, ms in ways.items()]
    lines = overview.recommend_setup(80, rows, 4)
    assert says in lines[0]
    assert ("no faster" in lines[3]) == (inline < processes)
    assert "1 worker process by default" in lines[4]


def test_the_verbs_print_json_or_a_table(monkeypatch):
    rows = [{"symbols": 3, "rival": "tradebot step", "us_per_symbol": 0.123, "measured": True, "how": None}]
    made = {"rows": rows, "advice": ["carry state"], "machine": {
        "processor": "p", "cores": 2, "system": "s", "load_1m": 0.1}, "versions": {"numpy": "2"}}  # fmt: skip
    asked = {}

    def measure(symbols, **given):
        asked.update(given, symbols=symbols)
        return made

    monkeypatch.setattr(indicators, "measure_indicators", measure)
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
