"""The book: what it notes of the wish to be flat, of whose position it is, and of what is given up."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_room import Room, submitted
from tradebot.domain.messages import AccountSnapshot, Action, OrderReport, ReleasedPosition
from tradebot.domain.order import OrderEventType, OrderPurpose, OrderRequest, VenueOrderStatus
from tradebot.trading.desk.decisions import ClosePosition, ForgetPosition, ReleasePosition

D, E = Decimal, OrderEventType


def leaving(room: Room) -> OrderRequest:
    """Send the exit of a position in AAA, and let the venue accept it as V2."""
    room.bought()
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    room.outcome(exit_, E.SENDING)
    room.outcome(exit_, E.ACCEPTED, "V2")
    return exit_


def test_the_wish_to_close_what_is_gone_is_forgotten_and_does_not_close_what_is_bought_later() -> None:
    room = Room()
    room.desk.carry_out([ClosePosition("AAA", OrderPurpose.EXIT, "flat", room.mono)])
    assert room.desk.book.pending_exits.requested == {}
    room.bought()
    assert submitted(room.tick()) == []


def test_what_is_forgotten_of_a_symbol_is_its_exit_and_its_strategy() -> None:
    room = Room()
    leaving(room)
    exits = room.desk.book.pending_exits
    assert (set(exits.requested), exits.holders) == ({"AAA"}, {"AAA": "s"})
    room.desk.carry_out([ForgetPosition("AAA")])
    assert (exits.requested, exits.holders) == ({}, {})


def test_an_exit_that_fills_flat_ends_the_wish_and_a_part_of_it_does_not() -> None:
    room = Room()
    exit_ = leaving(room)
    exits = room.desk.book.pending_exits
    room.fill(exit_, 4, "1000", "V2")
    assert (set(exits.requested), exits.holders) == ({"AAA"}, {"AAA": "s"})
    room.fill(exit_, 6, "1000", "V2")
    assert (exits.requested, exits.holders) == ({}, {})


@pytest.mark.parametrize(("quantity", "wanted"), [(4, {"AAA"}), (10, set())])
def test_what_is_given_up_whole_is_wanted_flat_no_more(quantity: int, wanted: set[str]) -> None:
    room = Room()
    leaving(room)
    part = ReleasedPosition(
        key=room.desk.book.positions.position_of("AAA").key, quantity=D(quantity), price=D(1000), at=room.at
    )  # fmt: skip
    room.desk.carry_out([ReleasePosition(part)])
    assert set(room.desk.book.pending_exits.requested) == wanted
    assert set(room.desk.book.pending_exits.holders) == wanted
    assert room.desk.book.positions.open_quantity("AAA") == 10 - quantity


def test_a_symbol_is_of_the_strategy_that_opened_it_and_not_of_one_that_adds() -> None:
    room = Room()
    entry = room.bought()
    room.desk.book.update_holder(msgspec.structs.replace(entry, strategy="other"))
    assert room.desk.book.pending_exits.holders == {"AAA": "s"}


@pytest.mark.parametrize(("symbol", "strategy"), [("AAA", ""), ("ELSEWHERE", "s")])
def test_what_no_strategy_of_this_run_opened_has_no_holder(symbol: str, strategy: str) -> None:
    room = Room()
    entry = room.bought()
    room.desk.book.pending_exits.holders.clear()
    room.desk.book.update_holder(msgspec.structs.replace(entry, symbol=symbol, strategy=strategy))
    assert room.desk.book.pending_exits.holders == {}


def test_the_denial_of_an_exit_leaves_the_wish_that_is_tried_at_every_tick() -> None:
    room = Room()
    room.bought()
    room.desk.book.external.quantities["NSE", "AAA", "MIS"] = D(-10)  # the venue holds nothing of it
    assert submitted(room.signal("AAA", Action.EXIT_LONG, n=2)) == []
    assert set(room.desk.book.pending_exits.requested) == {"AAA"}
    room.desk.book.external.quantities.clear()
    assert len(submitted(room.tick())) == 1


def test_a_fill_of_one_symbol_leaves_another_one_that_is_in_excess_alone() -> None:
    room = Room()
    first = room.entered()
    room.fill(first, int(first.quantity) + 2, "1000")
    room.quote("BBB", "500")
    (second,) = submitted(room.signal("BBB", Action.ENTER_LONG, n=2))
    room.outcome(second, E.SENDING)
    room.outcome(second, E.ACCEPTED, "V2")

    room.fill(second, int(second.quantity), "500", "V2")

    blotter = room.desk.book.blotter
    assert set(blotter.overfilled) == {"AAA"}
    assert (blotter.closable_quantity("AAA"), blotter.closable_quantity("BBB")) == (0, second.quantity)


def test_books_that_were_asked_for_before_another_hand_acted_do_not_account_for_it() -> None:
    room = Room()
    request = room.bought()
    asked_at = room.mono
    room.tick()
    placed = msgspec.structs.replace(room.venue_order(request, VenueOrderStatus.OPEN), venue_order_id="X1", tag="")
    room.desk.apply_message(OrderReport(order=placed, mono=room.mono))

    def look(asked_at: int) -> None:
        empty = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=room.positions(), cash=D(10_000))
        room.desk.apply_message(empty)

    look(asked_at)
    assert "AAA" in room.desk.book.conditions.unaccounted
    room.tick()
    look(room.mono)
    assert "AAA" not in room.desk.book.conditions.unaccounted
