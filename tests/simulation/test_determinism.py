"""The same seed gives the same bytes: twice in one process, and in processes that hash strings differently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradebot.simulation.seed_run import SeedOutcome, run_seed

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(40, 52)
PLAY = """
import json, sys
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.seed_run import run_seed
kinds = [DayKind.LOGINS, DayKind.STOPS, DayKind.PLAIN, DayKind.PLAIN, DayKind.PLAIN]
for seed in range(*map(int, sys.argv[1:])):
    print(json.dumps(run_seed(seed, kind=kinds[seed % 5]).as_json_object()), flush=True)
"""


def elsewhere(hash_seed: str) -> subprocess.Popen[str]:
    call = [sys.executable, "-c", PLAY, str(SEEDS.start), str(SEEDS.stop)]
    env = os.environ | {"PYTHONHASHSEED": hash_seed}
    return subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)


@pytest.mark.timeout(300)
def test_seeds_give_the_same_trace_twice_whatever_strings_hash_to() -> None:
    with elsewhere("1") as first, elsewhere("4242") as second:
        one, other = (process.communicate()[0].splitlines() for process in (first, second))

    assert [json.loads(line)["seed"] for line in one] == list(SEEDS)
    assert one == other
    assert all(len(json.loads(line)["trace"]) == 64 for line in one)


def test_a_second_session_of_one_process_is_not_moved_by_the_first() -> None:
    first, other, again = run_seed(61), run_seed(62), run_seed(61)
    assert first == again
    assert first.trace != other.trace


def test_other_faults_are_another_trace() -> None:
    calm, struck = run_seed(63, faults=""), run_seed(63, faults="accept-then-reset:orders.create@2")
    assert isinstance(calm, SeedOutcome)
    assert calm.faults == {}
    assert struck.faults == {"accept-then-reset": 1}
    assert calm.trace != struck.trace
