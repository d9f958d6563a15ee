"""SIGKILL at every boundary of the order path: commits, sends, replies, reads; then recovery, then the checker.

And at random bytecodes of it, and a second and third time during recovery. TRADEBOT_KILLS=n: n random bytecodes per
scenario, n lives killed again and again.
"""

from __future__ import annotations

import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from tests.crash.kill_sweep import RESTING_SCENARIOS, SCENARIOS, Forges, assert_kept, job, passed

pytestmark = pytest.mark.timeout(max(120, 60 * int(os.environ.get("TRADEBOT_KILLS", "0"))))
KILLS = int(os.environ.get("TRADEBOT_KILLS", "0"))
BYTECODES = 15  # of each scenario; of those of resting stops a third, `make prove` runs the rest
SOME = 3  # every which boundary of a scenario of resting stops is in `make test`
AGAIN = 40


@pytest.fixture(scope="module")
def forges(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # What a killed process wrote the kernel has; a disk would only make each life wait for its syncs.
    memory = Path("/dev/shm")
    root = Path(mkdtemp(prefix="lives-", dir=memory)) if memory.is_dir() else tmp_path_factory.mktemp("lives")
    forges = Forges(root)
    yield forges
    forges.close()
    if not any(root.glob("*/*")):  # the files of a run that broke a promise stay, to be looked into
        rmtree(root)


WHOLE = [(name, 1) for name in SCENARIOS]
PARTLY = [(name, SOME) for name in RESTING_SCENARIOS]
LATER = [pytest.param(name, 1, marks=pytest.mark.prove) for name in RESTING_SCENARIOS]


@pytest.mark.parametrize(("name", "step"), [*WHOLE, *PARTLY, *LATER])
def test_killed_at_each_boundary_the_promises_hold(forges: Forges, name: str, step: int) -> None:
    points = range(1, passed(forges, name, "boundary") + 1, step)
    jobs = [job(name, n) for n in points]
    answers = forges.run(jobs)
    assert_kept(jobs, answers)
    died = sum(not answer["ended"][0] for answer in answers)
    assert died > len(jobs) * 0.8, "most lives must end where they were told to"
    assert {"I2", "I12", "I25"} <= set(answers[-1]["shown"])


def test_the_scenarios_send_every_kind_of_request(forges: Forges) -> None:
    assert {"create", "modify", "cancel"} == {kind for name in SCENARIOS for kind in forges.whole(name)["requests"]}


@pytest.mark.parametrize(("name", "step"), [*WHOLE, *PARTLY, *LATER])
def test_killed_at_random_bytecodes_the_promises_hold(forges: Forges, name: str, step: int) -> None:
    points = np.random.default_rng(7).integers(1, passed(forges, name, "opcode"), size=KILLS or BYTECODES // step)
    jobs = [job(name, int(n), by="opcode") for n in points]
    answers = forges.run(jobs)
    assert_kept(jobs, answers)
    assert sum(not answer["ended"][0] for answer in answers) > len(jobs) * 0.5


def test_killed_a_second_time_during_recovery_the_promises_hold(forges: Forges) -> None:
    random = np.random.default_rng(11)
    names = [*SCENARIOS, *RESTING_SCENARIOS]
    jobs = [
        job(
            names[i % len(names)], int(random.integers(5, 30)), int(random.integers(1, 25)), int(random.integers(1, 25))
        )
        for i in range(KILLS or AGAIN)
    ]
    answers = forges.run(jobs)
    assert_kept(jobs, answers)
    assert sum(not ended for answer in answers for ended in answer["ended"]) > len(jobs) * 2


@pytest.mark.parametrize(
    ("bug", "name", "promise"),
    [
        ("sends before the row is on disk", "a round trip", "I2"),
        ("sends again after a timeout", "replies lost", "I1"),
        ("forgets what was left in the air", "a round trip", "I12"),
        ("takes what was left in the air for unsent", "replies lost", "I3"),
        ("writes no fill down", "replies lost", "I8"),
        ("sells beside its resting stop", "a resting stop gives way", "oversold"),
    ],
)
def test_the_sweep_finds_a_seeded_bug(forges: Forges, bug: str, name: str, promise: str) -> None:
    count = passed(forges, name, "boundary")
    answers = forges.run([job(name, n, bug=bug) for n in range(4, count + 1, 6)])
    found = {fault.partition(":")[0] for answer in answers for fault in answer["broken"]}
    assert promise in found
