"""A journal's disk that fills: nothing is opened, stops go on, and when its reserve is used up cancels alone leave."""

from __future__ import annotations

from tests.trading.desk.desk_room import D, Room, submitted
from tests.trading.desk.test_unread_rows import seeing
from tradebot.domain.control import Verb
from tradebot.domain.messages import Action, Cancel, Command, DiskAllows, SpaceLeft
from tradebot.domain.order import OrderEvent, OrderFact


def disk(room: Room, allows: DiskAllows) -> None:
    room.desk.apply_message(
        SpaceLeft(mono=room.mono, allows=allows, reason="" if allows is DiskAllows.ALL else "9 MB free")
    )


def test_nothing_is_opened_by_a_control_of_its_own_name_and_the_way_back_needs_no_resume() -> None:
    room = seeing(Room())
    room.quote("AAA", "1000")
    disk(room, DiskAllows.EXITS)
    (denied,) = room.signal("AAA", Action.ENTER_LONG)
    assert isinstance(denied, OrderFact)
    assert (denied.control, denied.reason) == ("disk_space", "disk_space: 9 MB free")
    disk(room, DiskAllows.ALL)
    assert submitted(room.signal("AAA", Action.ENTER_LONG, n=2))
    assert not room.desk.book.conditions.has_halts


def test_a_stop_goes_on_while_the_reserve_lasts() -> None:
    room = seeing(Room())
    room.bought(stop_loss=990.0)
    disk(room, DiskAllows.EXITS)
    (exit_,) = submitted(room.quote("AAA", "989"))
    assert (exit_.purpose.is_exit, exit_.quantity) == (True, D(10))


def test_without_the_reserve_no_exit_leaves_cancels_do_and_the_stop_follows_when_there_is_room() -> None:
    room = seeing(Room())
    room.bought(stop_loss=990.0)
    room.quote("BBB", "1000")
    (working,) = submitted(room.signal("BBB", Action.ENTER_LONG, n=2))
    room.outcome(working, OrderEvent.SENDING)
    room.outcome(working, OrderEvent.ACCEPTED, venue_order_id="V9")
    disk(room, DiskAllows.CANCELS)

    outputs = room.quote("AAA", "989")
    assert not submitted(outputs)
    denied = [output for output in outputs if isinstance(output, OrderFact) and output.event is OrderEvent.DENIED]
    assert [fact.control for fact in denied] == ["disk_space"]
    assert any(
        isinstance(output, Cancel) for output in room.desk.apply_message(Command(verb=Verb.HALT, reason="by hand"))
    )

    disk(room, DiskAllows.ALL)
    for _ in range(100):
        if submitted(room.tick(1)) or submitted(room.quote("AAA", "989")):
            return
    raise AssertionError("the stop never followed")
