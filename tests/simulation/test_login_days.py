"""Days on which a person logs in: tokens end for good, logins are late, doubled or cut off, and nothing else ends.

No promise breaks, no process ends for a refusal, nothing halts for want of a login, and the books agree after it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tradebot.daemon.login import login_at_start
from tradebot.errors import ConfigError, LoginLost
from tradebot.exchange.event_log import read_event_log
from tradebot.exchange.faults.catalogue import NEEDS_LOGIN
from tradebot.ops.events.event import Event
from tradebot.simulation.day_kind import DayKind
from tradebot.simulation.login_day import DEATHS, LONGEST_DELAY_S, SHORTEST_DELAY_S, WAYS, draw_delay_s, draw_way
from tradebot.simulation.scenario import Scenario, draw_scenario
from tradebot.simulation.seed_batch import MAX_HALTED_SHARE, OutcomeCounts, SimulatedDay, run_days
from tradebot.simulation.seed_run import SeedOutcome, run_seed
from tradebot.simulation.seeded_random import SeededRandom

SEEDS, MORE_SEEDS = range(1, 9), range(9, 129)
QUICK = 2  # a seed whose person takes seconds
# Where a token ends. A day that does not begin logged in has one before them.
PLACES = {
    "with an open position": "token-replaced:orders.list@t+60s",
    "in a reconciliation": "token-replaced:positions@6",
    "in a burst of orders": "token-replaced:orders.create@5",
    "with a lost stream": "token-replaced:trades@5,close-1006:ticker.frame@90,connect-503:ticker.connect@2-4",
    "at the first question of a start": "token-replaced:profile@1",
    "between the account and the instruments": "token-replaced:instruments@1",
    "in the first reconciliation": "token-replaced:orders.list@1",
    "at a start again": "operator-restarts@5,token-replaced:profile@2",
    "and the answer to the login is lost": "token-replaced:positions@6,accept-then-reset:session@1",
}


class Diary:
    """What a day told: how often each event, and the fields of some."""

    def __init__(self) -> None:
        self.counts, self.fields = Counter[str](), list[tuple[str, dict[str, Any]]]()

    def __call__(self, _: float, event: Event) -> None:
        self.counts[event.name] += 1
        self.fields.append((event.name, event.log_fields()))

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of each event of this name."""
        return [fields for other, fields in self.fields if other == name]


def played(seed: int, faults: str | None = None, folder: Path | None = None) -> tuple[SeedOutcome, Diary]:
    diary = Diary()
    outcome = run_seed(seed, kind=DayKind.LOGINS, faults=faults, on_event=diary, folder=folder)
    again = SimulatedDay(seed, faults, DayKind.LOGINS).cli_arguments()
    assert outcome.verdict == "ok", f"tradebot simulate {again}: {outcome.why or outcome.halted}"
    return outcome, diary


def judged(seeds: range) -> OutcomeCounts:
    tally = OutcomeCounts()
    for outcome in run_days((SimulatedDay(seed, None, DayKind.LOGINS) for seed in seeds), workers=2):
        assert outcome.kind is DayKind.LOGINS
        tally.add_outcome(outcome)
    told = "\n".join(f"tradebot simulate {o.seed} --logins: {'; '.join(o.why)}" for o in tally.broken)
    assert not tally.broken, f"{len(tally.broken)} days broke\n{told}"
    assert tally.halted_share <= MAX_HALTED_SHARE
    assert tally.faults["token-replaced"] > len(seeds)
    return tally


@pytest.mark.timeout(300)
def test_every_promise_is_kept_on_days_with_logins() -> None:
    assert judged(SEEDS).orders > 20 * len(SEEDS)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_every_promise_is_kept_on_many_days_with_logins() -> None:
    assert judged(MORE_SEEDS).orders > 20 * len(MORE_SEEDS)


@pytest.mark.parametrize("place", PLACES)
def test_a_token_that_ends_costs_a_login_and_nothing_else(place: str) -> None:
    outcome, diary = played(QUICK, PLACES[place])
    assert outcome.faults["token-replaced"] == 1
    assert diary.counts["login_needed"] >= 1
    assert diary.counts["login_accepted"] >= 1
    assert "halt_raised" not in diary.counts
    assert all("stopped while it waited" in fields["reason"] for fields in diary.of("life_ended"))
    assert outcome.fills
    if place == "with an open position":
        assert diary.of("session_lost")[0]["positions"]


@pytest.mark.parametrize("night", ["stopped", "left"])
def test_over_a_night_every_token_ends_and_the_second_day_is_traded_after_a_login(night: str, tmp_path: Path) -> None:
    seed = next(seed for seed in range(1, 500) if with_logins(seed).night == night)
    _, diary = played(seed, "", tmp_path)
    log = list(read_event_log(tmp_path / "exchange.jsonl"))
    morning = next(n for n, line in enumerate(log) if line["kind"] == "session" and line["resumed"])
    for part in (log[:morning], log[morning:]):
        assert any(line["kind"] == "fill" for line in part), "there is trading on both days"
    assert any(line["kind"] == "login" for line in log[morning:]), "a person logs in on the second day"
    names = [name for name, _ in diary.fields]
    assert "login_needed" in names[names.index("night_fallen") :]


@pytest.mark.prove
def test_each_way_to_log_in_is_tried_and_a_login_that_is_cut_off_is_made_again() -> None:
    ways = Counter[tuple[str, bool]]()
    for seed in range(1, 25):
        diary = Diary()
        outcome = run_seed(seed, kind=DayKind.LOGINS, on_event=diary)
        assert outcome.verdict != "broken", f"tradebot simulate {seed} --logins: {outcome.why}"
        ways.update((fields["way"], fields["is_accepted"]) for fields in diary.of("login_attempted"))
    assert {way for way, _ in ways} == set(WAYS)
    assert ways["plain", True] > ways["plain", False]
    assert ways["killed", False], "the daemon dies before it has the answer"
    assert ways["killed", True], "and after it, when the saved login counts"
    assert ways["used token", True], "a refused token does not keep the next one out"


@pytest.mark.prove
def test_a_start_that_gives_up_where_its_login_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def given_up(*_: Any, **__: Any) -> None:
        raise LoginLost("planted")

    faults = "token-replaced:instruments@1"
    seed = next(seed for seed in range(50) if (logins := with_logins(seed).logins) and logins.begins_logged_in)
    assert run_seed(seed, kind=DayKind.LOGINS, faults=faults).verdict == "ok"
    monkeypatch.setattr(login_at_start, "_wait_for_another", given_up)
    outcome = run_seed(seed, kind=DayKind.LOGINS, faults=faults)
    assert outcome.verdict == "broken"
    assert "ended for a refusal that means nothing: planted" in outcome.why[0]


@pytest.mark.prove
def test_the_same_seed_with_logins_is_the_same_day_again() -> None:
    first, other, again = (run_seed(seed, kind=DayKind.LOGINS) for seed in (3, 4, 3))
    assert first == again
    assert first.trace != other.trace
    assert first.as_json_object()["has_logins"]


@pytest.mark.prove
def test_a_day_without_logins_is_what_it_was(tmp_path: Path) -> None:
    before = run_seed(3)
    run_seed(3, kind=DayKind.LOGINS)
    assert run_seed(3) == before
    assert "has_logins" not in before.as_json_object()
    assert draw_scenario(3).logins is None


def with_logins(seed: int) -> Scenario:
    return draw_scenario(seed, kind=DayKind.LOGINS)


def test_days_with_logins_are_the_same_days_with_more_in_them() -> None:
    pairs = [(draw_scenario(seed), with_logins(seed)) for seed in range(1_000)]
    kept = ("seed", "symbols", "kills", "order_kind", "notional", "entries", "operator_actions", "holdings", "speed")
    assert all(getattr(plain, name) == getattr(more, name) for plain, more in pairs for name in kept)
    assert all(more.faulty_s > plain.faulty_s + 10 for plain, more in pairs)
    assert all(plain.night == more.night or not plain.night for plain, more in pairs)

    drawn = [more.logins for _, more in pairs if more.logins is not None]
    assert len(drawn) == len(pairs)
    deaths = [logins.faults.count("token-replaced") for logins in drawn]
    assert set(deaths) == set(range(DEATHS[0], DEATHS[1] + 2)), "one more on the second day"
    assert 0.3 < sum(logins.begins_logged_in for logins in drawn) / len(drawn) < 0.5
    assert 0.15 < sum(bool(more.night) for _, more in pairs) / len(pairs) < 0.3
    for point in ("positions", "orders.create", "orders.cancel", "profile", "instruments", "session", "ticker.connect"):
        assert any(f":{point}@" in logins.faults for logins in drawn), point


def test_a_person_takes_seconds_or_minutes_and_logs_in_in_every_way() -> None:
    rng = SeededRandom(1, 2)
    delays = [draw_delay_s(rng, 150.0) for _ in range(2_000)]
    assert SHORTEST_DELAY_S <= min(delays) < 1
    assert 100 < max(delays) <= 150
    assert sum(delay < LONGEST_DELAY_S for delay in delays) > 1_000
    ways = Counter(draw_way(rng) for _ in range(5_000))
    assert ways.keys() == WAYS.keys()
    assert ways["plain"] > 1_500


@pytest.mark.parametrize("name", sorted(NEEDS_LOGIN))
def test_a_token_ends_for_good_only_on_a_day_with_logins(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} ends when a person logs in again, which only a day with --logins"):
        run_seed(1, faults=f"{name}:orders.list@2")
