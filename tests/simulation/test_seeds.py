"""Whole days on virtual time, hundreds of seeds: faults, kills, healing, and the checker's word on the records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tradebot.simulation.many import HALTED_AT_MOST, Tally, play_all, read_corpus

CORPUS = Path(__file__).with_name("corpus.txt")
SEEDS = int(os.environ.get("SIMULATED_SEEDS", "500"))
AGREE_WITHIN_S = 60.0


@pytest.mark.timeout(900)
def test_every_promise_is_kept_on_hundreds_of_bad_days() -> None:
    corpus = read_corpus(CORPUS)
    assert corpus, "the seeds that once broke are played first"
    tally = Tally()
    for outcome in play_all([*corpus, *range(1, SEEDS + 1)], workers=2):
        tally.add(outcome)

    told = "\n".join(f"tradebot simulate {o.seed}: {'; '.join(o.why)}" for o in tally.broken)
    assert not tally.broken, f"{len(tally.broken)} seeds broke\n{told}"
    assert tally.seeds == SEEDS + len(corpus)
    assert tally.halted_share <= HALTED_AT_MOST, "a daemon that halts on every bad day is safe and useless"
    assert tally.longest_s <= AGREE_WITHIN_S, "a minute after the last fault the books are the exchange's"
    # What is not exercised is not shown.
    assert tally.orders >= 20 * SEEDS
    assert tally.kills >= SEEDS // 5
    assert len(tally.faults) >= 60
