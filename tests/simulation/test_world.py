"""The world around the daemon, one hand at a time: days with people, gateways and hosts that keep every promise.

Each day is short and of one seed. What stands here once broke, or would if one line of the daemon were another.
"""

from __future__ import annotations

from itertools import islice

import pytest

from tradebot.simulation.play import Outcome, play
from tradebot.simulation.scenario import draw

PEOPLE = "@t+10s-80s"  # once a second, from the first orders on
RESTARTS = "operator-restarts@4,operator-restarts@8,operator-restarts@12,operator-restarts@16"


def day(seed: int, faults: str) -> Outcome:
    outcome = play(seed, faults=faults)
    assert outcome.verdict == "ok", f"tradebot simulate {seed} --faults '{faults}': {outcome.why or outcome.halted}"
    return outcome


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
    assert draw(seed).is_trailed
    assert day(seed, RESTARTS).orders


def test_no_entry_leaves_with_a_level_that_guards_nothing() -> None:
    assert draw(93).is_trailed, "one in ten of its stops is on the wrong side"
    assert day(93, "").orders


def test_a_lone_far_price_is_not_believed() -> None:
    day(16, "tenfold-quote@160")


def test_a_day_allows_no_more_orders_after_a_restart() -> None:
    for seed in islice((s for s in range(200) if draw(s).orders_per_day < 16), 2):
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
