"""Whole sweeps: the same rows from one process, from several with one killed, from a cluster, and after a stop."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.backtest.result_by_hand import DAY, OPEN, bars, job
from tests.sweep.sweep_by_hand import DAY_DATA, SERIES, SHARED_DATA
from tradebot.backtest import metrics
from tradebot.clock import WallClock
from tradebot.errors import ConfigError
from tradebot.strategies.ema_cross import EmaCross
from tradebot.sweep import sweep as sweeping
from tradebot.sweep.executors import (
    ClusterExecutor,
    InlineExecutor,
    ProcessExecutor,
    TrialExecutor,
    map_shared_data,
    write_shared_data,
)
from tradebot.sweep.parameter_space import ParameterSpace, parse_space
from tradebot.sweep.results_file import ResultsFile
from tradebot.sweep.search import SearchKind
from tradebot.sweep.sweep import SweepPlan, best_row, results_header
from tradebot.sweep.trial import DONE, REFUSED, TEST, TRAIN, SweepData, SweepTrial, TrialRow, run_trial
from tradebot.sweep.walk_forward import WalkForwardKind, make_folds


def space(*texts: str) -> ParameterSpace:
    return parse_space(texts, EmaCross.params, strategy="ema_cross")


THOUSAND = SweepPlan(space=space("fast=2:21:1", "slow=25:74:1"), objective="net")
TWO_HUNDRED = SweepPlan(space=space("fast=2:21:1", "slow=25:70:5"), objective="net")


def made(
    plan: SweepPlan,
    executor: TrialExecutor,
    path: Path,
    *,
    shared_data: SweepData = SHARED_DATA,
    resume: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[TrialRow]:
    try:
        with ResultsFile(path, results_header(plan, shared_data), resume=resume) as ledger:
            return sweeping.run_sweep(plan, executor, ledger, clock=WallClock(), on_progress=on_progress)
    finally:
        executor.stop_workers()


class Killer:
    """Kills a process when the sweep is in its middle, once."""

    def __init__(self, at: int, pid: Callable[[], int]) -> None:
        self.at, self.pid, self.has_killed = at, pid, False

    def __call__(self, done: int) -> None:
        if done >= self.at and not self.has_killed:
            os.kill(self.pid(), signal.SIGKILL)
            self.has_killed = True


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory: pytest.TempPathFactory) -> list[TrialRow]:
    return made(TWO_HUNDRED, InlineExecutor(SHARED_DATA), tmp_path_factory.mktemp("sweep") / "ledger")


def test_a_killed_worker_changes_no_row(two_hundred: list[TrialRow], tmp_path: Path) -> None:
    executor = ProcessExecutor(SHARED_DATA, 2)
    kill = Killer(80, lambda: next(iter(executor._pool._processes)))

    rows = made(TWO_HUNDRED, executor, tmp_path / "ledger", on_progress=kill)

    assert kill.has_killed
    assert len(rows) == 200
    assert rows == two_hundred


@pytest.mark.skipif(sys.platform != "linux", reason="a process is waited for by its pidfd")
def test_workers_end_with_a_sweep_that_is_killed() -> None:
    # given a process with an executor at work
    script = """
import sys
from tests.sweep.sweep_by_hand import SHARED_DATA
from tradebot.sweep.executors import ProcessExecutor
from tradebot.sweep.trial import SweepTrial
if __name__ == "__main__":
    executor = ProcessExecutor(SHARED_DATA, 2)
    for made in [executor.submit_batch([SweepTrial(number=n, values={})]) for n in range(4)]:
        made.result(timeout=50)
    print(*executor._pool._processes, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        workers = [os.pidfd_open(int(pid)) for pid in parent.stdout.readline().split()]

        # when
        parent.kill()

    # then
    assert workers
    for worker in workers:
        assert select.select([worker], [], [], 50)[0], "a worker outlives its sweep"
        os.close(worker)


@pytest.mark.timeout(300)  # a cluster starts five processes
def test_a_cluster_of_two_workers_one_killed_gives_the_same_rows(tmp_path: Path) -> None:
    # given
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'tradebot[cluster]'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path), silence_logs=50
    ) as cluster:
        executor = ClusterExecutor(DAY_DATA, cluster.scheduler_address)
        kill = Killer(300, lambda: next(iter(executor._client.run(os.getpid).values())))

        # when
        rows = made(THOUSAND, executor, tmp_path / "ledger", shared_data=DAY_DATA, on_progress=kill)

    # then
    assert kill.has_killed
    assert len(rows) == 1_000
    assert rows == made(THOUSAND, InlineExecutor(DAY_DATA), tmp_path / "alone", shared_data=DAY_DATA)


def test_a_sweep_stopped_anywhere_goes_on_to_the_same_rows(two_hundred: list[TrialRow], tmp_path: Path) -> None:
    # given a sweep that Ctrl-C ends after some dozen trials
    def stop(done: int) -> None:
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(TWO_HUNDRED, InlineExecutor(SHARED_DATA), tmp_path / "ledger", on_progress=stop)

    # when it goes on
    seen: list[int] = []
    rows = made(TWO_HUNDRED, InlineExecutor(SHARED_DATA), tmp_path / "ledger", resume=True, on_progress=seen.append)

    # then nothing is made twice
    assert 50 <= seen[0] < 200
    assert rows == two_hundred
    assert len((tmp_path / "ledger").read_bytes().splitlines()) == 1 + 200


@pytest.mark.parametrize("kind", [SearchKind.RANDOM, SearchKind.OPTUNA])
def test_a_search_gives_the_same_rows_again_and_after_a_stop(kind: SearchKind, tmp_path: Path) -> None:
    if kind is SearchKind.OPTUNA:
        pytest.importorskip("optuna", reason="optuna is not installed: pip install 'tradebot[optimize]'")
    plan = SweepPlan(space=THOUSAND.space, kind=kind, trials=40, seed=3, objective="net")

    def stop(done: int) -> None:
        if done >= 25:
            raise KeyboardInterrupt

    whole = made(plan, InlineExecutor(SHARED_DATA), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        made(plan, InlineExecutor(SHARED_DATA), tmp_path / "ledger", on_progress=stop)

    assert made(plan, InlineExecutor(SHARED_DATA), tmp_path / "ledger", resume=True) == whole
    assert [row.number for row in whole] == list(range(40))


def test_a_walk_forward_tries_each_winner_on_the_span_after_it(tmp_path: Path) -> None:
    # given two days, trained on one and tested on half of the next, twice
    steps = make_folds(OPEN, OPEN + DAY + DAY // 4, kind=WalkForwardKind.ROLLING, train_ns=DAY, test_ns=DAY // 8)
    plan = SweepPlan(space=space("fast=5,10", "slow=30,40"), objective="net", folds=tuple(steps))

    rows = made(plan, InlineExecutor(SHARED_DATA), tmp_path / "ledger")

    assert len(rows) == plan.row_count == len(steps) * 5
    assert [row.number for row in rows] == list(range(plan.row_count))
    for fold in steps:
        trained = [row for row in rows if row.fold == fold.number and row.role == TRAIN]
        (tested,) = [row for row in rows if row.fold == fold.number and row.role == TEST]
        winner = best_row(trained, "net")
        assert winner is not None
        assert tested.values == winner.values
        again = SweepTrial(number=0, values=winner.values, begin=fold.train_to, end=fold.test_to)
        assert tested.figures == run_trial(again, SHARED_DATA).figures


def test_each_symbol_is_tried_alone(tmp_path: Path) -> None:
    # given
    shared_data = SweepData(job=job(("A", "B")), series={"A": bars("A", 1), "B": bars("B", 1, seed=2)})
    plan = SweepPlan(space=space("fast=5,10", "slow=30"), objective="net", symbols=("A", "B"))

    # when
    rows = made(plan, InlineExecutor(shared_data), tmp_path / "ledger", shared_data=shared_data)

    # then
    assert [(row.number, row.symbol, row.values["fast"]) for row in rows] == [
        (0, "A", 5), (1, "A", 10), (2, "B", 5), (3, "B", 10),
    ]  # fmt: skip
    alone = SweepData(job=job(("B",)), series={"B": shared_data.series["B"]})
    assert rows[2].figures == run_trial(SweepTrial(number=0, values={"fast": 5, "slow": 30}), alone).figures


def test_parameters_that_do_not_go_together_are_a_row_and_not_the_end() -> None:
    refused = run_trial(SweepTrial(number=0, values={"fast": 40, "slow": 20}), SHARED_DATA)
    assert (refused.state, refused.figures) == (REFUSED, {})
    assert refused.reason
    assert run_trial(SweepTrial(number=0, values={"fast": 5, "slow": 20}), SHARED_DATA).state == DONE


def test_a_trial_has_every_figure() -> None:
    assert list(run_trial(SweepTrial(number=0, values={}), SHARED_DATA).figures) == list(metrics.LABELS)


def test_the_bars_reach_a_worker_as_they_are(tmp_path: Path) -> None:
    write_shared_data(SweepData(job=job(("A", "B")), series={"A": bars("A", 1), "B": bars("B", 2)}), tmp_path)
    found = map_shared_data(tmp_path)
    assert found.job == job(("A", "B"))
    assert [(one.symbol, len(one)) for one in found.series.values()] == [("A", 375), ("B", 750)]
    assert all((getattr(found.series["B"], name) == getattr(bars("B", 2), name)).all() for name in ("starts", "volume"))


@pytest.mark.parametrize("change", ["data", "params", "search", "settings"])
def test_another_sweep_has_another_head(change: str) -> None:
    plan, shared_data = THOUSAND, SHARED_DATA
    others: dict[str, tuple[Any, Any]] = {
        "data": (plan, SweepData(job=job(), series={"RELIANCE": bars("RELIANCE", 2, seed=9)})),
        "params": (SweepPlan(space=space("fast=2:21:1"), objective="net"), shared_data),
        "search": (SweepPlan(space=plan.space, objective="net", kind=SearchKind.RANDOM), shared_data),
        "settings": (plan, SweepData(job=msgspec.structs.replace(job(), every_bar=True), series=SERIES)),
    }
    assert results_header(*others[change]) != results_header(plan, shared_data)
    assert results_header(plan, shared_data) == results_header(plan, shared_data)


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "tcp://cluster.example:8786", "10.0.0.5:8786"])
def test_a_cluster_elsewhere_wants_tls_before_anything_is_sent(address: str) -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        ClusterExecutor(DAY_DATA, address)
