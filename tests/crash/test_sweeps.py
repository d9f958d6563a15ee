"""SIGKILL at every boundary of the order path: commits, sends, replies, reads; then recovery, then the checker.

And at random bytecodes of it, and a second and third time during recovery. TRADEBOT_KILLS=n: n random bytecodes per
scenario, n lives killed again and again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(max(120, 60 * int(os.environ.get("TRADEBOT_KILLS", "0"))))
KILLS = int(os.environ.get("TRADEBOT_KILLS", "0"))
FORGES = 2
BYTECODES = 15  # of each of the twenty scenarios
AGAIN = 40
SCENARIOS: dict[str, list[list[Any]]] = {
    "a round trip": [["enter", "FILLS"], ["look"], ["exit", "FILLS"], ["look"]],
    "replies lost": [["enter", "LOSTREPLY", "RESTLOST", "LOSTREQ"], ["look"], ["wait", 62], ["look"], ["look"]],
    "ends at once": [["enter", "REFUSED", "NOTSENT"], ["enter", "LATER", "RESTS"], ["look"], ["wait", 4], ["look"]],
    "odd fills": [["enter", "EARLY", "EXCESS", "AFTER", "PARTS"], ["wait", 4], ["look"], ["quote", "94"], ["look"]],
    "cancels": [["enter", "RESTS", "HUSH", "MEETS"], ["wait", 4], ["look"], ["wait", 4], ["look"], ["exit", "MEETS"]],
    "a stop": [["enter", "FILLS", "HUSH", "AFTER", "EARLY"], ["stop"], ["look"], ["look"]],
    "a halt": [["enter", "FILLS", "RESTS", "PARTS"], ["halt"], ["quote", "94"], ["look"], ["exit", "PARTS"], ["look"]],
    "a price moves": [["enter", "HANGS"], ["look"], ["exit", "HANGS"], ["look"], ["wait", 4], ["look"]],
    "changes in doubt": [["enter", "HANGLOST", "HANGSTAYS"], ["look"], ["exit", "HANGLOST", "HANGSTAYS"], ["look"],
                         ["wait", 4], ["look"], ["wait", 12], ["look"]],
    "a change too late": [["enter", "HANGMEETS"], ["look"], ["exit", "HANGMEETS"], ["look"], ["wait", 4], ["look"]],
    "an exit in doubt": [["enter", "LOSTREPLY"], ["look"], ["exit", "LOSTREPLY"], ["wait", 62], ["look"], ["look"]],
    "doubt and a halt": [["enter", "LOSTREPLY", "RESTLOST"], ["halt"], ["look"], ["wait", 4], ["look"]],
    "a stop in doubt": [["enter", "RESTLOST", "LOSTREQ"], ["stop"], ["look"], ["look"]],
    "stops are hit": [["enter", "FILLS", "PARTS"], ["look"], ["quote", "94"], ["look"], ["wait", 4], ["look"]],
    "told twice": [["enter", "EARLY"], ["look"], ["look"], ["exit", "EARLY"], ["look"]],
    "rejects in a row": [["enter", "REFUSED"], ["enter", "LATER"], ["look"], ["enter", "REFUSED"], ["enter", "FILLS"]],
    "a stop meets fills": [["enter", "MEETS", "AFTER"], ["look"], ["stop"], ["look"], ["look"]],
    "the link breaks": [["enter", "RESTS", "FILLS", "RESTLOST"], ["down"], ["look"], ["wait", 4], ["up"], ["look"]],
    "a flatten": [["enter", "FILLS", "PARTS", "RESTS"], ["look"], ["flatten"], ["look"], ["wait", 4], ["look"]],
    "a resume": [["enter", "FILLS"], ["halt"], ["look"], ["resume"], ["enter", "RESTS"], ["exit", "FILLS"], ["look"]],
}  # fmt: skip


class Forges:
    """The warm processes; `execute_script` spreads jobs over them and returns the answers in the order of the jobs."""

    def __init__(self, root: Path) -> None:
        forge = Path(__file__).with_name("forge.py")
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(forge), str(root / str(i))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            )
            for i in range(FORGES)
        ]  # fmt: skip

    def execute_script(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [{} for _ in jobs]

        def serve(i: int) -> None:
            process = self.processes[i]
            assert process.stdin is not None
            assert process.stdout is not None
            for n in range(i, len(jobs), FORGES):
                process.stdin.write(json.dumps(jobs[n]) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
                assert line, f"the forge died over {jobs[n]}"
                answers[n] = json.loads(line)

        with ThreadPoolExecutor(FORGES) as pool:
            list(pool.map(serve, range(FORGES)))
        return answers

    def close(self) -> None:
        for process in self.processes:
            process.communicate()


@pytest.fixture(scope="module")
def forges(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # What a killed process wrote the kernel has; a disk would only make each life wait for its syncs.
    memory = Path("/dev/shm")
    root = Path(mkdtemp(prefix="lives-", dir=memory)) if memory.is_dir() else tmp_path_factory.mktemp("lives")
    forges = Forges(root)
    yield forges
    forges.close()
    if not any(root.glob("*/*")):  # a life that broke a promise stays for whoever looks into it
        rmtree(root)


def job(name: str, *kills: int, by: str = "boundary", bug: str = "") -> dict[str, Any]:
    return {"steps": SCENARIOS[name], "kills": kills, "by": by, "bug": bug}


def passed(forges: Forges, name: str, by: str) -> int:
    (answer,) = forges.execute_script([job(name, 0, by=by)])
    assert answer["broken"] == [], f"without any kill: {answer}"
    return int(answer["passed"][0])


def assert_kept(jobs: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    faults = [f"kills {j['kills']} by {j['by']}: {a['broken']} in {a['folder']}" for j, a in zip(jobs, answers, strict=True) if a["broken"]]  # fmt: skip  # noqa: E501
    assert not faults, f"{len(faults)} of {len(jobs)}:\n" + "\n".join(faults[:5])


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_each_boundary_the_promises_hold(forges: Forges, name: str) -> None:
    points = range(1, passed(forges, name, "boundary") + 1)
    jobs = [job(name, n) for n in points]
    answers = forges.execute_script(jobs)
    assert_kept(jobs, answers)
    died = sum(not answer["ended"][0] for answer in answers)
    assert died > len(jobs) * 0.8, "most lives must end where they were told to"
    assert {"I2", "I12", "I25"} <= set(answers[-1]["shown"])


def test_the_scenarios_send_every_kind_of_request(forges: Forges) -> None:
    assert {"create", "modify", "cancel"} == {
        kind for answer in forges.execute_script([job(name, 0) for name in SCENARIOS]) for kind in answer["requests"]
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_random_bytecodes_the_promises_hold(forges: Forges, name: str) -> None:
    points = np.random.default_rng(7).integers(1, passed(forges, name, "opcode"), size=KILLS or BYTECODES)
    jobs = [job(name, int(n), by="opcode") for n in points]
    answers = forges.execute_script(jobs)
    assert_kept(jobs, answers)
    assert sum(not answer["ended"][0] for answer in answers) > len(jobs) * 0.5


def test_killed_a_second_time_during_recovery_the_promises_hold(forges: Forges) -> None:
    random = np.random.default_rng(11)
    names = list(SCENARIOS)
    jobs = [
        job(
            names[i % len(names)], int(random.integers(5, 30)), int(random.integers(1, 25)), int(random.integers(1, 25))
        )
        for i in range(KILLS or AGAIN)
    ]
    answers = forges.execute_script(jobs)
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
    ],
)
def test_the_sweep_finds_a_seeded_bug(forges: Forges, bug: str, name: str, promise: str) -> None:
    count = passed(forges, name, "boundary")
    answers = forges.execute_script([job(name, n, bug=bug) for n in range(4, count + 1, 6)])
    found = {fault.partition(":")[0] for answer in answers for fault in answer["broken"]}
    assert promise in found
