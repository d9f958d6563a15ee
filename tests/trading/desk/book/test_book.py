"""The book: what it notes of the wish to be flat, of whose position it is, and of what is given up."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.messages import AccountSnapshot, Action, OrderReport, ReleasedPosition
from tradebot.domain.order import OrderEventType, OrderPurpose, OrderRequest, VenueOrderStatus
from tradebot.trading.desk.decisions import ClosePosition, ForgetPosition, ReleasePosition

D, E = Decimal, OrderEventType


def leaving(rig: DeskRig) -> OrderRequest:
    """Send the exit of a position in AAA, and let the venue accept it as V2."""
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    return exit_


def test_the_wish_to_close_what_is_gone_is_forgotten_and_does_not_close_what_is_bought_later() -> None:
    rig = DeskRig()
    rig.desk.carry_out([ClosePosition("AAA", OrderPurpose.EXIT, "flat", rig.mono)])
    assert rig.desk.book.pending_exits.requested == {}
    rig.bought()
    assert submitted(rig.tick()) == []


def test_what_is_forgotten_of_a_symbol_is_its_exit_and_its_strategy() -> None:
    rig = DeskRig()
    leaving(rig)
    exits = rig.desk.book.pending_exits
    assert (set(exits.requested), exits.holders) == ({"AAA"}, {"AAA": "s"})
    rig.desk.carry_out([ForgetPosition("AAA")])
    assert (exits.requested, exits.holders) == ({}, {})


def test_an_exit_that_fills_flat_ends_the_wish_and_a_part_of_it_does_not() -> None:
    rig = DeskRig()
    exit_ = leaving(rig)
    exits = rig.desk.book.pending_exits
    rig.fill(exit_, 4, "1000", "V2")
    assert (set(exits.requested), exits.holders) == ({"AAA"}, {"AAA": "s"})
    rig.fill(exit_, 6, "1000", "V2")
    assert (exits.requested, exits.holders) == ({}, {})


@pytest.mark.parametrize(("quantity", "wanted"), [(4, {"AAA"}), (10, set())])
def test_what_is_given_up_whole_is_wanted_flat_no_more(quantity: int, wanted: set[str]) -> None:
    rig = DeskRig()
    leaving(rig)
    part = ReleasedPosition(
        key=rig.desk.book.positions.position_of("AAA").key, quantity=D(quantity), price=D(1000), at=rig.at
    )  # fmt: skip
    rig.desk.carry_out([ReleasePosition(part)])
    assert set(rig.desk.book.pending_exits.requested) == wanted
    assert set(rig.desk.book.pending_exits.holders) == wanted
    assert rig.desk.book.positions.open_quantity("AAA") == 10 - quantity


def test_a_symbol_is_of_the_strategy_that_opened_it_and_not_of_one_that_adds() -> None:
    rig = DeskRig()
    entry = rig.bought()
    rig.desk.book.update_holder(msgspec.structs.replace(entry, strategy="other"))
    assert rig.desk.book.pending_exits.holders == {"AAA": "s"}


@pytest.mark.parametrize(("symbol", "strategy"), [("AAA", ""), ("ELSEWHERE", "s")])
def test_what_no_strategy_of_this_run_opened_has_no_holder(symbol: str, strategy: str) -> None:
    rig = DeskRig()
    entry = rig.bought()
    rig.desk.book.pending_exits.holders.clear()
    rig.desk.book.update_holder(msgspec.structs.replace(entry, symbol=symbol, strategy=strategy))
    assert rig.desk.book.pending_exits.holders == {}


def test_the_denial_of_an_exit_leaves_the_wish_that_is_tried_at_every_tick() -> None:
    rig = DeskRig()
    rig.bought()
    rig.desk.book.external.quantities["NSE", "AAA", "MIS"] = D(-10)  # the venue holds nothing of it
    assert submitted(rig.signal("AAA", Action.EXIT_LONG, n=2)) == []
    assert set(rig.desk.book.pending_exits.requested) == {"AAA"}
    rig.desk.book.external.quantities.clear()
    assert len(submitted(rig.tick())) == 1


def test_a_fill_of_one_symbol_leaves_another_one_that_is_in_excess_alone() -> None:
    rig = DeskRig()
    first = rig.entered()
    rig.fill(first, int(first.quantity) + 2, "1000")
    rig.quote("BBB", "500")
    (second,) = submitted(rig.signal("BBB", Action.ENTER_LONG, n=2))
    rig.outcome(second, E.SENDING)
    rig.outcome(second, E.ACCEPTED, "V2")

    rig.fill(second, int(second.quantity), "500", "V2")

    blotter = rig.desk.book.blotter
    assert set(blotter.overfilled) == {"AAA"}
    assert (blotter.closable_quantity("AAA"), blotter.closable_quantity("BBB")) == (0, second.quantity)


def test_books_that_were_asked_for_before_another_hand_acted_do_not_account_for_it() -> None:
    rig = DeskRig()
    request = rig.bought()
    asked_at = rig.mono
    rig.tick()
    placed = msgspec.structs.replace(rig.venue_order(request, VenueOrderStatus.OPEN), venue_order_id="X1", tag="")
    rig.desk.apply_message(OrderReport(order=placed, mono=rig.mono))

    def look(asked_at: int) -> None:
        empty = AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=rig.positions(), cash=D(10_000))
        rig.desk.apply_message(empty)

    look(asked_at)
    assert "AAA" in rig.desk.book.conditions.unaccounted
    rig.tick()
    look(rig.mono)
    assert "AAA" not in rig.desk.book.conditions.unaccounted
