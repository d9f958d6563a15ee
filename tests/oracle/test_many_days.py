"""The desk says what the frozen desk says on many days, the corpus, and after a kill at every boundary."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from tests.crash.kill_sweep import SCENARIOS, Forges, assert_kept, job, passed
from tests.oracle.days import Tally, hold, old_days
from tradebot.simulation.seed_batch import SimulatedDay

SEEDS = 100
RANDOM_DAYS = 300
MEMORY = Path("/dev/shm")


@pytest.mark.timeout(3600)
def test_both_desks_say_the_same_on_a_hundred_seeds_and_the_corpus() -> None:
    tally = Tally()
    for held in hold([*old_days(), *map(SimulatedDay, range(1, SEEDS + 1)), *range(1, RANDOM_DAYS + 1)], workers=2):
        assert not held.difference, f"{held.what}\n{held.difference}"
        tally.add(held)

    assert tally.days >= SEEDS + RANDOM_DAYS
    assert {"Modify", "Cancel", "Incident", "Command", "TrailingStopPrices"} <= set(tally.outputs)


@pytest.mark.timeout(3600)
def test_both_desks_recover_the_same_after_a_kill_at_every_boundary() -> None:
    root = Path(mkdtemp(prefix="pairs-", dir=MEMORY if MEMORY.is_dir() else None))
    forges = Forges(root)
    try:
        for name in SCENARIOS:
            jobs = [job(name, n) | {"pair": True} for n in range(1, passed(forges, name, "boundary") + 1)]
            assert_kept(jobs, forges.run(jobs))
    finally:
        forges.close()
        rmtree(root, ignore_errors=True)
