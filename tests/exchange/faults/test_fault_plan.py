"""The plan of faults: what its words mean, that a seed repeats it, and what a swarm is made of."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.__main__ import run_command_line
from tradebot.clock import SECOND, ManualClock, MarketClock
from tradebot.errors import ConfigError
from tradebot.exchange.faults.catalogue import FAULT_KINDS, KINDS_BY_NAME
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.faults.grammar import draw_bad_day, draw_swarm
from tradebot.exchange.faults.points import ALL_POINTS, REST_POINTS, WRITE_POINTS


def struck(plan: FaultPlan, point: str, times: int) -> list[int]:
    return [n for n in range(1, times + 1) if plan.draw_fault(point) is not None]


@pytest.mark.parametrize(
    ("when", "occasions"),
    [("", [1, 2, 3, 4, 5, 6]), ("@3", [3]), ("@2-4", [2, 3, 4]), ("@5-", [5, 6]), ("~1", [1, 2, 3, 4, 5, 6])],
)
def test_occasions_are_counted_from_one(when: str, occasions: list[int]) -> None:
    plan = FaultPlan.parse(f"accept-then-reset:orders.create{when}", 7)
    assert struck(plan, "orders.create", 6) == occasions
    assert struck(plan, "orders.cancel", 6) == []


def test_without_a_point_a_fault_strikes_wherever_it_can_and_a_group_narrows_it() -> None:
    assert {rule.point for rule in FaultPlan.parse("half-json", 1).rules} == set(REST_POINTS)
    assert {rule.point for rule in FaultPlan.parse("half-json:writes", 1).rules} == set(WRITE_POINTS)


def test_a_time_strikes_once_and_a_span_strikes_all_along() -> None:
    clock = ManualClock(1_000 * SECOND)
    plan = FaultPlan.parse("empty-orders:orders.list@t+10s, empty-positions@t+10s-12s", 1)
    plan.start_clock(clock)
    seen = []
    for _ in range(15):
        clock.now_ns += SECOND
        seen.append([bool(plan.draw_fault("orders.list")), bool(plan.draw_fault("positions"))])
    assert [second for second, (once, _) in enumerate(seen, 1) if once] == [10]
    assert [second for second, (_, along) in enumerate(seen, 1) if along] == [10, 11]


def test_nothing_strikes_after_the_end_and_lasting_faults_end_with_it() -> None:
    clock = ManualClock(1_000 * SECOND)
    plan = FaultPlan.parse("half-open:ticker.frame", 1, until_s=20.0)
    plan.start_clock(clock)
    lasts = []
    for _ in range(4):
        clock.now_ns += 8 * SECOND
        fault = plan.draw_fault("ticker.frame")
        lasts.append(fault and fault.duration_s)
    assert lasts == [12.0, 4.0, None, None]
    assert plan.is_over


def test_the_end_is_counted_from_the_moment_market_time_moves() -> None:
    clock = MarketClock(starts_at=1_000 * SECOND, anchor_mono=None, speed=60.0)
    plan = FaultPlan.parse("429:rest, swarm", 11, until_s=0.5)
    plan.start_clock(clock)
    assert plan.draw_fault("profile") is not None  # a rule that was named strikes before the opening as well
    assert not plan.is_over
    clock.start_market()
    clock.anchor_mono -= 2 * SECOND
    assert plan.draw_fault("profile") is None
    assert plan.is_over


def test_a_swarm_waits_until_somebody_listens() -> None:
    crowd = next(seed for seed in range(100) if len(set(draw_swarm(seed))) > 100)
    clock = ManualClock(1_000 * SECOND)
    plan = FaultPlan(draw_swarm(crowd), seed=crowd)
    plan.start_clock(clock)
    assert struck(plan, "orders.create", 200) == []
    clock.now_ns += SECOND
    assert struck(plan, "orders.create", 200)


@given(st.integers(0, 2**32), st.lists(st.sampled_from(ALL_POINTS), max_size=60))
def test_the_fate_of_the_nth_occasion_of_a_point_does_not_depend_on_other_points(seed: int, points: list[str]) -> None:
    text = "accept-then-reset:orders.create~0.3, 429:rest~0.2, lost-frame~0.5"
    alone, mixed = FaultPlan.parse(text, seed), FaultPlan.parse(text, seed)
    fates = Counter[str]()
    for point in points:
        fates[point] += 1
        fault = mixed.draw_fault(point)
        if point == "orders.create":
            assert fault == alone.draw_fault(point)


def test_a_seed_repeats_itself_and_seeds_differ() -> None:
    assert list(draw_swarm(7)) == list(draw_swarm(7))
    assert len({tuple(rule.to_text() for rule in draw_swarm(seed)) for seed in range(50)}) > 40


def test_most_swarms_mix_three_to_eight_kinds_one_in_ten_none_one_in_ten_all() -> None:
    every = sum(kind.in_swarm for kind in FAULT_KINDS)
    sizes = Counter(len({rule.kind.name for rule in draw_swarm(seed)}) for seed in range(1_000))
    assert 60 <= sizes[0] <= 140
    crowds = sum(count for size, count in sizes.items() if size > every * 0.8)
    assert 60 <= crowds <= 140
    assert all(size == 0 or 3 <= size <= 8 or size > every * 0.8 for size in sizes)


def test_every_kind_but_those_only_a_person_can_mend_comes_in_some_swarm() -> None:
    seen = {rule.kind.name for seed in range(300) for rule in draw_swarm(seed)}
    assert seen == {kind.name for kind in FAULT_KINDS if kind.in_swarm}


def test_rules_are_rendered_as_the_text_that_gives_them_again() -> None:
    text = "half-json:trades@3-5,429:quotes~0.25,lost-before:orders.cancel,empty-orders:orders.list@t+60s-90.5s"
    plan = FaultPlan.parse(text, 1)
    assert FaultPlan.parse(",".join(plan.rule_texts()), 1).rules == plan.rules
    assert plan.rule_texts()[0] == "half-json:trades@3-5"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("accept-then-rest:orders.create@3", "there is no fault 'accept-then-rest', did you mean accept-then-reset"),
        ("half-json:order.create", "there is no 'order.create', did you mean orders.create"),
        ("half-json:ticker.frame", "half-json does not strike at ticker.frame; it strikes at orders.create"),
        ("half-json@0", "occasions count from 1"),
        ("half-json@5-3", "occasions count from 1 and go up"),
        ("half-json~1.5", "a rate is above 0 and at most 1"),
        ("half-json@t+90s-60s", "the end of the time must come after its begin"),
        ("half-json@noon", "'@noon' should be @3, @3-5, @t+90s, @t+60s-90s or ~0.1"),
        ("Half JSON", "should read NAME[:WHERE]"),
        (" , ", "--faults is empty"),
        ("swarn", "did you mean swarm"),
    ],
)
def test_a_mistake_is_one_sentence_with_a_way_out(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        FaultPlan.parse(text, 1)
    assert sentence in str(raised.value)


def test_every_strike_is_told_with_what_is_known_of_its_order() -> None:
    plan, told = FaultPlan.parse("late-accept", 1), []
    plan.strike_listeners.append(told.append)
    plan.draw_fault("orders.create", tag="T1", symbol="TCS", order_id="")
    assert told == [
        {
            "name": "late-accept",
            "where": "orders.create",
            "n": 1,
            "at": 0,
            "ids": ["F12"],
            "does": KINDS_BY_NAME["late-accept"].description,
            "tag": "T1",
            "symbol": "TCS",
        }
    ]
    assert plan.strike_counts == {"late-accept": 1}


def test_the_catalogue_is_printed_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["exchange", "--faults", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [kind.name for kind in FAULT_KINDS]
    assert run_command_line(["run", "--faults", "list"]) == 0
    table = capsys.readouterr().out
    assert all(f"{kind.name} " in table and kind.description in table for kind in FAULT_KINDS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["exchange", "--faults", "no-such"], "there is no fault 'no-such'"),
        (["exchange", "--faults-until", "60s"], "name some faults"),
        (["exchange", "--faults", "swarm", "--faults-until", "soon"], "should be a duration"),
        (["run", "--symbols", "TCS", "--rehearse", "1", "--faults", "429"], "leave out --faults"),
    ],
)
def test_the_command_line_refuses_what_it_cannot_mean(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(options) != 0
    assert sentence in capsys.readouterr().err


def test_a_bad_day_has_trouble_at_every_turn_and_a_seed_repeats_it() -> None:
    for seed in range(30):
        rules = list(draw_bad_day(seed))
        assert rules == list(draw_bad_day(seed))
        points = [rule.point for rule in rules if rule.last]
        assert {"orders.create", "orders.cancel", "orders.list", "trades", "positions", "ticker.frame"} <= set(points)
        assert all(rule.point in rule.kind.points for rule in rules)
    assert len({tuple(rule.to_text() for rule in draw_bad_day(seed)) for seed in range(50)}) > 40
    assert FaultPlan.parse("bad-day", 3).rules == tuple(draw_bad_day(3))


def test_the_gtt_points_of_a_group_leave_the_draws_of_later_rules_as_they_were() -> None:
    older = ",".join(f"html:orders.{what}~0.5" for what in ("create", "modify", "cancel"))
    plans = [FaultPlan.parse(f"{rules},429:orders.list~0.5", 3) for rules in ("html:writes~0.5", older)]
    now, before = ([getattr(plan.draw_fault("orders.list"), "draw", None) for _ in range(20)] for plan in plans)
    assert now == before
    assert any(now)
    assert any(plans[0].draw_fault("gtt.create") for _ in range(20))
