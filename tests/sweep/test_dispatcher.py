"""Trials through an executor whose workers die and hang: each gets its row once, the guilty one alone in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future

from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import SECOND, ManualClock
from tradebot.sweep import dispatcher as sending
from tradebot.sweep.dispatcher import TrialDispatcher
from tradebot.sweep.trial import DONE, FAILED, SweepTrial, TrialBatch, TrialRow

TRIALS = [SweepTrial(number=number, values={"fast": number}) for number in range(40)]


class ScriptedExecutor:
    """Answers at once; `dies` says of a batch whether its worker dies, `hangs` whether it never answers."""

    worker_count = 2
    worker_errors: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(
        self,
        dies: Callable[[Sequence[SweepTrial]], bool],
        hangs: Callable[[Sequence[SweepTrial]], bool] = lambda _: False,
    ) -> None:
        self.dies, self.hangs = dies, hangs
        self.sent: list[list[int]] = []
        self.renewed, self.is_broken = 0, False

    def submit_batch(self, trials: Sequence[SweepTrial]) -> Future[TrialBatch]:
        if self.is_broken:
            raise BrokenExecutor("a worker died")
        self.sent.append([trial.number for trial in trials])
        future: Future[TrialBatch] = Future()
        if self.hangs(trials):
            return future
        if self.dies(trials):
            self.is_broken = True
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            rows = tuple(TrialRow(number=t.number, role=t.role, fold=0, values=t.values, state=DONE) for t in trials)
            future.set_result(TrialBatch(rows=rows, seconds=0.01 * len(rows)))
        return future

    def replace_workers(self) -> None:
        self.renewed += 1
        self.is_broken = False

    def stop_workers(self) -> None:
        pass


def carried_out(executor: ScriptedExecutor, clock: ManualClock | None = None) -> list[TrialRow]:
    rows: list[TrialRow] = []
    TrialDispatcher(executor, clock=clock or ManualClock(), on_rows=rows.extend, patience_s=10).dispatch_trials(TRIALS)
    return rows


@given(st.sets(st.integers(0, 30)))
def test_every_trial_has_one_row_however_often_workers_die(deaths: set[int]) -> None:
    # given an executor that dies at these of its batches
    count = iter(range(1_000_000))
    executor = ScriptedExecutor(lambda trials: next(count) in deaths)

    rows = carried_out(executor)

    assert sorted(row.number for row in rows) == list(range(40))
    assert all(row.state == DONE for row in rows if len(deaths) < sending.MAX_TRIES)


def test_a_trial_that_kills_its_worker_is_given_up_and_its_neighbours_are_not() -> None:
    executor = ScriptedExecutor(lambda trials: any(trial.number == 7 for trial in trials))

    rows = carried_out(executor)

    assert [row.number for row in rows if row.state == FAILED] == [7]
    assert next(row.reason for row in rows if row.number == 7) == "lost its worker 4 times"
    assert sorted(row.number for row in rows) == list(range(40))
    assert executor.sent.count([7]) >= 2
    assert executor.renewed <= 4


def test_an_executor_that_gives_nothing_back_is_replaced(monkeypatch: object) -> None:
    # given a trial that never ends, and a clock that moves while the executor is waited for
    clock = ManualClock()

    class Waiting(ManualClock):
        def monotonic_ns(self) -> int:
            clock.now_ns += 6 * SECOND
            return clock.now_ns

    sending_look, sending.POLL_S = sending.POLL_S, 0.001
    try:
        executor = ScriptedExecutor(lambda _: False, hangs=lambda trials: any(trial.number == 3 for trial in trials))
        rows = carried_out(executor, Waiting())
    finally:
        sending.POLL_S = sending_look

    assert [row.reason for row in rows if row.state == FAILED] == ["took longer than 10 s 4 times"]
    assert sorted(row.number for row in rows) == list(range(40))


def test_batches_grow_to_a_quarter_of_a_second_and_shrink_towards_the_end() -> None:
    executor = ScriptedExecutor(lambda _: False)
    carried_out(executor)
    sizes = [len(batch) for batch in executor.sent]
    assert sizes[0] == sizes[-1] == 1
    assert max(sizes) > 1
    assert sum(sizes) == 40
