"""Repricing: when an order hangs, and which orders are moved, taken back or left as they are."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_room import Room, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.messages import Action, BrokerSession, Cancel, Modify, OrderReport
from tradebot.domain.order import OrderEventType, OrderRequest, VenueOrderStatus
from tradebot.trading.desk.decisions import DeskOutput

D, E = Decimal, OrderEventType


def asked(outputs: list[DeskOutput]) -> list[type]:
    return [type(o) for o in outputs if isinstance(o, Cancel | Modify)]


def leaving(room: Room, *, is_open: bool = True) -> OrderRequest:
    """Send the exit of a position in AAA, and let the venue show it as V1 in its book."""
    room.bought()
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    room.outcome(exit_, E.SENDING)
    room.outcome(exit_, E.ACCEPTED, "V2")
    if is_open:
        shown = room.venue_order(exit_, VenueOrderStatus.OPEN)
        room.desk.apply_message(OrderReport(order=shown, mono=room.mono))
    return exit_


@pytest.mark.parametrize(("more", "found"), [(0, []), (1, [Cancel])])
def test_an_order_hangs_once_its_time_is_over_to_the_nanosecond(*, more: int, found: list[type]) -> None:
    room = Room()
    room.entered()
    room.mono += 3 * SECOND + more
    assert asked(room.tick(0)) == found


def test_what_the_venue_has_not_acknowledged_does_not_hang() -> None:
    room = Room()
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    room.outcome(request, E.SENDING)
    assert [asked(room.tick(4)) for _ in range(3)] == [[], [], []]


def test_an_order_that_is_being_taken_back_is_not_taken_back_again() -> None:
    room = Room()
    room.entered()
    assert [asked(room.tick(4)) for _ in range(3)] == [[Cancel], [], []]


def test_with_a_dead_login_nothing_is_asked_until_it_is_back() -> None:
    room = Room()
    room.entered()
    room.desk.apply_message(BrokerSession(mono=room.mono, lost_reason="dead", orders_refused=True))
    assert asked(room.tick(4)) == []
    room.desk.apply_message(BrokerSession(mono=room.mono))
    assert asked(room.tick()) == [Cancel]


@pytest.mark.parametrize(
    ("chase", "is_open", "found"), [("modify", True, Modify), ("modify", False, Cancel), ("cancel", True, Cancel)]
)
def test_an_exit_in_the_book_is_moved_where_the_settings_say_so_and_any_other_taken_back(
    *, chase: str, is_open: bool, found: type
) -> None:
    room = Room(chase=chase)
    leaving(room, is_open=is_open)
    room.quote("AAA", "980")
    assert asked(room.tick(4)) == [found]


def test_an_exit_is_moved_again_after_as_long_a_time_and_as_often_as_the_venue_allows() -> None:
    room = Room(chase="modify", most_changes=2)
    exit_ = leaving(room)
    found = []
    for price in ("980", "970", "960"):
        room.quote("AAA", price)
        assert asked(room.tick(0.1)) == []
        outputs = room.tick(3.1)
        found += asked(outputs)
        room.outcome(exit_, E.REPLACED)
    assert found == [Modify, Modify, Cancel]


def test_what_cannot_be_moved_is_taken_back() -> None:
    room = Room(chase="modify")
    exit_ = leaving(room)
    room.quote("AAA", "980")
    assert asked(room.tick(4)) == [Modify]
    assert asked(room.outcome(exit_, E.REPLACE_REFUSED)) == [Cancel]


def test_an_exit_that_is_stale_is_neither_moved_nor_taken_back() -> None:
    room = Room(chase="modify")
    exit_ = leaving(room)
    room.quote("AAA", "980")
    book = room.desk.book
    book.record_event(book.make_event(book.blotter.orders[exit_.order_id], E.LINK_LOST, "silent"))
    assert asked(room.tick(4)) == []
    book.record_event(book.make_event(book.blotter.orders[exit_.order_id], E.LINK_BACK, "compared"))
    assert events(room.tick()) == [E.REPLACE_SENT]
