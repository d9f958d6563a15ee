"""The desk says what the frozen desk says, on a few days of each kind; and a change of one line is seen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.crash.kill_sweep import Forges, assert_kept, job
from tests.oracle import freeze, seam
from tests.oracle.days import Held, Tally, hold_day, hold_random_day
from tests.oracle.vendor import REVISION
from tradebot.simulation.seed_batch import SimulatedDay

SEEDS = 5
RANDOM_DAYS = 80
FACTS = ("not_found", "reversed", "quarantined", "day_ended", "link_back", "changed", "replaced", "cancel_unknown")


def no_difference(held: Held) -> Held:
    assert not held.difference, f"{held.what}\n{held.difference}"
    return held


def test_both_desks_say_the_same_on_simulated_days_with_kills_and_recovery() -> None:
    tally = Tally()
    for seed in range(1, SEEDS + 1):
        tally.add(no_difference(hold_day(SimulatedDay(seed))))

    assert tally.pairs > SEEDS, "a life more for each kill"
    assert tally.messages["Recover"] == tally.pairs
    assert {"OrderReport", "FillReport", "AccountSnapshot", "RequestResult", "Signals", "ClockTick", "Quotes"} <= set(
        tally.messages
    )
    assert {"Submit", "ReconciliationResult", "OrderEvent executed"} <= set(tally.outputs)


def test_each_way_of_the_desk_says_on_random_days_what_the_frozen_one_says_by_its_long_way() -> None:
    tally = Tally()
    for seed in range(1, RANDOM_DAYS + 1):
        tally.add(no_difference(hold_random_day(seed)))

    assert tally.pairs > 2 * RANDOM_DAYS, "some are started again in the middle of the day"
    assert {"BrokerSession", "ClockOffset", "FrozenSymbols", "DiskSpaceState", "LinkDown"} <= set(tally.messages)
    assert {"Command", "Incident", "Cancel", "Modify", "OrderEvent denied", "TrailingStopPrices"} <= set(tally.outputs)
    assert {f"OrderEvent {name}" for name in FACTS} <= set(tally.outputs)


def test_both_desks_recover_the_same_from_a_kill(tmp_path: Path) -> None:
    forges = Forges(tmp_path)
    jobs = [job(name, n) | {"pair": True} for name, n in (("odd fills", 9), ("a price moves", 14), ("a flatten", 20))]
    try:
        assert_kept(jobs, forges.run(jobs))
    finally:
        forges.close()


@pytest.mark.parametrize("name", seam.PLANTED)
def test_a_planted_change_of_one_line_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*seam.PLANTED[name])

    seen = next(held.difference for seed in range(1, 300) if (held := hold_random_day(seed)).difference)

    assert "\n-" in seen, "what was said before"
    assert "\n+" in seen, "and what is said now"
    assert "message " in seen


def test_a_planted_change_is_seen_on_a_simulated_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*seam.PLANTED["an order leaves before its fact"])

    assert "\n+Submit(" in hold_day(SimulatedDay(1)).difference


def test_the_frozen_copy_is_what_its_revision_holds() -> None:
    known = subprocess.run(["git", "cat-file", "-e", f"{REVISION}^{{commit}}"], cwd=freeze.ROOT, capture_output=True)
    if known.returncode:
        pytest.skip(f"{REVISION} is not in this copy of the repository")

    copies = freeze.frozen(REVISION)

    files = {f.relative_to(freeze.INTO).as_posix(): f for f in freeze.INTO.rglob("*.py")}
    assert copies.keys() == files.keys()
    differing = [name for name, file in files.items() if file.read_text("utf-8") != copies[name]]
    assert not differing, "edited by hand"
