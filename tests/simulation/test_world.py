"""The world around the daemon, one hand at a time: days with people, gateways and hosts that keep every promise.

Each day is short and of one seed. What stands here once broke, or would if one line of the daemon were another.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from tradebot.ops.events.event import Event
from tradebot.simulation.scenario import draw_scenario
from tradebot.simulation.seed_run import SeedOutcome, run_seed

PEOPLE = "@t+10s-80s"  # once a second, from the first orders on
RESTARTS = "operator-restarts@4,operator-restarts@8,operator-restarts@12,operator-restarts@16"


def day(seed: int, faults: str) -> SeedOutcome:
    outcome = run_seed(seed, faults=faults)
    assert outcome.verdict == "ok", f"tradebot simulate {seed} --faults '{faults}': {outcome.why or outcome.halted}"
    return outcome


def told(seed: int, faults: str, event: str) -> list[tuple[str, dict[str, Any]]]:
    """Play a day and return (level, fields) of each time its daemons said `event`."""
    said = list[tuple[str, dict[str, Any]]]()

    def tell(_: float, told: Event) -> None:
        if told.name == event:
            said.append((told.level, told.log_fields()))

    outcome = run_seed(seed, faults=faults, on_event=tell)
    assert outcome.verdict == "ok", f"tradebot simulate {seed} --faults '{faults}': {outcome.why or outcome.halted}"
    return said


@pytest.mark.parametrize(
    ("seed", "who"),
    [(8, "owner-buys"), (12, "owner-sells"), (7, "owner-buys-elsewhere"), (11, "owner-exits"), (11, "risk-reduces"),
     (8, "risk-squares-off"), (8, "owner-converts"), (11, "owner-converts")],
)  # fmt: skip
def test_what_others_do_in_the_account_is_theirs(seed: int, who: str) -> None:
    assert day(seed, f"{who}{PEOPLE}").orders


@pytest.mark.parametrize("seed", [12, 15])
def test_what_was_converted_around_a_restart_is_accounted_for(seed: int) -> None:
    assert day(seed, f"owner-converts{PEOPLE}").agreed_after_s < 30


@pytest.mark.parametrize("name", ["foreign-rows", "broken-row", "huge-row", "other-words"])
def test_an_odd_row_keeps_a_look_from_none_of_the_others(name: str) -> None:
    assert day(8, f"{name}@t+10s-80s").orders


def test_an_order_listed_twice_is_one_order() -> None:
    day(7, f"repeated-rows:orders.list@t+10s-80s,owner-buys{PEOPLE},drop-order-frame@1-90")


def test_a_halt_of_a_person_outlives_the_process() -> None:
    for seed in (1, 2):
        day(seed, "operator-halts@4,operator-restarts@5")


@pytest.mark.parametrize("seed", [86, 93])
def test_a_trailing_stop_stands_where_it_stood_over_restarts(seed: int) -> None:
    assert draw_scenario(seed).has_trailing_stops
    assert day(seed, RESTARTS).orders


def test_no_entry_leaves_with_a_level_that_guards_nothing() -> None:
    assert draw_scenario(93).has_trailing_stops, "one in ten of its stops is on the wrong side"
    assert day(93, "").orders


def test_a_lone_far_price_is_not_believed() -> None:
    day(16, "tenfold-quote@160")


def test_a_day_allows_no_more_orders_after_a_restart() -> None:
    for seed in islice((s for s in range(200) if draw_scenario(s).orders_per_day < 16), 2):
        assert day(seed, "operator-restarts@4,operator-restarts@9").orders >= 5


@pytest.mark.parametrize(
    ("seed", "faults"),
    [
        (7_300_529, "closed-market-reject:orders.create@5,closed-market-reject:orders.create@7"),
        (7_301_557, "html:margins@1,accept-then-hang:orders.create@3-5"),
    ],
)
def test_nothing_follows_the_last_look_of_a_run(seed: int, faults: str) -> None:
    day(seed, faults)


def test_the_page_of_a_gateway_before_the_stream_ends_no_run() -> None:
    assert day(7, "close-1006@60,connect-403@2-3").faults["connect-403"] == 2


def test_a_dead_token_ends_no_run_that_trades() -> None:
    (lost,) = told(9, "token-death:orders.list@t+20s", "session_lost")
    assert lost[0] == "error"
    assert lost[1]["positions"], "they are named"


def test_a_start_without_a_right_to_past_bars_is_a_cold_one() -> None:
    assert day(3, "no-right").orders


def test_what_is_refused_in_one_symbol_halts_no_other() -> None:
    outcome = run_seed(15, faults="barred-symbol@1")
    assert not outcome.why
    assert [halt.partition(": ")[0] for halt in (outcome.halted or "").split("; ")] == ["symbol:ITC"]
    assert outcome.fills > 15


def test_words_on_the_stream_are_told_at_warning() -> None:
    said = told(8, "spoken-words@20", "warning_received")
    assert [(level, fields["kind"]) for level, fields in said] == [("warning", "error"), ("warning", "message")]


def test_a_held_symbol_whose_stream_is_silent_is_asked_for_and_told() -> None:
    assert [fields["symbol"] for _, fields in told(7, "mute-instrument@20-40", "quotes_stalled")] == ["RELIANCE"]


def test_a_stop_of_the_daemon_names_the_positions_whose_stops_end_with_it() -> None:
    first, *_ = told(93, "operator-restarts@8", "stops_ended")
    assert all("trail" in levels for levels in first[1]["positions"].values())
