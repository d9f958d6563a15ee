"""What seeds are made of: everything that is promised to happen does happen to some, and nothing to all."""

from __future__ import annotations

from pathlib import Path

from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.simulation.scenario import draw_scenario

SEEDS = range(1_000)


def share(happens: list[bool]) -> float:
    return sum(happens) / len(happens)


def test_a_seed_is_one_scenario() -> None:
    assert draw_scenario(7) == draw_scenario(7)
    assert draw_scenario(7) != draw_scenario(8)


def test_seeds_are_killed_stopped_operated_and_given_bad_disks_and_clocks() -> None:
    drawn = [draw_scenario(seed) for seed in SEEDS]
    assert 0.3 < share([any(kill.events for kill in s.kills) for s in drawn]) < 0.5
    assert 0.1 < share([any(not kill.events for kill in s.kills) for s in drawn]) < 0.2
    assert 0.1 < share([bool(s.operator_actions) for s in drawn]) < 0.2
    assert 0.05 < share([s.commits_until_failure > 0 for s in drawn]) < 0.12
    assert {s.clock_step_ns for s in drawn} == {0, 3600 * 10**9, -3600 * 10**9}
    assert {s.chase for s in drawn} == {"cancel", "modify"}
    assert {act.verb for s in drawn for act in s.operator_actions} == {"halt", "flatten", "resume"}


def test_one_seed_in_ten_is_calm_and_one_in_ten_has_every_kind_of_fault() -> None:
    plans = [FaultPlan.parse("swarm", seed) for seed in SEEDS]
    kinds = [len({rule.kind.name for rule in plan.rules}) for plan in plans]
    assert 0.07 < share([n == 0 for n in kinds]) < 0.13
    assert 0.07 < share([n > 50 for n in kinds]) < 0.13
    assert all(3 <= n <= 8 for n in kinds if 0 < n <= 50)


def test_the_config_of_a_scenario_is_one_that_a_user_could_write(tmp_path: Path) -> None:
    for seed in range(50):
        config = draw_scenario(seed).daemon_config(tmp_path)
        assert config.app.mode == "paper"
        assert config.analysis.workers == 0
