"""Placement: what the gate is shown of the orders beside the one that is placed."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tests.trading.desk.desk_rig import OPEN, DeskRig, events, submitted
from tradebot.domain.messages import Action, OrderReport
from tradebot.domain.order import OrderEvent, OrderEventType, OrderPurpose, OrderRequest, OrderTerms, VenueOrderStatus
from tradebot.trading.desk.decisions import PlaceOrder
from tradebot.trading.desk.gate.exposure_controls import MaxPosition
from tradebot.trading.desk.gate.gate import Gate, GateDecision, OrderContext, PlainControl

D, E = Decimal, OrderEventType


class Looks(Gate):
    """A gate that lets everything pass and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__([])
        self.views: list[OrderContext] = []

    def check_order(self, request: OrderRequest, context: OrderContext) -> GateDecision:
        self.views.append(context)
        return super().check_order(request, context)


def test_an_entry_that_was_cancelled_just_now_counts_as_a_position_for_a_while() -> None:
    rig = DeskRig()
    rig.desk.placement._gate = Gate([MaxPosition(per_symbol=D(15_000), gross=D(40_000))])
    entry = rig.entered()
    rig.desk.apply_message(OrderReport(order=rig.venue_order(entry, VenueOrderStatus.CANCELED), mono=rig.mono))
    rig.quote("AAA", "1000")
    assert events(rig.signal("AAA", Action.ENTER_LONG, n=2)) == [E.DENIED]
    rig.tick(2.1)
    rig.quote("AAA", "1000")
    assert len(submitted(rig.signal("AAA", Action.ENTER_LONG, n=3))) == 1


def test_the_gate_is_shown_what_is_held_what_closes_it_and_what_is_in_doubt() -> None:
    rig = DeskRig()
    rig.bought()
    rig.desk.placement._gate = gate = Looks()
    rig.quote("AAA", "1000")
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    (context,) = gate.views
    assert [context.quantity, context.longest, context.shortest, context.closing_quantity] == [10, 10, 10, 0]
    assert (context.open_orders, context.is_in_doubt) == (0, False)
    order = rig.desk.book.blotter.orders[exit_.order_id]

    rig.desk.placement.check_replacement(exit_, D(1000), instead_of=order)
    context = gate.views[-1]
    assert [context.longest, context.shortest, context.closing_quantity, context.open_orders] == [10, 10, 0, 0]
    assert context.is_in_doubt


class Holds(PlainControl):
    """Denies while it is told to."""

    name = "holds"
    is_held = True

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        return "held back" if self.is_held else None


def test_an_exit_that_is_held_back_is_told_once_and_once_more_after_it_passed() -> None:
    rig, holds = DeskRig(), Holds()
    rig.bought()
    rig.desk.placement._gate = Gate([holds])
    assert events(rig.signal("AAA", Action.EXIT_LONG, n=2)) == [E.DENIED]
    assert [events(rig.tick()) for _ in range(3)] == [[], [], []]
    holds.is_held = False
    (exit_,) = submitted(rig.tick())
    holds.is_held = True
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.NOT_SENT)
    assert events(rig.tick(1.1)) == [E.DENIED]
    assert events(rig.tick()) == []
    assert rig.desk.account.denials.total == 6, "each try counts"


def test_an_entry_that_passes_does_not_let_an_exit_that_is_held_back_be_told_again() -> None:
    rig, holds = DeskRig(), Holds()
    entry = rig.bought()
    rig.desk.placement._gate = Gate([holds])
    rig.signal("AAA", Action.EXIT_LONG, n=2)
    holds.is_held = False
    again = msgspec.structs.replace(entry, order_id="T00099")
    assert submitted(rig.desk.carry_out([PlaceOrder(0, again, D(1000), {})])) == [again]
    holds.is_held = True
    assert E.DENIED not in events(rig.tick())


class Counts(Gate):
    """A gate that notes what it is told of an earlier process."""

    def __init__(self) -> None:
        super().__init__([])
        self.recalled: list[tuple[str, bool]] = []

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool = False) -> None:
        self.recalled.append((request.order_id, is_change))


def test_of_an_earlier_process_each_order_and_each_change_of_ours_counts_once_for_the_day() -> None:
    before, after = DeskRig(), DeskRig()
    request = before.bought()
    order = before.desk.book.blotter.orders[request.order_id]
    elsewhere = msgspec.structs.replace(request, order_id="EXT-1", purpose=OrderPurpose.EXTERNAL)
    terms = OrderTerms(quantity=D(10), price=D(990))
    events = [
        OrderEvent(request.order_id, E.INTENT, OPEN, 1, request=request),
        OrderEvent(request.order_id, E.SENDING, OPEN, 1),
        OrderEvent(request.order_id, E.ACCEPTED, OPEN, 1, venue_order_id="V1"),
        OrderEvent(request.order_id, E.SEEN_OPEN, OPEN, 1, venue_order_id="V1"),
        OrderEvent(request.order_id, E.REPLACE_SENT, OPEN, 1, terms=terms),
        OrderEvent(request.order_id, E.EXECUTED, OPEN, 1, fill=order.fills[0]),
        OrderEvent("EXT-1", E.INTENT, OPEN, 1, request=elsewhere),
        OrderEvent("T00002", E.DENIED, OPEN, 1, request=msgspec.structs.replace(request, order_id="T00002")),
    ]
    after.desk.placement._gate = gate = Counts()
    after.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    assert gate.recalled == [(request.order_id, False), (request.order_id, True)]
