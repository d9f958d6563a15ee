"""Fills that do not add up: which figures replace ours, and what a restart still knows of fills that were made up."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import OPEN, DeskRig, events, submitted
from tradebot.domain.messages import AccountSnapshot, Action, OrderReport
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
    VenueOrderStatus,
)
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.missing_fills import INFER_AFTER_NS

D, E = Decimal, OrderEventType


def lists(rig: DeskRig, request: OrderRequest, fill: Fill) -> list[DeskOutput]:
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    return rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=(shown,), fills=(fill,), positions=rig.positions(), cash=D(0))
    )


def test_figures_that_change_from_list_to_list_replace_ours_only_when_two_lists_in_a_row_have_the_same() -> None:
    rig = DeskRig()
    request = rig.bought()
    (booked,) = rig.desk.book.blotter.booked_fills.values()
    for price, replaces in (("998", False), ("997", False), ("998", False), ("998", True)):
        outputs = lists(rig, request, msgspec.structs.replace(booked.execution, price=D(price)))
        assert (E.REVERSED in events(outputs)) is replaces, price
    assert rig.desk.book.positions.position_of("AAA").average_price == 998


def unheard() -> tuple[DeskRig, OrderRequest, list[OrderEvent]]:
    """The venue says an entry of AAA is filled, and no trade tells of it."""
    rig = DeskRig()
    rig.quote("AAA", "1000")
    outputs = rig.signal("AAA", Action.ENTER_LONG)
    (request,) = submitted(outputs)
    outputs.append(OrderEvent(order_id=request.order_id, type=E.SENDING, at=rig.at, mono=rig.mono))
    rig.outcome(request, E.SENDING)
    outputs += rig.outcome(request, E.ACCEPTED, "V1")
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    outputs += rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    return rig, request, [o for o in outputs if isinstance(o, OrderEvent)]


def restarted(events: list[OrderEvent]) -> DeskRig:
    rig = DeskRig()
    rig.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    return rig


def test_fills_that_were_missing_before_a_restart_are_inferred_after_it() -> None:
    _, _, recorded = unheard()
    rig = restarted(recorded)
    rig.quote("AAA", "1000")
    assert events(rig.tick(6)) == [E.EXECUTED]
    assert rig.desk.book.positions.open_quantity("AAA") == 10


def test_what_was_missing_when_a_run_ended_has_five_seconds_of_the_next_one() -> None:
    _, _, recorded = unheard()
    rig = DeskRig()
    rig.desk.book.conditions.mono = 0  # as in a process that has not looked at its clock
    rig.desk.recover_state(recorded, adopted=(), halted="", opens_at=OPEN)
    rig.quote("AAA", "1000")
    assert events(rig.tick(1)) == []
    assert events(rig.tick(4.9)) == []
    assert E.EXECUTED in events(rig.tick(0.2))


def test_a_fill_that_no_trade_tells_of_is_believed_after_five_seconds() -> None:
    rig, _, _ = unheard()
    assert events(rig.tick(4.99)) == []
    assert events(rig.tick(0.02)) == [E.EXECUTED]


def test_a_real_fill_replaces_what_was_made_up_before_a_restart() -> None:
    before, request, recorded = unheard()
    recorded += [o for o in before.tick(6) if isinstance(o, OrderEvent)]
    rig = restarted(recorded)
    assert rig.desk.book.positions.open_quantity("AAA") == 10
    assert events(rig.fill(request, 10, "999")) == [E.REVERSED, E.EXECUTED]
    assert rig.desk.book.positions.open_quantity("AAA") == 10
    assert rig.desk.book.positions.position_of("AAA").average_price == 999


@pytest.mark.parametrize("parts", [(10,), (4, 6)])
def test_what_is_missing_anew_is_waited_for_anew(parts: tuple[int, ...]) -> None:
    rig, request, _ = unheard()
    rig.tick(3)
    for part in parts:
        rig.fill(request, part, "1000")
    rig.tick(1)
    shown = msgspec.structs.replace(rig.venue_order(request, VenueOrderStatus.FILLED, filled=12), quantity=D(12))
    rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    assert rig.desk.book.blotter.orders[request.order_id].missing_quantity == 2
    assert events(rig.tick(4.9)) == []
    assert events(rig.tick(0.2)) == [E.EXECUTED]


def claimed(rig: DeskRig, request: OrderRequest, filled: int, average: str | None) -> None:
    """The venue says how much of an entry is filled, and no trade tells of it."""
    shown = rig.venue_order(request, VenueOrderStatus.OPEN, filled=filled)
    price = None if average is None else D(average)
    rig.desk.apply_message(OrderReport(order=msgspec.structs.replace(shown, average_price=price), mono=rig.mono))


def test_more_that_is_missing_replaces_what_was_made_up_before() -> None:
    rig = DeskRig()
    request = rig.entered()
    claimed(rig, request, 4, "1000")
    assert E.EXECUTED in events(rig.tick(5.1))
    claimed(rig, request, 10, "1000")
    assert events(rig.tick(5.1)) == [E.REVERSED, E.EXECUTED]
    assert [fill.execution.quantity for fill in rig.desk.book.blotter.booked_fills.values()] == [10]
    assert rig.desk.book.positions.open_quantity("AAA") == 10


def test_what_is_missing_has_the_price_that_the_venues_average_leaves_for_it() -> None:
    rig = DeskRig()
    request = rig.entered()
    rig.fill(request, 4, "990")
    claimed(rig, request, 10, "1000")
    assert events(rig.tick(5.1)) == [E.EXECUTED]
    prices = {fill.execution.quantity: fill.execution.price for fill in rig.desk.book.blotter.booked_fills.values()}
    assert prices == {4: D(990), 6: D("1006.65")}  # 6,040 for six


def test_what_has_no_price_at_all_waits_for_one() -> None:
    _, _, recorded = unheard()
    rig = restarted(recorded)
    assert events(rig.tick(6)) == []
    rig.quote("AAA", "1001")
    assert events(rig.tick(0.1)) == [E.EXECUTED]
    assert rig.desk.book.positions.position_of("AAA").average_price == 1001


def of_another_run(purpose: OrderPurpose, *events: E) -> list[OrderEvent]:
    """The events of an order in a symbol that this run does not name."""
    request = OrderRequest(
        order_id="R00001", symbol="GONE", exchange="NSE", side=Side.SELL, kind=OrderKind.MARKET, quantity=D(10),
        purpose=purpose,
    )  # fmt: skip
    begun = OrderEvent(order_id="R00001", type=E.INTENT, at=OPEN, mono=1, request=request)
    return [begun, *(OrderEvent("R00001", event, OPEN, 1, venue_order_id="V1") for event in events)]


def test_what_is_missing_of_a_symbol_that_this_run_does_not_name_waits_and_ends_no_process() -> None:
    rig = DeskRig()
    recorded = of_another_run(OrderPurpose.FLATTEN, E.SENDING, E.ACCEPTED)
    rig.desk.recover_state(recorded, adopted=(), halted="", opens_at=OPEN)
    request = recorded[0].request
    assert request is not None
    rig.desk.apply_message(
        OrderReport(order=rig.venue_order(request, VenueOrderStatus.FILLED, filled=10), mono=rig.mono)
    )
    assert events(rig.tick(6)) == []


def test_an_exit_that_hangs_in_a_symbol_that_this_run_does_not_name_is_taken_back() -> None:
    rig = DeskRig(chase="modify")
    recorded = of_another_run(OrderPurpose.FLATTEN, E.SENDING, E.ACCEPTED, E.SEEN_OPEN)
    rig.desk.recover_state(recorded, adopted=(), halted="", opens_at=OPEN)
    assert events(rig.tick(6)) == [E.CANCEL_SENT]


def test_what_was_made_up_and_taken_back_before_a_restart_is_not_taken_back_again() -> None:
    before, request, recorded = unheard()
    recorded += [o for o in before.tick(6) if isinstance(o, OrderEvent)]
    recorded += [o for o in before.fill(request, 4, "999") if isinstance(o, OrderEvent)]
    recorded += [o for o in before.fill(request, 6, "999") if isinstance(o, OrderEvent)]
    rig = restarted(recorded)
    rig.trades = before.trades
    assert events(rig.fill(request, 1, "999")) == [E.EXECUTED]
    assert rig.desk.book.positions.open_quantity("AAA") == 11


def test_of_what_was_made_up_the_last_share_is_kept_until_it_is_told() -> None:
    rig, request, _ = unheard()
    rig.tick(6)
    assert events(rig.fill(request, 9, "1000")) == [E.REVERSED, E.EXECUTED, E.EXECUTED]
    assert rig.desk.book.positions.open_quantity("AAA") == 10
    assert events(rig.fill(request, 1, "1000")) == [E.REVERSED, E.EXECUTED]
    assert rig.desk.book.positions.open_quantity("AAA") == 10


@pytest.mark.parametrize(("quantity", "told"), [("1", [E.REVERSED, E.EXECUTED]), ("0", [E.REVERSED])])
def test_a_trade_that_becomes_a_single_share_is_booked_as_one_and_one_of_nothing_is_gone(
    quantity: str, told: list[OrderEventType]
) -> None:
    rig = DeskRig()
    request = rig.bought()
    (booked,) = rig.desk.book.blotter.booked_fills.values()
    other = msgspec.structs.replace(booked.execution, quantity=D(quantity))
    lists(rig, request, other)
    found = events(lists(rig, request, other))
    assert [event_type for event_type in found if event_type in (E.REVERSED, E.EXECUTED)] == told
    assert rig.desk.book.positions.open_quantity("AAA") == D(quantity)


@pytest.mark.parametrize(
    ("price", "average", "made_up"),
    [("0.80", "0.74", "0.70"), ("10", "4", "4")],
    ids=["less than a rupee", "the average, where it would have cost nothing"],
)
def test_what_is_missing_costs_what_the_average_leaves_for_it(price: str, average: str, made_up: str) -> None:
    rig = DeskRig()
    request = rig.entered(price, quantity=10)
    rig.fill(request, 4, price)
    claimed(rig, request, 10, average)
    rig.tick(5.1)
    prices = {fill.execution.quantity: fill.execution.price for fill in rig.desk.book.blotter.booked_fills.values()}
    assert prices == {4: D(price), 6: D(made_up)}


def test_what_is_not_missing_after_all_is_not_made_up() -> None:
    rig = DeskRig()
    request = rig.entered()
    missing_fills = rig.desk.rules.venue_reports._missing_fills
    missing_fills.missing_since |= {request.order_id: 1, "T99999": 1}
    assert events(rig.tick(6)) == [E.CANCEL_SENT]
    assert missing_fills.missing_since == {}
    assert rig.desk.book.positions.open_quantity("AAA") == 0


@pytest.mark.parametrize(("less", "found"), [(1, []), (0, [E.EXECUTED])])
def test_a_fill_is_believed_when_it_was_missing_for_five_seconds_to_the_nanosecond(
    less: int, found: list[OrderEventType]
) -> None:
    rig, _, _ = unheard()
    rig.mono += INFER_AFTER_NS - less
    assert events(rig.tick(0)) == found
