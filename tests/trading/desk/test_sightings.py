"""Sightings: which statuses of the venue tell of the terms of an order, and which tell of something else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.trading.desk.desk_room import Room, events
from tradebot.domain.messages import Cancel, Executed, OrderSeen
from tradebot.domain.order import Execution, OrderEvent, Side, VenueStatus

D, E = Decimal, OrderEvent


@pytest.mark.parametrize(
    ("status", "quantity", "told"),
    [
        (VenueStatus.OPEN, "7", [E.CHANGED, E.SEEN_OPEN]),
        (VenueStatus.OPEN, "0.5", [E.CHANGED, E.SEEN_OPEN]),
        (VenueStatus.OPEN, "0", [E.SEEN_OPEN]),  # a row without a quantity takes nothing from what we sent
        (VenueStatus.OPEN, "-1", [E.SEEN_OPEN]),
        (VenueStatus.CANCELED, "7", [E.SEEN_CANCELED]),  # what is over has no terms any more
        (VenueStatus.EXPIRED, "7", [E.SEEN_EXPIRED]),
    ],
)
def test_only_a_status_that_works_and_has_a_quantity_tells_of_terms(
    status: VenueStatus, quantity: str, told: list[OrderEvent]
) -> None:
    room = Room()
    entry = room.entered()
    changes: dict[str, Any] = {"quantity": D(quantity)}
    shown = msgspec.structs.replace(room.venue_order(entry, status), **changes)
    found = events(room.desk.apply(OrderSeen(order=shown, mono=room.mono)))
    assert [event for event in found if event in (*told, E.CHANGED)] == told
    assert (room.desk.book.blotter.orders[entry.order_id].quantity == 10) is (E.CHANGED not in told)


def test_of_fills_without_an_order_the_oldest_go_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.rules.sightings.ORPHANS_KEPT", 2)
    room = Room()
    for number in range(4):
        fill = Execution(f"F{number}", f"V{number}", "AAA", "NSE", Side.BUY, D(1), D(1000), room.at, "MIS")
        room.desk.apply(Executed(execution=fill, mono=room.mono))
    assert list(room.desk.rules.venue_reports._sightings.orphans) == ["V2", "V3"]


def test_an_order_whose_answer_named_another_one_is_cancelled_under_the_id_that_the_venue_shows() -> None:
    room = Room()
    entry = room.entered(venue_id="990101000000001")
    room.desk.apply(OrderSeen(order=room.venue_order(entry, VenueStatus.OPEN), mono=room.mono))
    cancels = [o for _ in range(5) for o in room.tick(1) if isinstance(o, Cancel)]
    assert [cancel.venue_order_id for cancel in cancels] == ["V1"]
