"""What a sweep says of itself: the tidy frame, the heat map, and the checks that only many trials allow."""

from __future__ import annotations

import gzip
import io
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from rich.console import Console

from tradebot.backtest.check import CheckVerdict
from tradebot.backtest.metrics import LABELS
from tradebot.errors import ConfigError, DataError
from tradebot.strategies.ema_cross import EmaCross
from tradebot.sweep import heat_map, summary, sweep_results
from tradebot.sweep import sweep as sweeping
from tradebot.sweep.parameter_space import parse_space
from tradebot.sweep.sweep import SweepPlan, best_row
from tradebot.sweep.trial import DONE, REFUSED, TEST, TRAIN, TRIAL, TrialRow
from tradebot.sweep.walk_forward import WalkForwardFold

PLAN = SweepPlan(
    space=parse_space(["fast=5:20:5", "slow=30:50:10"], EmaCross.params, strategy="ema_cross"), objective="net"
)
FORWARD = SweepPlan(
    space=PLAN.space,
    objective="net",
    folds=tuple(WalkForwardFold(number=n, train_from=0, train_to=n, test_to=n + 1) for n in (1, 2)),
)


def row(number: int, net: float | None, *, role: str = TRIAL, fold: int = 0, **values: int) -> TrialRow:
    figures: dict[str, Any] = {**dict.fromkeys(LABELS), "net": net, "trades": 3, "sharpe": net}
    return TrialRow(number=number, role=role, fold=fold, values=values, state=DONE, figures=figures, orders_hash="ab")


def grid(nets: dict[tuple[int, int], float], *, otherwise: float = 100.0) -> list[TrialRow]:
    return [
        row(number, nets.get((values["fast"], values["slow"]), otherwise), **values)
        for number, values in enumerate(PLAN.space.all_combinations())
    ]


def test_the_frame_has_a_row_per_trial_with_its_parameters_and_figures() -> None:
    rows = [
        *grid({}),
        TrialRow(number=12, role=TRIAL, fold=0, values={"fast": 1, "slow": 2}, state=REFUSED, reason="no"),
    ]
    made = sweep_results.results_frame(rows, PLAN.space)
    assert list(made.columns[:8]) == ["number", "role", "fold", "symbol", "fast", "slow", "state", "reason"]
    assert set(LABELS) <= set(made.columns)
    assert len(made) == 13
    assert made["trades"].iloc[-1] is pd.NA
    assert made["net"].isna().iloc[-1]
    assert made["cagr"].isna().all()


def test_the_frame_comes_back_from_csv_as_it_was(tmp_path: Path) -> None:
    made = sweep_results.results_frame(grid({(5, 30): 0.1 + 0.2}), PLAN.space)
    sweep_results.write_frame(made, tmp_path / "out.csv")
    back = pd.read_csv(tmp_path / "out.csv")
    assert list(back.columns) == list(made.columns)
    assert back["net"].tolist() == made["net"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_parquet_is_written_where_duckdb_is_there(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install 'tradebot[data]'")
    sweep_results.write_frame(sweep_results.results_frame(grid({}), PLAN.space), tmp_path / "out.parquet")
    assert duckdb.read_parquet(str(tmp_path / "out.parquet")).shape[0] == 12


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_rows_that_cannot_be_written_leave_nothing_behind(tmp_path: Path, name: str) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install 'tradebot[data]'")
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=rf"{name} cannot be written: Is a directory"):
        sweep_results.write_frame(sweep_results.results_frame(grid({}), PLAN.space), tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} cannot be written: "):
        sweep_results.write_frame(sweep_results.results_frame(grid({}), PLAN.space), tmp_path / "absent" / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.csv or \.parquet"):
        sweep_results.check_output_path(tmp_path / "out.txt")
    with pytest.raises(DataError, match=r"the folder .* does not exist"):
        sweep_results.check_output_path(tmp_path / "absent" / "out.csv")


@pytest.mark.parametrize(("near", "verdict"), [(80.0, "pass"), (50.0, "warn"), (10.0, "fail"), (-50.0, "fail")])
def test_a_best_trial_on_a_peak_is_told_from_one_on_a_plain(near: float, verdict: str) -> None:
    found = sweep_results.parameter_cliff_check(grid({(10, 40): 100.0}, otherwise=near), PLAN)
    assert found.verdict == verdict, found.text
    assert found.values["neighbours"] == 4


def test_a_cliff_needs_neighbours_and_a_profit() -> None:
    assert sweep_results.parameter_cliff_check([row(0, None, fast=5, slow=30)], PLAN).verdict is CheckVerdict.NONE
    assert sweep_results.parameter_cliff_check([row(0, 5.0, fast=5, slow=30)], PLAN).verdict is CheckVerdict.NONE
    assert sweep_results.parameter_cliff_check(grid({}, otherwise=-5), PLAN).verdict is CheckVerdict.NONE


@pytest.mark.parametrize(("tested", "verdict"), [((80, 70), "pass"), ((30, 20), "warn"), ((50, -60), "fail")])
def test_a_walk_forward_is_judged_by_what_its_tests_earned(tested: tuple[float, float], verdict: str) -> None:
    trained = [
        msg for fold in (1, 2) for msg in (row(fold * 10, 100, role=TRAIN, fold=fold, fast=5, slow=30),)
    ]  # fmt: skip
    tests = [row(fold * 10 + 1, net, role=TEST, fold=fold, fast=5, slow=30) for fold, net in enumerate(tested, 1)]
    found = sweep_results.walk_forward_check([*trained, *tests], FORWARD)
    assert found.verdict == verdict, found.text
    assert found.values["spans"] == 2
    assert found.text.endswith(f"went from 100.00 in training to {sum(tested) / 2:.2f}.")


def test_symbols_tried_alone_are_judged_together() -> None:
    # given two symbols: the best sum is made on one of them alone
    rows = [
        msgspec.structs.replace(row(number, net, fast=fast, slow=30), symbol=symbol)
        for number, (symbol, fast, net) in enumerate(
            [("A", 5, 100.0), ("A", 10, 300.0), ("B", 5, 100.0), ("B", 10, -50.0)]
        )
    ]

    pooled = sweeping.pool_symbols(rows)
    found = sweep_results.across_symbols_check(rows, PLAN)

    assert [(one.values["fast"], one.figures["net"], one.figures["sharpe"]) for one in pooled] == [
        (5, 200.0, 100.0), (10, 250.0, 125.0),
    ]  # fmt: skip
    assert (found.verdict, found.values) == ("warn", {"won": 1, "symbols": 2})
    assert (
        sweeping.pool_symbols([*rows, msgspec.structs.replace(rows[0], state=REFUSED, symbol="C")])[0].state == REFUSED
    )


def test_the_heat_map_holds_every_trial_and_marks_the_best() -> None:
    rows = grid({(10, 40): 300.0, (5, 30): -20.0})
    page = heat_map.heat_map_page(rows, PLAN, [], title="Sweep of <b>", period="now", currency="INR")
    packed = re.search(r'<script id="story"[^>]*>([^<]+)</script>', page)
    assert packed is not None
    story = json.loads(gzip.decompress(b64decode(packed[1])))
    top = best_row(rows, "net")
    assert top is not None
    assert (len(story["rows"]), story["best"]) == (12, [{"fold": 0, "at": [1, 1]}])
    assert story["table"][0][:3] == [str(top.number), "10", "40"]
    assert "Sweep of &lt;b&gt;" in page
    assert "{{" not in page
    assert len(page) < 60_000


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_leaves_figures_out_and_cuts_none_off(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    summary.print_summary(PLAN, grid({(10, 40): 1_234_567.0}), [], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\u2026" not in text
    assert "1,234,567" in text
    assert ("Trades" in text) == (width >= 80)


def test_the_terminal_shows_the_best_first_and_the_checks() -> None:
    console = Console(file=io.StringIO(), width=200)
    rows = grid({(10, 40): 300.0})
    summary.print_summary(PLAN, rows, [sweep_results.parameter_cliff_check(rows, PLAN)], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert "Profit after costs" in lines[0]
    assert lines[1].split()[:3] == ["4", "10", "40"]
    assert "Parameter cliff" in text
    told = summary.summary_as_json(PLAN, rows, [])
    assert (told["trials"], told["states"], told["best"][0]["number"]) == (12, {"done": 12}, 4)
