"""Repricing: when an order hangs, and which orders are moved, taken back or left as they are."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.messages import Action, BrokerSession, Cancel, Modify, OrderReport
from tradebot.domain.order import OrderEventType, OrderRequest, VenueOrderStatus
from tradebot.trading.desk.decisions import DeskOutput

D, E = Decimal, OrderEventType


def asked(outputs: list[DeskOutput]) -> list[type]:
    return [type(o) for o in outputs if isinstance(o, Cancel | Modify)]


def leaving(rig: DeskRig, *, is_open: bool = True) -> OrderRequest:
    """Send the exit of a position in AAA, and let the venue show it as V1 in its book."""
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    if is_open:
        shown = rig.venue_order(exit_, VenueOrderStatus.OPEN)
        rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    return exit_


@pytest.mark.parametrize(("more", "found"), [(0, []), (1, [Cancel])])
def test_an_order_hangs_once_its_time_is_over_to_the_nanosecond(*, more: int, found: list[type]) -> None:
    rig = DeskRig()
    rig.entered()
    rig.mono += 3 * SECOND + more
    assert asked(rig.tick(0)) == found


def test_what_the_venue_has_not_acknowledged_does_not_hang() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, E.SENDING)
    assert [asked(rig.tick(4)) for _ in range(3)] == [[], [], []]


def test_an_order_that_is_being_taken_back_is_not_taken_back_again() -> None:
    rig = DeskRig()
    rig.entered()
    assert [asked(rig.tick(4)) for _ in range(3)] == [[Cancel], [], []]


def test_with_a_dead_login_nothing_is_asked_until_it_is_back() -> None:
    rig = DeskRig()
    rig.entered()
    rig.desk.apply_message(BrokerSession(mono=rig.mono, lost_reason="dead", orders_refused=True))
    assert asked(rig.tick(4)) == []
    rig.desk.apply_message(BrokerSession(mono=rig.mono))
    assert asked(rig.tick()) == [Cancel]


@pytest.mark.parametrize(
    ("chase", "is_open", "found"), [("modify", True, Modify), ("modify", False, Cancel), ("cancel", True, Cancel)]
)
def test_an_exit_in_the_book_is_moved_where_the_settings_say_so_and_any_other_taken_back(
    *, chase: str, is_open: bool, found: type
) -> None:
    rig = DeskRig(chase=chase)
    leaving(rig, is_open=is_open)
    rig.quote("AAA", "980")
    assert asked(rig.tick(4)) == [found]


def test_an_exit_is_moved_again_after_as_long_a_time_and_as_often_as_the_venue_allows() -> None:
    rig = DeskRig(chase="modify", most_changes=2)
    exit_ = leaving(rig)
    found = []
    for price in ("980", "970", "960"):
        rig.quote("AAA", price)
        assert asked(rig.tick(0.1)) == []
        outputs = rig.tick(3.1)
        found += asked(outputs)
        rig.outcome(exit_, E.REPLACED)
    assert found == [Modify, Modify, Cancel]


def test_what_cannot_be_moved_is_taken_back() -> None:
    rig = DeskRig(chase="modify")
    exit_ = leaving(rig)
    rig.quote("AAA", "980")
    assert asked(rig.tick(4)) == [Modify]
    assert asked(rig.outcome(exit_, E.REPLACE_REFUSED)) == [Cancel]


def test_an_exit_that_is_stale_is_neither_moved_nor_taken_back() -> None:
    rig = DeskRig(chase="modify")
    exit_ = leaving(rig)
    rig.quote("AAA", "980")
    book = rig.desk.book
    book.record_event(book.make_event(book.blotter.orders[exit_.order_id], E.LINK_LOST, "silent"))
    assert asked(rig.tick(4)) == []
    book.record_event(book.make_event(book.blotter.orders[exit_.order_id], E.LINK_BACK, "compared"))
    assert events(rig.tick()) == [E.REPLACE_SENT]
