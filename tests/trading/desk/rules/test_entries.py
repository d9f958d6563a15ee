"""Entries: what is counted of the signals that come, and which entries may follow an exit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_room import Room, submitted
from tradebot.clock import SECOND
from tradebot.domain.messages import Action, Signal, Signals
from tradebot.domain.order import OrderRequest

D = Decimal


def counts(room: Room) -> dict[str, int]:
    told = room.desk.account.counts
    return {name: told[name] for name in ("signals", "ignored", "late_signals", "late_reversals")}


def test_signals_are_counted_one_by_one_and_each_that_led_to_nothing_by_its_reason() -> None:
    room = Room()
    room.quote("AAA", "1000")
    assert counts(room) == {"signals": 0, "ignored": 0, "late_signals": 0, "late_reversals": 0}
    room.signal("ELSEWHERE", Action.ENTER_LONG)
    assert counts(room) == {"signals": 1, "ignored": 1, "late_signals": 0, "late_reversals": 0}
    room.signal("AAA", Action.EXIT_LONG)
    assert counts(room) == {"signals": 2, "ignored": 2, "late_signals": 0, "late_reversals": 0}
    late(room, 2.1)
    assert counts(room) == {"signals": 3, "ignored": 2, "late_signals": 1, "late_reversals": 0}
    assert len(submitted(room.signal("AAA", Action.ENTER_LONG))) == 1
    assert counts(room) == {"signals": 4, "ignored": 2, "late_signals": 1, "late_reversals": 0}
    room.signal("AAA", Action.ENTER_LONG, n=2)
    assert counts(room) == {"signals": 5, "ignored": 3, "late_signals": 1, "late_reversals": 0}


def late(room: Room, seconds: float) -> list[OrderRequest]:
    """Say an entry of AAA that was thought about for `seconds`."""
    quoted_at = room.mono - int(seconds * SECOND)
    signal = Signal(
        signal_id="late", strategy="s", symbol="AAA", action=Action.ENTER_LONG, bar_at=room.at, quoted_at=quoted_at,
        made_at=room.mono,
    )  # fmt: skip
    return submitted(room.desk.apply(Signals(at=room.at, interval=60 * SECOND, signals=(signal,))))


@pytest.mark.parametrize(("seconds", "count"), [(2.0, 1), (2.001, 0)])
def test_a_signal_may_be_as_old_as_the_settings_say_and_no_older(seconds: float, count: int) -> None:
    room = Room()
    room.tick(5)
    room.quote("AAA", "1000")
    assert len(late(room, seconds)) == count


def test_a_further_entry_of_the_same_side_does_not_follow_the_exit_of_a_single_share() -> None:
    room = Room()
    room.bought(quantity=1)
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    assert exit_.quantity == 1
    room.signal("AAA", Action.ENTER_LONG, n=3)
    assert room.desk.rules.entries.waiting == {}
    assert counts(room)["ignored"] == 1


def test_an_exit_of_the_wrong_side_or_of_what_another_strategy_holds_closes_nothing() -> None:
    room = Room()
    room.bought()
    assert submitted(room.signal("AAA", Action.EXIT_SHORT, n=2)) == []
    assert submitted(room.signal("AAA", Action.EXIT_LONG, n=3, strategy="other")) == []
    assert len(submitted(room.signal("AAA", Action.EXIT_LONG, n=4))) == 1
