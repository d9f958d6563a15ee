"""Placement: what the gate is shown of the orders beside the one that is placed."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_room import Room, events, submitted
from tradebot.domain.messages import Action, OrderSeen
from tradebot.domain.order import OrderEvent, OrderRequest, VenueStatus
from tradebot.trading.desk.gate.exposure_controls import MaxPosition
from tradebot.trading.desk.gate.gate import Gate, Verdict, View

D, E = Decimal, OrderEvent


class Looks(Gate):
    """A gate that lets everything pass and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__([])
        self.views: list[View] = []

    def check(self, request: OrderRequest, view: View) -> Verdict:
        self.views.append(view)
        return super().check(request, view)


def test_an_entry_that_was_cancelled_just_now_counts_as_a_position_for_a_while() -> None:
    room = Room()
    room.desk.placement._gate = Gate([MaxPosition(per_symbol=D(15_000), gross=D(40_000))])
    entry = room.entered()
    room.desk.apply(OrderSeen(order=room.venue_order(entry, VenueStatus.CANCELED), mono=room.mono))
    room.quote("AAA", "1000")
    assert events(room.signal("AAA", Action.ENTER_LONG, n=2)) == [E.DENIED]
    room.tick(2.1)
    room.quote("AAA", "1000")
    assert len(submitted(room.signal("AAA", Action.ENTER_LONG, n=3))) == 1


def test_the_gate_is_shown_what_is_held_what_closes_it_and_what_is_in_doubt() -> None:
    room = Room()
    room.bought()
    room.desk.placement._gate = gate = Looks()
    room.quote("AAA", "1000")
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    (view,) = gate.views
    assert [view.quantity, view.longest, view.shortest, view.closing] == [10, 10, 10, 0]
    assert (view.open_orders, view.in_doubt) == (0, False)
    order = room.desk.book.blotter.orders[exit_.order_id]

    room.desk.placement.judge(exit_, D(1000), instead_of=order)
    view = gate.views[-1]
    assert [view.longest, view.shortest, view.closing, view.open_orders] == [10, 10, 0, 0]
    assert view.in_doubt
