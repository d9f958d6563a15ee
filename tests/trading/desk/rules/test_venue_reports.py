"""Venue reports: what a status, a list and a fill lead to and when, and what is forgotten with an order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_room import Room, events, submitted
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Command,
    FillReport,
    Incident,
    LinkDown,
    LinkUp,
    OrderReport,
)
from tradebot.domain.order import OrderEventType, VenueOrder, VenueOrderStatus
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.report_translator import LAG_LIMIT_NS, OMISSION_LIMIT_NS

D, E = Decimal, OrderEventType


def test_with_an_order_that_is_kept_no_longer_goes_what_was_made_up_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.book.blotter.MAX_ENDED_ORDERS", 1)
    room = Room()
    entry = room.entered()
    room.desk.apply_message(
        OrderReport(order=room.venue_order(entry, VenueOrderStatus.FILLED, filled=10), mono=room.mono)
    )
    room.tick(6)
    reports = room.desk.rules.venue_reports
    assert list(reports._missing_fills.inferred_fills) == [entry.order_id]
    assert not reports.lacks_fills

    room.tick(6)
    room.quote("AAA", "1000")
    room.signal("AAA", Action.EXIT_LONG, n=2)
    (exit_,) = list(room.desk.account.live_orders())
    room.outcome(exit_.request, E.SENDING)
    room.outcome(exit_.request, E.ACCEPTED, "V2")
    room.fill(exit_.request, 10, "1000", "V2")

    assert list(room.desk.account.kept_orders()) == [exit_.order_id]
    assert reports._missing_fills.inferred_fills == {}
    assert room.desk.book.blotter.forgotten_orders == []


def look(room: Room, *orders: VenueOrder) -> list[DeskOutput]:
    return room.desk.apply_message(
        AccountSnapshot(asked_at=room.mono, orders=orders, fills=(), positions=room.positions(), cash=D(0))
    )


@pytest.mark.parametrize(("filled", "less", "is_halted"), [(9, 0, True), (9, 1, False), (10, 0, False)])
def test_a_venue_that_knows_fewer_fills_than_it_told_for_a_minute_stops_the_symbol(
    *, filled: int, less: int, is_halted: bool
) -> None:
    room = Room()
    request = room.bought()
    shown = room.venue_order(request, VenueOrderStatus.FILLED, filled=filled)
    look(room, shown)
    room.mono += LAG_LIMIT_NS - less
    outputs = look(room, shown)
    assert [str(o.scope) for o in outputs if isinstance(o, Command)] == (["symbol:AAA"] if is_halted else [])
    assert len([o for o in outputs if isinstance(o, Incident)]) == is_halted


def test_that_it_knows_fewer_is_told_once() -> None:
    room = Room()
    shown = room.venue_order(room.bought(), VenueOrderStatus.FILLED, filled=9)
    told = []
    for _ in range(4):
        told.append(len([o for o in look(room, shown) if isinstance(o, Incident)]))
        room.mono += LAG_LIMIT_NS
    assert told == [0, 1, 0, 0]


def test_a_status_that_tells_nothing_new_leaves_no_row() -> None:
    room = Room()
    request = room.entered()
    shown = room.venue_order(request, VenueOrderStatus.OPEN, filled=4)
    assert events(look(room, shown)) == [E.SEEN_OPEN]
    room.tick(1)
    assert events(look(room, shown)) == []
    more = room.venue_order(request, VenueOrderStatus.OPEN, filled=5)
    assert events(look(room, more)) == [E.SEEN_OPEN]


@pytest.mark.parametrize(("less", "found"), [(1, []), (0, []), (-1, [E.NOT_FOUND])])
def test_two_lists_that_come_late_enough_put_an_order_in_doubt(less: int, found: list[OrderEventType]) -> None:
    room = Room()
    room.entered()
    assert events(look(room)) == []
    room.mono += OMISSION_LIMIT_NS - less
    assert events(look(room)) == []
    assert events(look(room)) == found


@pytest.mark.parametrize(("asked", "is_compared"), [(-1, False), (0, True)])
def test_books_asked_for_since_the_link_is_back_compare_what_was_open(*, asked: int, is_compared: bool) -> None:
    room = Room()
    request = room.entered()
    room.desk.apply_message(LinkDown(source="kite", mono=room.mono, reason="silent"))
    room.tick(1)
    room.desk.apply_message(LinkUp(source="kite", mono=room.mono))
    order = room.venue_order(request, VenueOrderStatus.ACKED)
    snapshot = AccountSnapshot(asked_at=room.mono + asked, orders=(order,), fills=(), positions=(), cash=D(0))
    assert (E.LINK_BACK in events(room.desk.apply_message(snapshot))) is is_compared


def test_a_fill_that_comes_before_its_order_is_known_is_booked_once_its_id_is() -> None:
    room = Room()
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    assert events(room.outcome(request, E.SENDING)) == []
    for _ in range(2):
        fill = room.execution(request, 10, "1000")
        room.trades -= 1
        assert events(room.desk.apply_message(FillReport(fill=fill, mono=room.mono))) == []
    assert events(room.outcome(request, E.ACCEPTED, "V1")) == [E.ACCEPTED, E.EXECUTED]
    assert room.desk.rules.venue_reports._translator.orphan_fills == {}
    assert room.desk.book.positions.open_quantity("AAA") == 10
