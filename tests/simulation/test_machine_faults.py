"""Hands on the machine: what operator and host do to a daemon shows in its records, and none of it breaks a promise."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tradebot.cli.shared.faults import fault_plan_of
from tradebot.errors import ConfigError
from tradebot.exchange.faults.catalogue import FAULT_KINDS, FaultStage
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.simulation.seed_run import SeedOutcome, run_seed

SEED = 7  # of which no scenario of its own kills, stops or operates the daemon


def rows(folder: Path) -> list[tuple[str, int, int, dict[str, Any]]]:
    newest = max(folder.glob("state-*/journal.sqlite3"), key=lambda path: int(path.parent.name[6:]))
    with sqlite3.connect(newest) as db:
        found = db.execute("SELECT kind, at, wall, body FROM rows ORDER BY seq").fetchall()
    db.close()
    return [(kind, at, wall, json.loads(body)) for kind, at, wall, body in found]


def played(script: str, folder: Path) -> tuple[SeedOutcome, Counter[str], list[tuple[str, int, int, dict[str, Any]]]]:
    outcome = run_seed(SEED, faults=script, folder=folder)
    assert outcome.verdict == "ok", outcome.why or outcome.halted
    found = rows(folder)
    return outcome, Counter(kind for kind, *_ in found), found


@pytest.mark.parametrize("verb", ["halts", "halts-symbol", "flattens"])
def test_an_operator_who_looks_resumes_a_while_later(verb: str, tmp_path: Path) -> None:
    _, kinds, found = played(f"operator-{verb}@3", tmp_path)
    assert kinds["flatten" if verb == "flattens" else "halt"] == 1
    assert kinds["resume"] == 1
    standing = [body for kind, _, _, body in found if kind in ("halt", "flatten", "resume")]
    assert standing[0]["reason"] == "the operator wants to look"


def test_a_kill_from_elsewhere_halts_until_it_is_lifted(tmp_path: Path) -> None:
    _, kinds, found = played("operator-kills@3", tmp_path)
    assert kinds["resume"] == 1
    assert any("kills from elsewhere" in str(body.get("reason")) for kind, _, _, body in found if kind == "halt")


def test_restarts_and_kills_begin_another_run(tmp_path: Path) -> None:
    outcome, kinds, _ = played("operator-restarts@3,operator-kill-9@8", tmp_path)
    assert (outcome.kills, kinds["run"], kinds["end"]) == (1, 3, 2)


@pytest.mark.parametrize(("name", "hours"), [("forward", 1), ("back", -1)])
def test_the_wall_clock_steps_and_market_time_does_not(name: str, hours: int, tmp_path: Path) -> None:
    _, _, found = played(f"host-clock-{name}@3", tmp_path)
    times = [(at, wall) for kind, at, wall, _ in found if kind == "close"]
    steps = [round((b[1] - a[1]) / 3.6e12) for a, b in pairwise(times)]
    assert [step for step in steps if step] == [hours]
    assert all(0 < b[0] - a[0] < 60e9 for a, b in pairwise(times))


@pytest.mark.parametrize("name", ["full", "fails"])
def test_a_disk_that_gives_up_ends_the_run_and_the_next_one_goes_on(name: str, tmp_path: Path) -> None:
    _, kinds, _ = played(f"host-disk-{name}@3", tmp_path)
    assert kinds["run"] == 2


def test_a_disk_that_fills_ends_entries_before_it_ends_the_run(tmp_path: Path) -> None:
    _, _, found = played("host-disk-full@3", tmp_path)
    orders = [body for kind, _, _, body in found if kind == "order"]
    denied = [n for n, body in enumerate(orders) if body["event"] == "denied" and body["control"] == "disk_space"]
    first_run = orders[: next((n for n in denied if n), 0)]
    assert denied, "nothing was denied for want of room"
    assert any(body["event"] == "intent" for body in first_run), "and before it was full entries left"


@pytest.mark.parametrize("name", ["full", "closed"])
def test_a_log_that_nobody_reads_stalls_nothing_and_ends_nothing(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    struck, kinds, _ = played(f"host-pipe-{name}@3", tmp_path_factory.mktemp("broken"))
    assert struck.faults == {f"host-pipe-{name}": 1}
    assert kinds == played("", tmp_path_factory.mktemp("calm"))[1], "what it does is what it does on a calm day"


def test_a_lock_that_another_process_holds_makes_the_next_life_wait(tmp_path: Path) -> None:
    outcome, kinds, _ = played("host-lock-held@3", tmp_path)
    assert outcome.kills == 1
    assert kinds["run"] == 2, "a life that finds the lock held leaves no row"


@pytest.mark.parametrize("kind", [k for k in FAULT_KINDS if k.stage is FaultStage.MACHINE], ids=lambda kind: kind.name)
def test_only_a_simulation_lays_hands_on_the_daemon(kind: Any) -> None:
    FaultPlan.parse(kind.name, 1)
    with pytest.raises(ConfigError, match="only `tradebot simulate`"):
        fault_plan_of(f"429:books~0.1, {kind.name}@3", seed=1, until=None)
