"""The hash of a state: everything that two runs must agree on moves it."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_rig import DeskRig
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import AccountSnapshot, Action, Command
from tradebot.domain.order import OrderEventType, VenuePosition
from tradebot.trading.desk.book.state_hash import StateHasher, hash_state

D = Decimal


def test_a_live_order_how_far_it_is_and_that_it_is_to_be_taken_back_move_the_hash() -> None:
    rig, states = DeskRig(), StateHasher()
    told = [states.hash_book(rig.desk.book)]
    request = rig.entered()
    told.append(states.hash_book(rig.desk.book))
    for event_type in (OrderEventType.SEEN_OPEN, OrderEventType.CANCEL_SENT):
        rig.desk.book.record_event(
            rig.desk.book.make_event(rig.desk.book.blotter.orders[request.order_id], event_type, "")
        )
        told.append(states.hash_book(rig.desk.book))
    assert len(set(told)) == len(told) == 4
    assert told[-1] == hash_state(rig.desk.book)
    assert len(told[-1]) == 32, "as it stands in journals"


def test_a_halt_and_its_scope_and_reason_move_the_hash() -> None:
    rig = DeskRig()
    told = [hash_state(rig.desk.book)]
    for scope, reason in (("symbol:AAA", "a"), ("symbol:BBB", "a"), ("symbol:BBB", "b")):
        for known in rig.desk.book.conditions.halts.active_commands:
            rig.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=known.scope))
        rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason=reason, scope=Scope.parse(scope)))
        told.append(hash_state(rig.desk.book))
    assert len(set(told)) == len(told)


def test_what_is_held_beyond_ours_moves_the_hash() -> None:
    rig, told = DeskRig(), []
    for quantity in (0, 3, 4):
        held = VenuePosition(
            symbol="AAA", exchange="NSE", product="CNC", quantity=D(quantity), average_price=D(1000)
        )  # fmt: skip
        rig.desk.apply_message(AccountSnapshot(asked_at=rig.mono, orders=(), fills=(), positions=(held,), cash=D(0)))
        told.append(hash_state(rig.desk.book))
    assert len(set(told)) == 3


def test_money_that_was_won_moves_the_hash_of_two_that_are_as_flat() -> None:
    told = []
    for price in ("1001", "1002"):
        rig = DeskRig()
        rig.bought()
        rig.quote("AAA", price)
        rig.signal("AAA", Action.EXIT_LONG, n=2)
        (exit_,) = list(rig.desk.account.live_orders())
        rig.outcome(exit_.request, OrderEventType.SENDING)
        rig.outcome(exit_.request, OrderEventType.ACCEPTED, "V2")
        rig.fill(exit_.request, 10, price, "V2")
        assert rig.desk.account.open_positions() == {}
        told.append(hash_state(rig.desk.book))
    assert told[0] != told[1]
