"""Venue reports: what is forgotten with an order, so that a run of months keeps no more than one of a day."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_room import Room
from tradebot.domain.messages import Action, OrderSeen
from tradebot.domain.order import OrderEvent, VenueStatus

D, E = Decimal, OrderEvent


def test_with_an_order_that_is_kept_no_longer_goes_what_was_made_up_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.book.blotter.ENDED_KEPT", 1)
    room = Room()
    entry = room.entered()
    room.desk.apply(OrderSeen(order=room.venue_order(entry, VenueStatus.FILLED, filled=10), mono=room.mono))
    room.tick(6)
    reports = room.desk.rules.venue_reports
    assert list(reports._shortfalls.inferred) == [entry.order_id]
    assert not reports.lacks_fills

    room.tick(6)
    room.quote("AAA", "1000")
    room.signal("AAA", Action.EXIT_LONG, n=2)
    (exit_,) = list(room.desk.account.live_orders())
    room.outcome(exit_.request, E.SENDING)
    room.outcome(exit_.request, E.ACCEPTED, "V2")
    room.fill(exit_.request, 10, "1000", "V2")

    assert list(room.desk.account.orders()) == [exit_.order_id]
    assert reports._shortfalls.inferred == {}
    assert room.desk.book.blotter.forgotten == []
