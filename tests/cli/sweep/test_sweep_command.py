"""The verb `run_sweep`: rows, heat map, report and JSON of one run; stopped, it goes on; a slip is one sentence."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradebot import __main__
from tradebot.cli.sweep import sweep as verb
from tradebot.sweep import sweep as sweeping

TRIED = ["-p", "fast=5,10", "-p", "slow=20,30", "--objective", "net"]
BASE = ["sweep", "--workers", "0", "--sample", "--symbols", "RELIANCE", "--from", "2026-06-22", *TRIED]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def tradebot(*args: str) -> int:
    return __main__.run_command_line(list(args))


def test_a_sweep_writes_rows_heat_map_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # when
    code = tradebot(*BASE, "--report", "best.html", "--json")

    # then
    told = json.loads(capsys.readouterr().out)
    with open("sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.html", "best.json", "sweep.csv", "sweep.html"]
    assert [(row["fast"], row["slow"], row["state"]) for row in rows] == [
        ("5", "20", "done"), ("5", "30", "done"), ("10", "20", "done"), ("10", "30", "done"),
    ]  # fmt: skip
    top = max(rows, key=lambda row: float(row["net"]))
    assert told["best"][0]["values"] == {"fast": int(top["fast"]), "slow": int(top["slow"])}
    assert told["best"][0]["orders_hash"] == json.loads(Path("best.json").read_bytes())["orders_hash"]
    assert [check["name"] for check in told["checks"]][:2] == ["cliff", "look_ahead"]
    assert next(check for check in told["checks"] if check["name"] == "deflated_sharpe")["values"]["trials"] == 4


def test_a_stopped_sweep_keeps_what_is_done_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given one that went through, and one that Ctrl-C ends after two trials
    assert tradebot(*BASE, "--no-checks", "--out", "whole.csv") == 0
    whole = sweeping.run_sweep

    def stopped(*args: Any, on_progress: Callable[[int], None], **told: Any) -> Any:
        def count(done: int) -> None:
            on_progress(done)
            if done >= 2:
                raise KeyboardInterrupt

        return whole(*args, on_progress=count, **told)

    monkeypatch.setattr(sweeping, "run_sweep", stopped)
    capsys.readouterr()

    # when
    code = tradebot(*BASE, "--no-checks")

    # then it says how to go on, refuses to start again over it, and goes on to the same rows
    said = capsys.readouterr().err
    assert code == 130
    assert "stopped after 2 of 4 trials, which are kept in sweep.csv.ledger" in said
    assert "--resume goes on" in said
    assert not Path("sweep.csv").exists()
    monkeypatch.setattr(sweeping, "run_sweep", whole)
    assert tradebot(*BASE, "--no-checks") == 65
    assert "go on with --resume" in capsys.readouterr().err
    assert tradebot(*BASE, "--no-checks", "--resume") == 0
    assert Path("sweep.csv").read_text() == Path("whole.csv").read_text()
    assert not Path("sweep.csv.ledger").exists()
    # and once that is done it has nothing to go on from
    assert tradebot(*BASE, "--no-checks", "--resume") == 0
    assert "sweep.csv.ledger is not there, so there is nothing to go on from" in capsys.readouterr().err


def test_a_walk_forward_tells_each_span(capsys: pytest.CaptureFixture[str]) -> None:
    code = tradebot(*BASE, "--walk-forward", "rolling", "--train", "3d", "--test", "2d", "--json")
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [row["fold"] for row in told["best"]] == [1, 2]
    assert told["trials"] == 10
    assert [check["name"] for check in told["checks"]] == ["walk_forward"]


def test_each_symbol_is_tried_alone_and_judged_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert tradebot(*BASE[:5], "RELIANCE,TCS", *BASE[6:], "--each-symbol", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    with open("sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["symbol"] for row in rows] == ["RELIANCE"] * 4 + ["TCS"] * 4
    assert told["checks"][0]["name"] == "across_symbols"
    top = told["best"][0]
    same = [row for row in rows if {n: int(row[n]) for n in ("fast", "slow")} == top["values"]]
    assert top["figures"]["net"] == pytest.approx(sum(float(row["net"]) for row in same))


def test_trials_that_all_refuse_are_told_and_not_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code = tradebot(*BASE[:-6], "-p", "fast=40,50", "-p", "slow=20,30")
    said = capsys.readouterr().out
    assert code == 0
    assert "no trial has a sharpe" in said
    assert "4 of 4 trials gave nothing, the first: ValueError: fast (40) must be below slow (20)" in said


def test_a_strategy_that_raises_in_every_trial_is_named_and_exit_65(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.py").write_text(
        "from tradebot.strategies.strategy import Param, Strategy\n\n\nclass Odd(Strategy):\n"
        "    fast = Param(5, low=2, high=50)\n\n"
        "    def decide(self, bar, now, position):\n        raise ValueError('not today')\n"
    )

    code = tradebot("sweep", "--sample", "--workers", "0", "-s", "odd.py", "-p", "fast=5,6")

    said = capsys.readouterr().out
    assert code == 65
    assert "no trial has a sharpe\n\n2 of 2 trials gave nothing, the first: Odd was switched off for " in said
    assert "ValueError: not today" in said


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (
            ["-p", "fast=5", "--sample", "-o", "a.csv", "--report", "./a.html"],
            2,
            "where the heat map of --out a.csv goes",
        ),
        (["-p", "fast=5", "--sample", "--walk-forward", "rolling", "--report", "a.html"], 2, "a walk-forward has none"),
        (["-p", "fast=5", "--sample", "--seed", "4294967296"], 2, "is not in the range 0<=x<=4294967295"),
        (["-p", "fats=5", "--sample"], 78, "has no parameter fats"),
        (["-p", "fast=5"], 65, "there is no history yet"),
        (["-p", "fast=5", "--sample", "--data", "x"], 2, "--sample makes its own bars; leave out --data"),
        (["-p", "fast=5", "--data", "absent.csv"], 65, "absent.csv: there is no such file"),
        (["-p", "fast=5", "--sample", "--out", "x.txt"], 78, "must end in .csv or .parquet"),
        (["-p", "fast=5", "--sample", "--out", "absent/x.csv"], 65, "does not exist"),
        (["-p", "fast=5", "--sample", "--report", "absent/x.html"], 65, "the folder absent does not exist"),
        (["-p", "fast=5", "--sample", "--report", "x.json"], 65, "must end in .html"),
        (["-p", "fast=5", "--sample", "--trials", "5"], 78, "a grid tries every combination"),
        (["-p", "fast=5", "--sample", "--slippage", "much"], 2, "should be none, 2ticks, 5bps, spread:0.05"),
        (["-p", "fast=5", "--sample", "--cash", "-5"], 2, "should be more than 0, not -5"),
        (["-p", "fast=5", "--sample", "--from", "2027-01-01"], 65, "there are no bars from --from to --to"),
        (["-p", "fast=5", "--sample", "--from", "2026-06-27", "--to", "2026-06-28"], 65, "there are no bars"),
        (["-p", "fast=5", "--sample", "--from", "soon"], 65, "'soon' is no time"),
        (["-p", "fast=5", "--sample", "--from", "2026-06-02", "--to", "2026-06-01"], 2, "--from must be before --to"),
        (
            ["-p", "fast=5", "--sample", "--train", "900d", "--walk-forward", "anchored"],
            78,
            "too short for one --train",
        ),
        (["-p", "fast=5", "--sample", "--each-symbol", "--search", "optuna"], 78, "--each-symbol compares"),
        (["-p", "fast=5", "--sample", "-s", "nope"], 65, "there is no strategy nope"),
    ],
)
def test_a_slip_is_one_sentence_and_leaves_nothing(
    args: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tradebot("sweep", "--workers", "0", *args) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'tradebot[cluster]'")
    monkeypatch.setattr("tradebot.sweep.executors.CONNECT_S", 0.2)
    assert tradebot(*BASE, "--cluster", "tcp://127.0.0.1:1") == 69
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err
    assert tradebot(*BASE, "--cluster", "foo") == 78
    assert "--cluster foo is no address: missing port number" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_verb_is_listed() -> None:
    assert __main__.VERBS["sweep"][0] == "sweep.sweep:sweep"
    assert verb.sweep.name == "sweep"
