"""Entries: what is counted of the signals that come, and which entries may follow an exit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Action, Command, Signal, Signals
from tradebot.domain.order import OrderEventType, OrderRequest

D = Decimal


def counts(rig: DeskRig) -> dict[str, int]:
    told = rig.desk.account.signal_counts
    return {name: told[name] for name in ("signals", "ignored", "late_signals", "late_reversals")}


def test_signals_are_counted_one_by_one_and_each_that_led_to_nothing_by_its_reason() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    assert counts(rig) == {"signals": 0, "ignored": 0, "late_signals": 0, "late_reversals": 0}
    rig.signal("ELSEWHERE", Action.ENTER_LONG)
    assert counts(rig) == {"signals": 1, "ignored": 1, "late_signals": 0, "late_reversals": 0}
    rig.signal("AAA", Action.EXIT_LONG)
    assert counts(rig) == {"signals": 2, "ignored": 2, "late_signals": 0, "late_reversals": 0}
    late(rig, 2.1)
    assert counts(rig) == {"signals": 3, "ignored": 2, "late_signals": 1, "late_reversals": 0}
    assert len(submitted(rig.signal("AAA", Action.ENTER_LONG))) == 1
    assert counts(rig) == {"signals": 4, "ignored": 2, "late_signals": 1, "late_reversals": 0}
    rig.signal("AAA", Action.ENTER_LONG, n=2)
    assert counts(rig) == {"signals": 5, "ignored": 3, "late_signals": 1, "late_reversals": 0}


def late(rig: DeskRig, seconds: float) -> list[OrderRequest]:
    """Say an entry of AAA that was thought about for `seconds`."""
    quoted_at = rig.mono - int(seconds * SECOND)
    signal = Signal(
        signal_id="late", strategy="s", symbol="AAA", action=Action.ENTER_LONG, bar_at=rig.at, quoted_at=quoted_at,
        made_at=rig.mono,
    )  # fmt: skip
    return submitted(rig.desk.apply_message(Signals(at=rig.at, interval=60 * SECOND, signals=(signal,))))


@pytest.mark.parametrize(("seconds", "count"), [(2.0, 1), (2.001, 0)])
def test_a_signal_may_be_as_old_as_the_settings_say_and_no_older(seconds: float, count: int) -> None:
    rig = DeskRig()
    rig.tick(5)
    rig.quote("AAA", "1000")
    assert len(late(rig, seconds)) == count


def test_a_further_entry_of_the_same_side_does_not_follow_the_exit_of_a_single_share() -> None:
    rig = DeskRig()
    rig.bought(quantity=1)
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    assert exit_.quantity == 1
    rig.signal("AAA", Action.ENTER_LONG, n=3)
    assert rig.desk.rules.entries.waiting == {}
    assert counts(rig)["ignored"] == 1


def test_an_exit_of_the_wrong_side_or_of_what_another_strategy_holds_closes_nothing() -> None:
    rig = DeskRig()
    rig.bought()
    assert submitted(rig.signal("AAA", Action.EXIT_SHORT, n=2)) == []
    assert submitted(rig.signal("AAA", Action.EXIT_LONG, n=3, strategy="other")) == []
    assert len(submitted(rig.signal("AAA", Action.EXIT_LONG, n=4))) == 1


def reversing() -> DeskRig:
    """A rig that is long in AAA, whose exit works, and whose entry of the other side waits for it."""
    rig = DeskRig()
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    rig.outcome(exit_, OrderEventType.SENDING)
    rig.outcome(exit_, OrderEventType.ACCEPTED, "V2")
    rig.signal("AAA", Action.ENTER_SHORT, n=3)
    assert list(rig.desk.rules.entries.waiting) == ["AAA"]
    return rig


@pytest.mark.parametrize(("more", "waits"), [(0, True), (1, False)])
def test_an_entry_waits_for_its_exit_as_long_as_a_signal_may_age_to_the_nanosecond(*, more: int, waits: bool) -> None:
    rig = reversing()
    rig.mono += 2 * SECOND + more
    rig.tick(0)
    assert bool(rig.desk.rules.entries.waiting) is waits
    assert counts(rig)["late_reversals"] == (not waits)


def test_no_entry_ages_by_a_time_in_which_nothing_could_trade() -> None:
    rig = reversing()
    rig.desk.rules.entries.skip_time_to(rig.mono + 3600 * SECOND)
    rig.mono += 3602 * SECOND
    rig.tick(0)
    assert rig.desk.rules.entries.waiting
    rig.tick(0.001)
    assert not rig.desk.rules.entries.waiting


def test_what_a_person_closes_is_followed_by_no_entry() -> None:
    rig = DeskRig()
    rig.bought()
    rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id="f1"))
    rig.signal("AAA", Action.ENTER_SHORT, n=3)
    assert rig.desk.rules.entries.waiting == {}
    assert counts(rig)["ignored"] == 1


def test_an_entry_that_is_late_already_does_not_wait_for_an_exit() -> None:
    rig = reversing()
    rig.desk.rules.entries.waiting.clear()
    quoted_at = rig.mono - 3 * SECOND
    signal = Signal(
        signal_id="late", strategy="s", symbol="AAA", action=Action.ENTER_SHORT, bar_at=rig.at, quoted_at=quoted_at,
        made_at=rig.mono,
    )  # fmt: skip
    rig.desk.apply_message(Signals(at=rig.at, interval=60 * SECOND, signals=(signal,)))
    assert rig.desk.rules.entries.waiting == {}
    assert counts(rig)["ignored"] == 1


def test_a_desk_that_does_not_reverse_lets_no_entry_wait() -> None:
    rig = DeskRig(reverses=False)
    rig.bought()
    rig.signal("AAA", Action.EXIT_LONG, n=2)
    rig.signal("AAA", Action.ENTER_SHORT, n=3)
    assert rig.desk.rules.entries.waiting == {}
