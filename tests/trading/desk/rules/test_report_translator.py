"""Reports of orders: which statuses of the venue tell of the terms of an order, and which tell of something else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, events
from tradebot.domain.messages import AccountSnapshot, Cancel, FillReport, OrderReport
from tradebot.domain.order import Fill, OrderEventType, OrderKind, OrderTerms, Side, VenueOrderStatus

D, E = Decimal, OrderEventType


@pytest.mark.parametrize(
    ("status", "quantity", "told"),
    [
        (VenueOrderStatus.OPEN, "7", [E.CHANGED, E.SEEN_OPEN]),
        (VenueOrderStatus.OPEN, "0.5", [E.CHANGED, E.SEEN_OPEN]),
        (VenueOrderStatus.OPEN, "0", [E.SEEN_OPEN]),  # a row without a quantity takes nothing from what we sent
        (VenueOrderStatus.OPEN, "-1", [E.SEEN_OPEN]),
        (VenueOrderStatus.CANCELED, "7", [E.SEEN_CANCELED]),  # what is over has no terms any more
        (VenueOrderStatus.EXPIRED, "7", [E.SEEN_EXPIRED]),
    ],
)
def test_only_a_status_that_works_and_has_a_quantity_tells_of_terms(
    status: VenueOrderStatus, quantity: str, told: list[OrderEventType]
) -> None:
    rig = DeskRig()
    entry = rig.entered()
    changes: dict[str, Any] = {"quantity": D(quantity)}
    shown = msgspec.structs.replace(rig.venue_order(entry, status), **changes)
    found = events(rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono)))
    assert [event_type for event_type in found if event_type in (*told, E.CHANGED)] == told
    assert (rig.desk.book.blotter.orders[entry.order_id].quantity == 10) is (E.CHANGED not in told)


def test_of_fills_without_an_order_the_oldest_go_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.rules.report_translator.MAX_ORPHANS", 2)
    rig = DeskRig()
    for number in range(4):
        fill = Fill(f"F{number}", f"V{number}", "AAA", "NSE", Side.BUY, D(1), D(1000), rig.at, "MIS")
        rig.desk.apply_message(FillReport(fill=fill, mono=rig.mono))
    assert list(rig.desk.rules.venue_reports._translator.orphan_fills) == ["V2", "V3"]


def test_an_order_whose_answer_named_another_one_is_cancelled_under_the_id_that_the_venue_shows() -> None:
    rig = DeskRig()
    entry = rig.entered(venue_id="990101000000001")
    rig.desk.apply_message(OrderReport(order=rig.venue_order(entry, VenueOrderStatus.OPEN), mono=rig.mono))
    cancels = [o for _ in range(5) for o in rig.tick(1) if isinstance(o, Cancel)]
    assert [cancel.venue_order_id for cancel in cancels] == ["V1"]


@pytest.mark.parametrize("quantity", ["1", "0.5"])
def test_an_order_may_be_left_with_a_single_share_or_less(quantity: str) -> None:
    rig = DeskRig()
    entry = rig.entered()
    shown = msgspec.structs.replace(rig.venue_order(entry, VenueOrderStatus.OPEN), quantity=D(quantity))
    rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    assert rig.desk.book.blotter.orders[entry.order_id].quantity == D(quantity)


@pytest.mark.parametrize(
    ("ordered", "shown", "price", "is_changed"),
    [
        (OrderKind.LIMIT, OrderKind.LIMIT, "1005.00", False),
        (OrderKind.LIMIT, OrderKind.LIMIT, "1004.00", True),
        (OrderKind.LIMIT, OrderKind.LIMIT, None, False),
        (OrderKind.LIMIT, OrderKind.MARKET, "1004.00", False),
        (OrderKind.MARKET, OrderKind.MARKET, "1004.00", False),
        (OrderKind.MARKET, OrderKind.LIMIT, "1004.00", False),  # its protection, as the venue shows it
    ],
)
def test_only_another_price_of_an_order_that_has_one_is_another_price(
    ordered: OrderKind, shown: OrderKind, price: str | None, *, is_changed: bool
) -> None:
    rig = DeskRig(order_kind=ordered)
    entry = rig.entered()
    told = None if price is None else D(price)
    row = msgspec.structs.replace(rig.venue_order(entry, VenueOrderStatus.OPEN), kind=shown, price=told)
    outputs = rig.desk.apply_message(OrderReport(order=row, mono=rig.mono))
    assert (E.CHANGED in events(outputs)) is is_changed


def test_a_doubt_before_the_first_look_wants_one_at_once() -> None:
    rig = DeskRig()
    request = rig.bought()
    assert rig.desk.account.next_poll_at() is None
    rig.fill(request, 1, "1000")
    assert rig.desk.account.next_poll_at() == 0, "one share more than was ordered"


@pytest.mark.parametrize(("after", "is_settled"), [(0, False), (1, True)])
def test_any_list_that_was_asked_for_after_a_refused_change_says_which_terms_stand(
    *, after: int, is_settled: bool
) -> None:
    terms = OrderTerms(quantity=D(10), price=D(990))
    rig = DeskRig(order_kind=OrderKind.LIMIT)
    entry = rig.entered()
    book = rig.desk.book
    shown = msgspec.structs.replace(rig.venue_order(entry, VenueOrderStatus.OPEN), price=entry.price)
    rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    for event_type in (E.REPLACE_SENT, E.REPLACE_REFUSED):
        event = book.make_event(book.blotter.orders[entry.order_id], event_type, "test")
        book.record_event(msgspec.structs.replace(event, terms=terms if event_type is E.REPLACE_SENT else None))
    snapshot = AccountSnapshot(asked_at=rig.mono + after, orders=(shown,), fills=(), positions=(), cash=D(0))
    assert (E.CHANGED in events(rig.desk.apply_message(snapshot))) is is_settled
    assert (book.blotter.orders[entry.order_id].replace.terms is None) is is_settled


@pytest.mark.parametrize(("after", "is_changed"), [(0, False), (1, True)])
def test_of_two_rows_of_one_second_the_list_that_was_asked_for_after_the_change_is_the_newer(
    *, after: int, is_changed: bool
) -> None:
    rig = DeskRig()
    entry = rig.entered()
    row = msgspec.structs.replace(rig.venue_order(entry, VenueOrderStatus.OPEN), changed_at=rig.at)
    rig.desk.apply_message(OrderReport(order=row, mono=rig.mono))
    rig.desk.apply_message(OrderReport(order=msgspec.structs.replace(row, quantity=D(9)), mono=rig.mono))
    order = rig.desk.book.blotter.orders[entry.order_id]
    replaced = msgspec.structs.replace(order.replace, mono=rig.mono)
    rig.desk.book.blotter.orders[entry.order_id] = msgspec.structs.replace(order, replace=replaced)
    shown = msgspec.structs.replace(row, quantity=D(8))
    snapshot = AccountSnapshot(asked_at=rig.mono + after, orders=(shown,), fills=(), positions=(), cash=D(0))
    assert (E.CHANGED in events(rig.desk.apply_message(snapshot))) is is_changed


@pytest.mark.parametrize(("quantity", "is_settled"), [(11, True), (10, True), (9, False)])
def test_new_terms_shown_in_the_second_of_the_old_ones_are_believed_unless_they_leave_less_exposed(
    *, quantity: int, is_settled: bool
) -> None:
    rig = DeskRig(order_kind=OrderKind.LIMIT)
    entry = rig.entered()
    row = msgspec.structs.replace(rig.venue_order(entry, VenueOrderStatus.OPEN), price=entry.price, changed_at=rig.at)
    rig.desk.apply_message(OrderReport(order=row, mono=rig.mono))
    book = rig.desk.book
    event = book.make_event(book.blotter.orders[entry.order_id], E.REPLACE_SENT, "test")
    book.record_event(msgspec.structs.replace(event, terms=OrderTerms(quantity=D(quantity), price=D(990))))
    shown = msgspec.structs.replace(row, quantity=D(quantity), price=D(990))
    found = events(rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono)))
    assert found == ([E.REPLACED] if is_settled else [])
