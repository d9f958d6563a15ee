"""The blotter: whose an id at the venue is, what is forgotten, and where the worst case may be another one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.domain.order_events import execution, order_event, request, status
from tradebot.backtest.order_fast_path import accepted_order
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.messages import AccountSnapshot
from tradebot.domain.order import ZERO, Order, OrderEvent, OrderEventType, OrderPurpose
from tradebot.trading.desk.book.blotter import JUST_FILLED_NS, Blotter
from tradebot.trading.desk.rules.missing_fills import MissingFills

D, E = Decimal, OrderEventType


def working(blotter: Blotter, order_id: str = "T1", *events: OrderEventType) -> Order:
    """Begin an order for two pieces of AAA, and let it be accepted as V-T1."""
    order = blotter.begin_order(order_event(order_id, E.INTENT, request=request(order_id)))
    for event_type in (E.SENDING, E.ACCEPTED, *events):
        venue_order_id = "" if event_type is E.SENDING else f"V-{order_id}"
        order = blotter.record_event(order_event(order_id, event_type, venue_order_id=venue_order_id))
    return order


def seen(venue_order_id: str) -> OrderEvent:
    shown = status("T1", E.SEEN_OPEN, filled=0, at=2)
    return order_event("T1", E.SEEN_OPEN, venue_order_id=venue_order_id, venue_order=shown)


def blotter(*, keeps_ended: bool = True) -> Blotter:
    return Blotter(lambda order, fill: ZERO, keeps_ended=keeps_ended)


def test_a_further_id_at_the_venue_leads_to_its_order_too() -> None:
    book = blotter()
    working(book)
    book.record_event(seen("V-T1"))
    assert book.record_event(seen("V9")).other_ids == ("V9",)
    assert book.by_venue_id == {"V-T1": "T1", "V9": "T1"}


def test_an_id_that_an_answer_named_and_no_row_ever_showed_leads_to_no_order() -> None:
    book = blotter()
    working(book)
    order = book.record_event(seen("V9"))
    assert (order.venue_order_id, order.other_ids, book.by_venue_id) == ("V9", (), {"V9": "T1"})
    assert book.record_event(seen("V10")).other_ids == ("V10",)
    assert book.by_venue_id == {"V9": "T1", "V10": "T1"}


def test_an_id_under_which_something_was_filled_stays() -> None:
    book = blotter()
    working(book)
    book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "a")))
    assert book.record_event(seen("V9")).other_ids == ("V9",)


def test_an_order_that_one_fill_makes_whole_is_forgotten_with_all_that_led_to_it_where_none_is_kept() -> None:
    book, fill = blotter(keeps_ended=False), execution("T1", "a", quantity=2)
    working(book)
    book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=fill))
    assert [order.order_id for order in book.forgotten_orders] == ["T1"]
    assert (book.orders, book.by_venue_id, book.booked_fills) == ({}, {}, {})
    assert book.positions.open_quantity("AAA") == 2


def test_what_was_made_up_for_an_order_is_forgotten_with_it() -> None:
    book = blotter()
    missing_fills = MissingFills(book, Universe([Instrument(symbol="AAA", token=256)]), lambda symbol: D(100))
    missing_fills.inferred_fills["T1"] = execution("T1", "i", inferred=True)
    missing_fills.missing_since["T1"] = 1
    missing_fills.forget_order(working(book))
    assert (missing_fills.inferred_fills, missing_fills.missing_since) == ({}, {})


def test_what_a_status_says_was_filled_may_be_in_the_positions_before_its_fill_is_told() -> None:
    book = blotter()
    working(book)
    shown = status("T1", E.SEEN_FILLED, filled=2, at=2)
    book.record_event(order_event("T1", E.SEEN_FILLED, venue_order_id="V-T1", venue_order=shown))
    own = book.own_at_snapshot(AccountSnapshot(asked_at=1, orders=(), fills=(), positions=(), cash=ZERO))
    line = ("NSE", "AAA", "MIS")
    assert (own.held, own.late_ours) == ({}, {line: D(2)})
    assert [own.external_quantity(line, D(net), ZERO) for net in (0, 2, 1)] == [0, 0, 1]


def test_fills_are_counted_and_one_that_is_taken_back_no_more() -> None:
    book = blotter()
    working(book)
    for name in "ab":
        book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", name)))
    assert book.positions.fill_count == 2
    book.record_event(order_event("T1", E.REVERSED, venue_order_id="V-T1", fill=execution("T1", "a")))
    assert book.positions.fill_count == 1
    assert (
        book.fill_order_id(execution("T1", "a").fill_key) == book.fill_order_id(execution("T1", "b").fill_key) == "T1"
    )
    assert book.fill_order_id(("NSE", "unknown")) is None


@pytest.mark.parametrize("way", ["begin", "place"])
def test_an_order_that_may_trade_moves_the_worst_case_of_its_symbol(way: str) -> None:
    book = blotter()
    if way == "begin":
        book.begin_order(order_event("T1", E.INTENT, request=request()))
    else:
        book.add_working_order(accepted_order(request(), at=1, mono=1))
    assert book.dirty_exposure == {"AAA"}
    assert book.exposure.worst_case("AAA") == (2, 0)


def test_one_order_that_is_reserved_keeps_no_other_from_being_forgotten() -> None:
    book = blotter()
    book.expire_reservations(1)
    canceled = working(book, "T1", E.SEEN_CANCELED)
    fill = execution("T2", "a", quantity=2)
    working(book, "T2")
    book.record_event(order_event("T2", E.EXECUTED, venue_order_id="V-T2", fill=fill))
    assert book.exposure.is_reserved(canceled)
    assert not book.exposure.is_reserved(book.orders["T2"])


def test_no_more_symbols_are_exposed_than_the_bound_says() -> None:
    book = blotter()
    book.expire_reservations(1)
    for n, events in enumerate(((E.SEEN_CANCELED,), (E.SEEN_CANCELED,), ()), 1):
        working(book, f"T{n}", *events)
    assert len(book.exposure.exposed_symbols()) <= book.exposure.symbol_count_bound()
    fill = execution("T3", "a", quantity=2)
    book.record_event(order_event("T3", E.EXECUTED, venue_order_id="V-T3", fill=fill))
    assert len(book.exposure.exposed_symbols()) == 1 <= book.exposure.symbol_count_bound()


def test_the_order_that_ended_first_is_forgotten_when_there_are_more_than_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tradebot.trading.desk.book.blotter.MAX_ENDED_ORDERS", 2)
    book = blotter()
    for order_id in ("T1", "T2", "T3", "T4"):
        working(book, order_id, E.SEEN_REJECTED)
    assert list(book.orders) == ["T3", "T4"]
    assert book.by_venue_id == {"V-T3": "T3", "V-T4": "T4"}


@pytest.mark.parametrize(("heard_after", "is_late"), [(-JUST_FILLED_NS - 1, False), (-JUST_FILLED_NS, True), (1, True)])
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_fill_that_books_do_not_list_came_later_than_they_unless_it_was_heard_long_before(
    *, heard_after: int, is_late: bool, is_ours: bool
) -> None:
    book, asked_at = blotter(), 10 * SECOND
    book.expire_reservations(1)
    order = request() if is_ours else replace(request(), purpose=OrderPurpose.EXTERNAL)
    book.record_event(order_event("T1", E.INTENT, request=order))
    book.record_event(order_event("T1", E.SENDING))
    fill = order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "a"))
    book.record_event(replace(fill, mono=asked_at + heard_after))
    own = book.own_at_snapshot(AccountSnapshot(asked_at=asked_at, orders=(), fills=(), positions=(), cash=ZERO))
    line, one = ("NSE", "AAA", "MIS"), D(1)
    assert own.late == ({line: one} if is_late and not is_ours else {})
    assert own.late_ours == ({line: one} if is_late and is_ours else {})
    assert own.held == ({line: one - is_late} if is_ours else {})


def test_a_fill_that_closes_its_order_is_booked_and_leaves_nothing_of_it_behind() -> None:
    book = Blotter(lambda order, fill: D(3))
    order = accepted_order(request(), at=1, mono=1)
    book.add_working_order(order)
    assert (list(book.orders), list(book.by_venue_id), book.exposure.working) == (["T1"], [order.venue_order_id], 1)
    book.dirty_exposure.clear()
    book.close_filled_order(order, execution("T1", "a", quantity=2))
    assert (book.orders, book.by_venue_id, book.exposure.working) == ({}, {}, 0)
    assert (book.positions.open_quantity("AAA"), book.positions.fill_count, book.positions.charges) == (2, 1, 3)
    assert (book.dirty_exposure, book.exposure.has_live_order("AAA")) == ({"AAA"}, False)


@pytest.mark.parametrize(
    ("held", "closable"), [(None, "0"), ("-1", "0"), ("0", "0"), ("0.5", "0.5"), ("1", "1"), ("3", "2")]
)
def test_in_excess_no_more_is_closed_than_the_list_holds_on_the_same_side(held: str | None, closable: str) -> None:
    book = blotter()
    working(book)
    book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "a", quantity=2)))
    assert book.closable_quantity("AAA") == 2
    book.overfilled["AAA"] = 1, None if held is None else D(held)
    assert book.closable_quantity("AAA") == D(closable)
    assert book.closable_quantity("BBB") == 0


def test_a_fill_of_the_journal_tells_no_time_of_this_process() -> None:
    for released, mono in ((0, 0), (1, 7)):
        book = blotter()
        book.expire_reservations(released)
        working(book)
        fill = order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "a"))
        book.record_event(replace(fill, mono=7))
        assert [booked.mono for booked in book.booked_fills.values()] == [mono]


def test_a_fill_of_another_hand_that_is_taken_back_leaves_what_is_held_beyond_ours_as_it_was() -> None:
    book = blotter()
    order = replace(request(), purpose=OrderPurpose.EXTERNAL)
    book.record_event(order_event("T1", E.INTENT, request=order))
    book.record_event(order_event("T1", E.SENDING))
    line = ("NSE", "AAA", "MIS")
    for name in "ab":
        book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", name)))
    assert book.external.quantities == {line: 2}
    book.record_event(order_event("T1", E.REVERSED, venue_order_id="V-T1", fill=execution("T1", "a")))
    assert book.external.quantities == {line: 1}
    assert (book.positions.fill_count, book.positions.by_key) == (0, {})


def test_a_fill_that_was_taken_back_is_forgotten_with_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.book.blotter.MAX_ENDED_ORDERS", 1)
    book = blotter()
    working(book)
    for event_type in (E.EXECUTED, E.REVERSED):
        book.record_event(order_event("T1", event_type, venue_order_id="V-T1", fill=execution("T1", "a")))
    book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "b", quantity=2)))
    assert (set(book.booked_fills), set(book.busted_fills)) == ({("NSE", "T1-b")}, {("NSE", "T1-a")})
    working(book, "T2", E.SEEN_REJECTED)
    assert list(book.orders) == ["T2"]
    assert (book.booked_fills, book.busted_fills, book.by_venue_id) == ({}, {}, {"V-T2": "T2"})


def test_a_fill_that_comes_again_after_it_was_taken_back_is_not_taken_back_any_more() -> None:
    book = Blotter(lambda order, fill: D(3))
    working(book)
    for event_type, booked, busted in ((E.EXECUTED, 1, 0), (E.REVERSED, 0, 1)):
        book.record_event(order_event("T1", event_type, venue_order_id="V-T1", fill=execution("T1", "a")))
        assert (len(book.booked_fills), len(book.busted_fills)) == (booked, busted)
        assert book.positions.charges == 3 * booked
    other = execution("T1", "a", price=101)
    book.record_event(order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=other))
    assert (len(book.booked_fills), len(book.busted_fills), book.positions.charges) == (1, 0, 3)


def test_an_order_that_is_through_is_reserved_no_more_though_its_status_came_before_its_fill() -> None:
    book = blotter()
    book.expire_reservations(1)
    working(book)
    shown = status("T1", E.SEEN_FILLED, filled=2, at=2)
    book.record_event(order_event("T1", E.SEEN_FILLED, venue_order_id="V-T1", venue_order=shown))
    fill = order_event("T1", E.EXECUTED, venue_order_id="V-T1", fill=execution("T1", "a", quantity=2))
    assert not book.exposure.is_reserved(book.record_event(fill))
    assert book.exposure.exposed_symbols() == {"AAA"}
    assert not book.exposure.has_orders("AAA")


def test_a_rest_that_was_cancelled_with_fills_still_to_be_told_is_reserved() -> None:
    book = blotter()
    book.expire_reservations(1)
    working(book)
    shown = status("T1", E.SEEN_CANCELED, filled=1, at=2)
    order = book.record_event(order_event("T1", E.SEEN_CANCELED, venue_order_id="V-T1", venue_order=shown))
    assert book.exposure.is_reserved(order)
    assert book.exposure.worst_case("AAA") == (2, 0)
    book.dirty_exposure.clear()
    book.expire_reservations(3 * SECOND)
    assert book.exposure.worst_case("AAA") == (1, 0), "what the venue named comes still"
    assert book.dirty_exposure == {"AAA"}
