"""Whole days on virtual time, the corpus and many seeds: faults, kills, healing, and what the checker finds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tradebot.simulation.seed_batch import MAX_HALTED_SHARE, OutcomeCounts, SimulatedDay, read_corpus, run_days

CORPUS = Path(__file__).with_name("corpus.txt")
SEEDS = int(os.environ.get("SIMULATED_SEEDS", "100"))
MORE_SEEDS = 400
AGREE_WITHIN_S = 60.0


@pytest.mark.timeout(900)
def test_every_promise_is_kept_on_bad_days() -> None:
    corpus = read_corpus(CORPUS)
    assert corpus, "the seeds that once broke are played first"
    tally = judged([*corpus, *map(SimulatedDay, range(1, SEEDS + 1))])
    assert tally.seed_count == SEEDS + len(corpus)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_every_promise_is_kept_on_hundreds_more() -> None:
    tally = judged(map(SimulatedDay, range(SEEDS + 1, SEEDS + MORE_SEEDS + 1)))
    assert tally.seed_count == MORE_SEEDS


def judged(days: Iterable[SimulatedDay]) -> OutcomeCounts:
    """Play the days; none may break, few may end halted, and what is not exercised is not shown."""
    tally = OutcomeCounts()
    for outcome in run_days(days, workers=2):
        tally.add_outcome(outcome)
    told = "\n".join(f"tradebot simulate {o.seed}: {'; '.join(o.why)}" for o in tally.broken)
    assert not tally.broken, f"{len(tally.broken)} seeds broke\n{told}"
    assert tally.halted_share <= MAX_HALTED_SHARE, "a daemon that halts without a cause is safe and useless"
    assert tally.longest_s <= AGREE_WITHIN_S, "a minute after the last fault the books are the exchange's"
    assert tally.orders >= 20 * tally.seed_count
    assert tally.kills >= tally.seed_count // 5
    assert len(tally.faults) >= 60
    return tally
