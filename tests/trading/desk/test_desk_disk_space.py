"""A journal's disk that fills: nothing is opened, stops go on, and when its reserve is used up cancels alone leave."""

from __future__ import annotations

from tests.trading.desk.desk_rig import D, DeskRig, submitted, with_all_controls
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Action, Cancel, Command, DiskAllowance, DiskSpaceState
from tradebot.domain.order import OrderEvent, OrderEventType


def disk(rig: DeskRig, allows: DiskAllowance) -> None:
    rig.desk.apply_message(
        DiskSpaceState(mono=rig.mono, allows=allows, reason="" if allows is DiskAllowance.ALL else "9 MB free")
    )


def test_nothing_is_opened_by_a_control_of_its_own_name_and_the_way_back_needs_no_resume() -> None:
    rig = with_all_controls(DeskRig())
    rig.quote("AAA", "1000")
    disk(rig, DiskAllowance.EXITS)
    (denied,) = rig.signal("AAA", Action.ENTER_LONG)
    assert isinstance(denied, OrderEvent)
    assert (denied.control, denied.reason) == ("disk_space", "disk_space: 9 MB free")
    disk(rig, DiskAllowance.ALL)
    assert submitted(rig.signal("AAA", Action.ENTER_LONG, n=2))
    assert not rig.desk.book.conditions.has_halts


def test_a_stop_goes_on_while_the_reserve_lasts() -> None:
    rig = with_all_controls(DeskRig())
    rig.bought(stop_loss=990.0)
    disk(rig, DiskAllowance.EXITS)
    (exit_,) = submitted(rig.quote("AAA", "989"))
    assert (exit_.purpose.is_exit, exit_.quantity) == (True, D(10))


def test_without_the_reserve_no_exit_leaves_cancels_do_and_the_stop_follows_when_there_is_room() -> None:
    rig = with_all_controls(DeskRig())
    rig.bought(stop_loss=990.0)
    rig.quote("BBB", "1000")
    (working,) = submitted(rig.signal("BBB", Action.ENTER_LONG, n=2))
    rig.outcome(working, OrderEventType.SENDING)
    rig.outcome(working, OrderEventType.ACCEPTED, venue_order_id="V9")
    disk(rig, DiskAllowance.CANCELS)

    outputs = rig.quote("AAA", "989")
    assert not submitted(outputs)
    denied = [output for output in outputs if isinstance(output, OrderEvent) and output.type is OrderEventType.DENIED]
    assert [event.control for event in denied] == ["disk_space"]
    assert any(
        isinstance(output, Cancel)
        for output in rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    )

    disk(rig, DiskAllowance.ALL)
    for _ in range(100):
        if submitted(rig.tick(1)) or submitted(rig.quote("AAA", "989")):
            return
    raise AssertionError("the stop never followed")
