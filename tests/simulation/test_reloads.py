"""Days on which the operator edits the config at fifty random moments and more, and has each edit taken up.

Sound edits are taken up, broken and unsafe ones change nothing, and every promise is kept. The session itself fails
where a daemon makes something else of an edit, or where the limits in force are not those that it told.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tradebot.config.reload_plan import ReloadPlan
from tradebot.daemon import config_reload
from tradebot.ops.events.event import Event
from tradebot.ops.events.rehearsal import OperatorActed
from tradebot.ops.events.run import ConfigReloaded
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.scenario import draw_scenario
from tradebot.simulation.seed_run import SeedOutcome, run_seed
from tradebot.trading.desk.placing.placement import Placement

CALM, SWARM = "operator-reloads", "swarm,operator-reloads"
KILLED = 5  # the seed of a day whose daemon is killed twice
MANY = 50  # edits of a day
MORE_SEEDS = range(20, 50)
Limits = dict[str, Decimal]


class EditedDay(NamedTuple):
    """One day: (edit, answer) -> how often, and the limits that changed with each reload, as told and as journaled."""

    outcome: SeedOutcome
    answers: Counter[tuple[str, str]]
    told: list[Limits]
    journaled: list[Limits]


def edited_day(seed: int, faults: str, folder: Path, kind: DayKind = DayKind.PLAIN) -> EditedDay:
    answers, told = Counter[tuple[str, str]](), list[Limits]()

    def listen(_: float, event: Event) -> None:
        if isinstance(event, OperatorActed) and event.verb == "reload":
            answers[event.body["edit"], event.body["answer"]] += 1
        if isinstance(event, ConfigReloaded) and (changes := dict(limits_told(event))):
            told.append(changes)

    outcome = run_seed(seed, faults=faults, folder=folder, on_event=listen, kind=kind)
    return EditedDay(outcome, answers, told, list(limits_journaled(folder)))


def limits_told(event: ConfigReloaded) -> Iterator[tuple[str, Decimal]]:
    for change in event.changes:
        key, _, values = change.partition(": ")
        if key.startswith("risk."):
            yield key.removeprefix("risk."), Decimal(values.partition(" -> ")[2])


def limits_journaled(folder: Path) -> Iterator[Limits]:
    """Yield what each reload of a day changed, by the rows `terms` of its starts and `limits` of its reloads."""
    newest = max(folder.glob("state-*/journal.sqlite3"), key=lambda path: int(path.parent.name[6:]))
    with sqlite3.connect(newest) as db:
        rows = db.execute("SELECT kind, body FROM rows WHERE kind IN ('terms', 'limits') ORDER BY seq").fetchall()
    db.close()
    held: dict[str, Any] = {}
    for kind, text in rows:
        body = json.loads(text)
        size = body["desk"]["order_notional"] if kind == "terms" else body["order_notional"]
        limits = body["limits"] | {"order_notional": size}
        if kind == "limits":
            yield {name: Decimal(value) for name, value in limits.items() if differs(value, held[name])}
        held = limits


def differs(one: Any, other: Any) -> bool:
    try:
        return Decimal(one) != Decimal(other)
    except (ArithmeticError, TypeError, ValueError):
        return bool(one != other)


def assert_kept(day: EditedDay) -> None:
    outcome, answers = day.outcome, day.answers
    again = f"tradebot simulate {outcome.seed} --faults {SWARM}"
    assert outcome.verdict != "broken", f"{again}: {outcome.why}"
    assert not answers["broken", "config_reloaded"] + answers["unsafe", "config_reloaded"]
    # A daemon that dies between the row and its word leaves a row that was not told.
    rest = iter(day.journaled)
    assert all(changes in rest for changes in day.told), f"{again}: a reload was told that the journal does not have"
    assert len(day.journaled) - len(day.told) <= outcome.kills, again


def assert_many(day: EditedDay) -> None:
    assert day.answers.total() >= MANY
    for edit, answer in (("sound", "config_reloaded"), ("broken", "reload_refused"), ("unsafe", "reload_refused")):
        assert day.answers[edit, answer] > 2, day.answers


def test_fifty_edits_of_a_day_are_taken_up_or_change_nothing(tmp_path: Path) -> None:
    day = edited_day(1, CALM, tmp_path)
    assert_kept(day)
    assert_many(day)
    assert day.outcome.verdict == "ok", day.outcome.halted
    assert day.answers["sound", "reload_refused"] > 2, "limits are not raised by a signal while something is open"
    assert len(day.told) == len(day.journaled) > 10


def test_a_daemon_that_dies_between_edits_starts_with_the_limits_it_had(tmp_path: Path) -> None:
    day = edited_day(KILLED, SWARM, tmp_path)
    assert_kept(day)
    assert_many(day)
    assert day.outcome.kills == 2


@pytest.mark.prove
def test_a_day_of_few_orders_may_have_more_of_them_after_a_reload(tmp_path: Path) -> None:
    seed = next(s for s in range(200) if draw_scenario(s).orders_per_day < 16)
    assert_kept(edited_day(seed, CALM, tmp_path))


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", DayKind, ids=lambda kind: kind.value)
def test_every_promise_is_kept_on_days_of_edits(kind: DayKind, tmp_path: Path) -> None:
    sums = Counter[tuple[str, str]]()
    for seed in MORE_SEEDS:
        day = edited_day(seed, SWARM, tmp_path / str(seed), kind)
        assert_kept(day)
        sums += day.answers
    assert sums.total() >= MANY * len(MORE_SEEDS), "days with many restarts have fewer, the others more"
    assert sums["sound", "config_reloaded"] > 300
    assert min(sums["broken", "reload_refused"], sums["unsafe", "reload_refused"]) > 300


def test_a_daemon_that_takes_up_what_needs_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plan_reload = config_reload.plan_reload

    def careless(*configs: Any) -> ReloadPlan:
        return plan_reload(*configs)._replace(unsafe=())

    monkeypatch.setattr(config_reload, "plan_reload", careless)
    outcome = run_seed(1, faults=CALM)
    assert "a config that is unsafe" in outcome.why[0]
    assert "it was taken up" in outcome.why[0]


def test_a_desk_that_keeps_its_old_limits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Placement, "change_limits", lambda *_: None)
    outcome = run_seed(1, faults=CALM)
    assert "after a config that is sound" in outcome.why[0]


@pytest.mark.prove
def test_the_same_seed_has_the_same_edits_again() -> None:
    assert run_seed(4, faults=SWARM) == run_seed(4, faults=SWARM)
