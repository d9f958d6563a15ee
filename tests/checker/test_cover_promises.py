"""I32, I34 and I35 by hand on a position with a stop at the venue: what is offered twice, missing, or left too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.stop_day_records import ENTRY, EXIT, SECOND, STOP, StopDay

# ---- I34


def test_a_stop_for_what_is_held_is_no_second_offer(tmp_path: Path) -> None:
    day = StopDay()
    day.rest()
    assert day.verdict(tmp_path, "I34").status == "ok"


@pytest.mark.parametrize(("is_gone", "ruling"), [(True, "ok"), (False, "broken")])
def test_an_exit_beside_a_working_stop_offers_the_shares_twice(is_gone: bool, ruling: str, tmp_path: Path) -> None:
    day = StopDay()
    day.rest()
    if is_gone:
        day.at_exchange(STOP, "SELL", "CANCELLED")
    day.intent(EXIT, "SELL", "exit")
    day.place(EXIT, "SELL")
    said = day.verdict(tmp_path, "I34")
    assert said.status == ruling
    assert (
        is_gone or "may close 10 of NSE:TCS:MIS beside other orders of ours for 10, of which 10 long" in said.evidence
    )


@pytest.mark.parametrize(("quantity", "ruling"), [("6", "ok"), ("8", "broken")])
def test_a_change_that_makes_a_stop_larger_is_judged_like_a_new_one(quantity: str, ruling: str, tmp_path: Path) -> None:
    day = StopDay()
    day.intent(STOP, "SELL", "resting_stop")
    day.place(STOP, "SELL", "4")
    day.intent(EXIT, "SELL", "resting_stop")
    day.place(EXIT, "SELL", "4")
    path = f"/orders/regular/V{STOP}"
    day.line("request", method="PUT", path=path, params={"quantity": quantity}, status=200)
    assert day.verdict(tmp_path, "I34").status == ruling


# ---- I35


@pytest.mark.parametrize(("waits_s", "ruling"), [(2.9, "ok"), (3.6, "broken")])
def test_a_stop_rests_within_three_seconds_of_the_fill(waits_s: float, ruling: str, tmp_path: Path) -> None:
    day = StopDay()
    day.wait(waits_s)
    day.rest()
    said = day.verdict(tmp_path, "I35")
    assert said.status == ruling
    assert ruling == "broken" or "1 times shares got their stop, after p50 2900 ms" in said.evidence


def test_an_incident_says_that_a_stop_is_missing(tmp_path: Path) -> None:
    day = StopDay()
    day.wait(3.1)
    day.row("incident", text="TCS: 10 of 10 shares have had no resting stop for 3.1 s: refused; the stop holds")
    day.wait(5)
    day.rest()
    assert "1 alarms" in day.verdict(tmp_path, "I35").evidence


def test_a_stop_that_the_venue_has_not_confirmed_is_none(tmp_path: Path) -> None:
    day = StopDay()
    day.rest(event="accepted")
    day.wait(4)
    day.told(STOP, "seen_open")
    assert day.verdict(tmp_path, "I35").status == "broken"


@pytest.mark.parametrize("ends_as", ["seen_canceled", "triggered then seen_canceled"])
def test_a_stop_that_ends_leaves_shares_that_need_another(ends_as: str, tmp_path: Path) -> None:
    day = StopDay()
    day.rest()
    for event in ends_as.split(" then "):
        day.told(STOP, event)
    day.wait(4)
    day.told(ENTRY, "link_lost")
    assert day.verdict(tmp_path, "I35").status == "broken"


@pytest.mark.parametrize("excuse", ["exit", "no resting stops", "flat"])
def test_no_stop_is_missed_while_the_position_is_closed_or_wants_none(excuse: str, tmp_path: Path) -> None:
    day = StopDay(resting=None) if excuse == "no resting stops" else StopDay()
    if excuse != "no resting stops":
        day.intent(EXIT, "SELL", "exit")
        day.place(EXIT, "SELL")
    if excuse == "flat":
        day.fill(EXIT, "SELL")
    day.wait(9)
    day.told(ENTRY, "link_lost")
    assert day.verdict(tmp_path, "I35").status in ("ok", "not shown")


# ---- I32, while a stop rests


@pytest.mark.parametrize(
    ("then", "ruling"),
    [
        ("triggered", "ok"), ("cancel_sent", "ok"), ("intent", "ok"), ("nothing", "broken"),
        ("seen_canceled", "broken"),
    ],
)  # fmt: skip
def test_a_level_is_left_to_the_stop_at_the_venue_for_some_seconds(then: str, ruling: str, tmp_path: Path) -> None:
    day = StopDay()
    day.wait(2)
    day.rest()
    day.wait(1)
    day.show(989)
    day.mono += 2_000_000_000
    if then == "intent":
        day.intent(EXIT, "SELL", "stop")
    elif then != "nothing":
        day.told(STOP, then)
    day.wait(2.05)
    day.listed()
    day.wait(0.55)
    assert day.verdict(tmp_path, "I32").status == ruling


def test_a_level_that_is_reached_right_after_a_stop_ended_waits_for_its_late_fills(tmp_path: Path) -> None:
    day = StopDay()
    day.wait(2)
    day.rest()
    day.told(STOP, "seen_canceled")
    day.mono += 1_000_000_000
    day.show(989)
    day.mono += 1_000_000_000
    day.intent(EXIT, "SELL", "stop")
    assert day.verdict(tmp_path, "I32").status == "ok"


@pytest.mark.parametrize(
    ("list_s", "exit_s", "ruling"),
    [(2.1, 2.5, "ok"), (2.1, 3.0, "broken"), (1.9, 11.9, "ok"), (None, 11.9, "ok"), (None, 13.0, "broken")],
    ids=["listed and sent", "listed and forgotten", "listed too early", "never listed", "never listed and forgotten"],
)
def test_after_the_end_of_a_stop_an_exit_waits_for_a_list_of_the_venue(
    list_s: float | None, exit_s: float, ruling: str, tmp_path: Path
) -> None:
    day = StopDay()
    day.wait(2)
    day.rest()
    day.told(STOP, "seen_canceled")
    ended = day.mono
    day.mono += SECOND
    day.show(989)
    if list_s is not None:
        day.mono = ended + round(list_s * SECOND)
        day.listed()
    day.mono = ended + round(exit_s * SECOND)
    day.show(989)
    day.intent(EXIT, "SELL", "stop")
    assert day.verdict(tmp_path, "I32").status == ruling


def test_the_intent_of_a_resting_stop_is_no_exit(tmp_path: Path) -> None:
    day = StopDay()
    day.wait(2)
    day.mono += 1_000_000_000
    day.intent(STOP, "SELL", "resting_stop", "denied")
    day.show(989)
    assert day.verdict(tmp_path, "I32").status == "broken"


@pytest.mark.parametrize(("was_refused", "ruling"), [(True, "ok"), (False, "broken")])
def test_an_exit_because_no_stop_can_rest_is_at_no_level(was_refused: bool, ruling: str, tmp_path: Path) -> None:
    day = StopDay()
    day.wait(2)
    if was_refused:
        day.intent(STOP, "SELL", "resting_stop", "denied")
    day.intent(EXIT, "SELL", "stop")
    assert day.verdict(tmp_path, "I32").status == ruling
