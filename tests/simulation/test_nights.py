"""Two days of trading and the night between: what was halted, held and in force on the first is right on the second.

The broker squares off intraday positions, the owner's shares are delivered later, the token dies, the books of the new
day are empty and their first answers null. The daemon was stopped in the evening, or is left running until then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradebot.exchange.event_log import read_event_log
from tradebot.simulation.scenario import FIRST_ANSWERS, draw_scenario
from tradebot.simulation.seed_run import run_seed

STOPPED, LEFT = 100, 123  # seeds of either way


def two_days(seed: int, faults: str, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Play a seed and return the exchange's log and the events that the daemons told."""
    said = list[str]()
    outcome = run_seed(seed, faults=faults, folder=folder, on_event=lambda _, event: said.append(event.name))
    assert outcome.verdict == "ok", f"tradebot simulate {seed} --faults '{faults}': {outcome.why or outcome.halted}"
    return list(read_event_log(folder / "exchange.jsonl")), said


@pytest.mark.parametrize(("seed", "way"), [(STOPPED, "stopped"), (LEFT, "left")])
def test_a_night_ends_what_was_of_the_day_and_trading_goes_on(seed: int, way: str, tmp_path: Path) -> None:
    assert draw_scenario(seed).night == way
    log, said = two_days(seed, FIRST_ANSWERS, tmp_path)

    morning = next(n for n, line in enumerate(log) if line["kind"] == "session" and line["resumed"])
    kinds = ([line for line in part if line["kind"] == "fill"] for part in (log[:morning], log[morning:]))
    assert all(kinds), "there is trading on both days"
    assert any(line.get("ticket", {}).get("hand") == "broker" for line in log[:morning]), "something is squared off"
    assert any(line["kind"] == "fault" and line["name"] == "null-data" for line in log[morning:])
    assert ("session_lost" in said) is (way == "left"), "who runs on finds the token of yesterday dead"
    assert "daemon_failed" not in said


@pytest.mark.parametrize("seed", [69, STOPPED])
def test_a_halt_of_a_person_stands_on_the_next_day_until_it_is_resumed(seed: int, tmp_path: Path) -> None:
    two_days(seed, "operator-halts@5", tmp_path)
