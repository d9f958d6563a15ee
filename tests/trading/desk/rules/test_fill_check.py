"""The look at a fill after it was booked: what does not fit its order halts the symbol, and is booked all the same."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.desk.desk_rig import DeskRig, submitted
from tests.trading.desk.recorded_day import SETTINGS, Day
from tradebot.domain.messages import Action, Command, FillReport, Incident, OrderReport
from tradebot.domain.order import (
    Fill,
    Order,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    Side,
    VenueOrderStatus,
)
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.rules.fill_check import fill_violations

D = Decimal
COLLAR = {"fill_collar_pct": D(1)}


def order(purpose: OrderPurpose = OrderPurpose.ENTRY, side: Side = Side.BUY, reference: str | None = "1000") -> Order:
    request = OrderRequest(
        order_id="T1", symbol="AAA", exchange="NSE", side=side, kind=OrderKind.MARKET, quantity=D(10), purpose=purpose
    )
    return Order(request, OrderState.OPEN, D(10), reference=None if reference is None else D(reference))


def fill(price: str, side: Side = Side.BUY, execution_id: str = "1") -> Fill:
    return Fill(execution_id, "V1", "AAA", "NSE", side, D(10), D(price), 0)


def sent(rig: DeskRig, outputs: list[DeskOutput]) -> OrderRequest:
    (request,) = submitted(outputs)
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.ACCEPTED, f"V{request.order_id}")
    return request


def entered(rig: DeskRig) -> OrderRequest:
    rig.quote("AAA", "1000")
    return sent(rig, rig.signal("AAA", Action.ENTER_LONG))


def told(outputs: list[DeskOutput]) -> tuple[list[str], list[str]]:
    """The texts of the incidents and the scopes of the halts."""
    return [o.text for o in outputs if isinstance(o, Incident)], [
        str(o.scope) for o in outputs if isinstance(o, Command)
    ]


@pytest.mark.parametrize("purpose", [OrderPurpose.ENTRY, OrderPurpose.STOP])
@pytest.mark.parametrize("side", list(Side))
def test_the_distance_counts_on_both_sides_and_twice_the_collar_is_allowed(purpose: OrderPurpose, side: Side) -> None:
    far = 40 if purpose.is_exit else 20
    for away in (far, -far):
        assert fill_violations(order(purpose, side), fill(str(1000 + away), side), D(1)) == []
        beyond = D(1000 + away) + (D("0.05") if away > 0 else D("-0.05"))
        (finding,) = fill_violations(order(purpose, side), fill(str(beyond), side), D(1))
        assert str(finding.scope) == "symbol:AAA"


@given(st.decimals(1, 10**6, places=2), st.decimals(1, 10**6, places=2), st.sampled_from([D("0.1"), D(1), D("2.5")]))
def test_a_fill_is_told_of_exactly_when_it_is_further_away_than_twice_the_collar(
    price: Decimal, reference: Decimal, collar: Decimal
) -> None:
    is_far = not reference * (1 - collar / 50) <= price <= reference * (1 + collar / 50)
    assert bool(fill_violations(order(reference=str(reference)), fill(str(price)), collar)) is is_far


def test_without_a_reference_and_without_a_price_of_its_own_nothing_is_said() -> None:
    assert fill_violations(order(reference=None), fill("1"), D(1)) == []
    assert fill_violations(order(), msgspec.structs.replace(fill("1"), is_inferred=True), D(1)) == []
    assert fill_violations(order(OrderPurpose.EXTERNAL), fill("1", Side.SELL), D(1)) == []


def test_a_price_that_is_no_number_is_not_near() -> None:
    assert len(fill_violations(order(), fill("NaN"), D(1))) == 1


@pytest.mark.parametrize("parts", [(10,), (4, 6)])
def test_a_far_fill_is_booked_told_once_and_halts_the_symbol(parts: tuple[int, ...]) -> None:
    rig = DeskRig(**COLLAR)
    request = entered(rig)
    texts, scopes = told([o for n in parts for o in rig.fill(request, n, "1030", "VT00001")])
    assert scopes == ["symbol:AAA"]
    assert texts == [
        f"T00001: a BUY of {parts[0]} was filled at 1030, 3.00% from the 1000.00 that it was decided at; within 2% was"
        " expected"
    ]
    assert rig.desk.book.positions.open_quantity("AAA") == 10
    assert len(submitted(rig.signal("AAA", Action.EXIT_LONG))) == 1
    rig.quote("BBB", "1000")
    assert len(submitted(rig.signal("BBB", Action.ENTER_LONG))) == 1


def test_a_near_fill_says_nothing_and_without_a_collar_no_fill_is_far() -> None:
    for settings, price in ((COLLAR, "1004.95"), ({}, "2000")):
        rig = DeskRig(**settings)
        assert told(rig.fill(entered(rig), 10, price, "VT00001")) == ([], [])


@pytest.mark.parametrize("quantity", [10, 4])
def test_a_fill_of_the_wrong_side_is_booked_as_it_is_and_halts_the_symbol(quantity: int) -> None:
    rig = DeskRig(**COLLAR)
    request = entered(rig)
    wrong = msgspec.structs.replace(rig.execution(request, quantity, "1000", "VT00001"), side=Side.SELL)
    texts, scopes = told(rig.desk.apply_message(FillReport(fill=wrong, mono=rig.mono)))
    assert (texts, scopes) == (["T00001 is a BUY, fill 1 of it is a SELL"], ["symbol:AAA"])
    assert rig.desk.book.positions.open_quantity("AAA") == -quantity


@pytest.mark.parametrize("quantity", [10, 4])
def test_a_fill_of_another_symbol_is_booked_there_and_halts_both(quantity: int) -> None:
    rig = DeskRig(**COLLAR)
    request = entered(rig)
    wrong = msgspec.structs.replace(rig.execution(request, quantity, "1000", "VT00001"), symbol="BBB")
    texts, scopes = told(rig.desk.apply_message(FillReport(fill=wrong, mono=rig.mono)))
    assert scopes == ["symbol:AAA", "symbol:BBB"]
    assert texts == ["T00001 is an order of AAA, fill 1 of it is of BBB", "BBB was traded by T00001, of AAA"]
    assert rig.desk.book.positions.open_quantity("BBB") == quantity


def test_a_fill_at_an_exchange_without_rates_is_booked_free_of_charge_and_halts_the_symbol() -> None:
    day = Day()
    book = Book(day.universe, msgspec.structs.replace(SETTINGS, fill_collar_pct=D(1)), charges_by_market(day.universe))
    request = OrderRequest(
        order_id="T1", symbol="A", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=D(10)
    )
    desk = build_desk(book, gate=Gate([]), id_prefix="T", absent_after_s=60.0)
    begun = [
        OrderEvent("T1", OrderEventType.INTENT, 1, 1, request=request),
        OrderEvent("T1", OrderEventType.SENDING, 1, 1),
    ]
    begun.append(OrderEvent("T1", OrderEventType.ACCEPTED, 1, 1, venue_order_id="VT1"))
    desk.recover_state(begun, adopted=(), halted="", opens_at=1)
    wrong = msgspec.structs.replace(day.execution(request, D(10)), exchange="MARS")
    texts, scopes = told(desk.apply_message(FillReport(fill=wrong, mono=2)))
    assert (texts, scopes) == (["T1 is an order at NSE, fill 1 of it is at MARS"], ["symbol:A"])
    assert (book.positions.open_quantity("A"), book.positions.charges) == (10, 0)


def test_an_exit_whose_price_was_moved_is_held_against_the_price_it_was_moved_at() -> None:
    rig = DeskRig(chase="modify", **COLLAR)
    rig.fill(entered(rig), 10, "1000", "VT00001")
    request = sent(rig, rig.signal("AAA", Action.EXIT_LONG))
    works = msgspec.structs.replace(rig.venue_order(request, VenueOrderStatus.OPEN), venue_order_id="VT00002")
    rig.desk.apply_message(OrderReport(order=works, mono=rig.mono))
    rig.quote("AAA", "900")
    rig.tick(4)
    assert rig.desk.book.blotter.orders[request.order_id].reference == 900
    assert told(rig.fill(request, 10, "899", f"V{request.order_id}")) == ([], [])


@pytest.mark.parametrize("reference", [None, "0", "-1"])
def test_an_order_without_a_price_that_it_was_decided_at_has_no_distance(reference: str | None) -> None:
    assert fill_violations(order(reference=reference), fill("1"), D(1)) == []
