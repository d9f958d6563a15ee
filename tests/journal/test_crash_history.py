"""Crashes counted out of a journal: which runs were cut off, when, and how many of them bar a start from trading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.ledger_by_hand import MINUTE, START, close, run, tamper, write
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, ReconciliationResult
from tradebot.errors import StateError
from tradebot.journal.crash_history import CrashedRun, crash_loop_reason
from tradebot.journal.recovery import recover_state
from tradebot.journal.rows import RunEnd
from tradebot.journal.schema import FILE_NAME

LOOKED = ("reconciled", ReconciliationResult(at=START, differences=(), adopted=()))
ENDED = ("end", RunEnd(reason="SIGTERM"))


async def life(folder: Path, run_id: str, *written: tuple[str, Message], wall: int = START) -> None:
    await write(folder, ("run", run(run_id)), *written, run_id=run_id, wall=wall)


def found(folder: Path) -> list[str]:
    return [cut.run_id for cut in recover_state(folder / FILE_NAME).crashed_runs]


async def test_a_run_that_looked_at_the_venue_and_has_no_end_was_cut_off(tmp_path: Path) -> None:
    await life(tmp_path, "r1", LOOKED)
    await life(tmp_path, "r2", LOOKED, ENDED)
    await life(tmp_path, "r3", LOOKED)
    assert found(tmp_path) == ["r1", "r3"]


async def test_a_start_that_gave_up_before_it_could_send_is_no_crash(tmp_path: Path) -> None:
    await life(tmp_path, "r1")
    await life(tmp_path, "r2", LOOKED)
    assert found(tmp_path) == ["r2"]


async def test_the_time_of_a_crash_is_that_of_the_last_row_of_any_kind(tmp_path: Path) -> None:
    await life(tmp_path, "r1", LOOKED)
    await write(tmp_path, ("close", close()), run_id="r1", wall=START + 90 * MINUTE)
    await life(tmp_path, "r2", LOOKED, wall=START + 91 * MINUTE)
    assert recover_state(tmp_path / FILE_NAME).crashed_runs == (
        CrashedRun("r1", START + 90 * MINUTE), CrashedRun("r2", START + 91 * MINUTE)
    )  # fmt: skip


async def test_a_resume_of_everything_forgets_the_runs_before_and_not_its_own(tmp_path: Path) -> None:
    await life(tmp_path, "r1", LOOKED)
    await life(tmp_path, "r2", LOOKED, ("resume", Command(verb=CommandVerb.RESUME, scope=Scope.parse("symbol:TCS"))))
    assert found(tmp_path) == ["r1", "r2"]
    await life(tmp_path, "r3", LOOKED, ("resume", Command(verb=CommandVerb.RESUME)))
    assert found(tmp_path) == ["r3"]


async def test_a_run_is_told_of_the_crashes_before_it_alone(tmp_path: Path) -> None:
    await life(tmp_path, "r1", LOOKED)
    await life(tmp_path, "r2", LOOKED)
    assert [cut.run_id for cut in recover_state(tmp_path / FILE_NAME, until=3).crashed_runs] == ["r1"]


@pytest.mark.parametrize("wall", ["wall - 1", "'noon'"])
async def test_a_crash_whose_time_was_changed_is_not_believed(tmp_path: Path, wall: str) -> None:
    await life(tmp_path, "r1", LOOKED, ("close", close()))
    tamper(tmp_path / FILE_NAME, f"UPDATE rows SET wall = {wall} WHERE seq = 3")  # noqa: S608
    with pytest.raises(StateError, match="row 3 was changed"):
        recover_state(tmp_path / FILE_NAME)


def ages(*seconds: float) -> list[CrashedRun]:
    return [CrashedRun(f"T{i}", START - int(age * SECOND)) for i, age in enumerate(seconds)]


@pytest.mark.parametrize(
    ("cut_off", "most", "runs"),
    [
        ([], 3, 0),
        (ages(20, 10), 3, 0),
        (ages(30, 20, 10), 3, 3),
        (ages(601, 20, 10), 3, 0),
        (ages(600, 20, 10), 3, 3),
        (ages(900, 40, 30, 20, 10), 3, 4),
        (ages(30, 20, 10), 4, 0),
        (ages(10), 1, 1),
        (ages(30, 20, 10), 0, 0),
        ([], 0, 0),
        (ages(-3600, -3590, -3580), 3, 3),  # the clock was set back by an hour: how long ago they were is unknown
        (ages(3630, 20, 10), 3, 0),  # and forward after the first: one crash more is let pass
    ],
)
def test_so_many_crashes_in_ten_minutes_bar_a_start(cut_off: list[CrashedRun], most: int, runs: int) -> None:
    why = crash_loop_reason(cut_off, now=START, max_crashes=most)
    assert bool(why) == bool(runs)
    if runs:
        assert why.startswith("1 run was cut off" if runs == 1 else f"{runs} runs were cut off")
        assert cut_off[-1].run_id in why
        assert "`tradebot resume`" in why
