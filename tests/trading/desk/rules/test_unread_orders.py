"""Rows that could not be read: their order is in doubt, what they may stand for is never absent, the rest goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, enter_and_send, order_state, poll_account, submitted, with_all_controls
from tradebot.domain.messages import AccountSnapshot, Action, ReconciliationResult
from tradebot.domain.order import OrderEventType, OrderState, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.gate.venue_controls import BooksKnown

D = Decimal
FOREIGN = UnreadRow(
    book="orders", reason="order_type: null", venue_order_id="X9", exchange="NFO", symbol="NIFTY26DECFUT"
)


def poll_account_for(rig: DeskRig, seconds: int, *unread: UnreadRow, **books: object) -> None:
    for _ in range(seconds // 5):
        rig.tick(5)
        poll_account(rig, *unread, **books)


def test_an_order_in_doubt_is_absent_after_two_lists_although_a_foreign_row_cannot_be_read() -> None:
    rig = DeskRig()
    request = enter_and_send(rig)
    poll_account_for(rig, 75, FOREIGN)
    assert order_state(rig, request) is OrderState.ABSENT


@pytest.mark.parametrize(
    "row",
    [
        UnreadRow(book="orders", reason="null is not an object"),
        UnreadRow(book="orders", reason="odd", venue_order_id="X9", symbol="AAA"),
        UnreadRow(book="orders", reason="odd", symbol="AAA"),
        UnreadRow(book="orders", reason="odd", venue_order_id="X9"),
    ],
)
def test_an_order_in_doubt_that_a_row_without_a_name_may_be_is_never_taken_for_absent(row: UnreadRow) -> None:
    rig = DeskRig()
    request = enter_and_send(rig)
    poll_account_for(rig, 300, row)
    assert order_state(rig, request) is OrderState.UNKNOWN
    poll_account_for(rig, 75)
    assert order_state(rig, request) is OrderState.ABSENT, "and it is, once the list can be read"


@pytest.mark.parametrize("by", ["tag", "id"])
def test_a_row_of_ours_that_cannot_be_read_puts_its_order_in_doubt_and_a_sound_one_ends_the_doubt(by: str) -> None:
    rig = DeskRig()
    request = enter_and_send(rig, OrderEventType.ACCEPTED, "V1")
    shown = rig.venue_order(request, VenueOrderStatus.OPEN)
    poll_account(rig, orders=(shown,))
    assert order_state(rig, request) is OrderState.OPEN
    names = {"tag": request.order_id} if by == "tag" else {"venue_order_id": shown.venue_order_id}
    rig.tick(5)
    poll_account(rig, UnreadRow(book="orders", reason="quantity: null", **names))
    assert order_state(rig, request) is OrderState.UNKNOWN
    poll_account_for(rig, 300, UnreadRow(book="orders", reason="quantity: null", **names))
    assert order_state(rig, request) is OrderState.UNKNOWN, "its row is there: it is not absent"
    rig.tick(5)
    poll_account(rig, orders=(shown,))
    assert order_state(rig, request) is OrderState.OPEN


def test_a_fill_is_booked_although_the_row_of_its_order_cannot_be_read() -> None:
    rig = DeskRig()
    request = enter_and_send(rig)
    fill = rig.execution(request, 10, "1000.5")
    row = UnreadRow(book="orders", reason="odd", tag=request.order_id, venue_order_id=fill.venue_order_id)
    poll_account(rig, row, fills=(fill,))
    assert rig.desk.book.positions.position_of("AAA").quantity == D(10)


def test_a_position_that_cannot_be_read_closes_its_symbol_alone_until_it_can() -> None:
    rig = DeskRig()
    row = UnreadRow(book="positions", reason="quantity: missing", exchange="NSE", symbol="AAA")
    foreign = UnreadRow(book="positions", reason="quantity: missing", exchange="NFO", symbol="NIFTY26DECFUT")
    (found,) = (output for output in poll_account(rig, row, foreign) if isinstance(output, ReconciliationResult))
    assert found.differences == ("AAA: the venue's position cannot be read: quantity: missing",)
    rig.quote("AAA", "1000")
    rig.quote("BBB", "1000")
    assert not submitted(rig.signal("AAA", Action.ENTER_LONG))
    assert submitted(rig.signal("BBB", Action.ENTER_LONG, n=2))
    rig.tick(5)
    poll_account(rig, foreign)
    assert submitted(rig.signal("AAA", Action.ENTER_LONG, n=3))


def test_an_unread_position_is_neither_zero_nor_known() -> None:
    one = VenuePosition(symbol="BBB", exchange="NSE", product="MIS", quantity=D(1), average_price=D(1))
    snapshot = AccountSnapshot(asked_at=1, orders=(), fills=(), positions=(one,), cash=None)
    assert snapshot.unknown_position_reason("BBB") == ""
    named = AccountSnapshot(
        asked_at=1, orders=(), fills=(), positions=(one,), cash=None,
        unread=(
            UnreadRow(book="positions", reason="odd", symbol="AAA"), UnreadRow(book="orders", reason="x", symbol="BBB"),
        ),
    )  # fmt: skip
    assert (named.unknown_position_reason("AAA"), named.unknown_position_reason("BBB")) == ("odd", "")
    nameless = AccountSnapshot(
        asked_at=1, orders=(), fills=(), positions=(one,), cash=None,
        unread=(UnreadRow(book="positions", reason="no object"),),
    )  # fmt: skip
    assert nameless.unknown_position_reason("AAA") == nameless.unknown_position_reason("BBB") == "no object"


def test_nothing_is_taken_over_at_the_start_for_a_symbol_whose_trades_cannot_be_read() -> None:
    rig = DeskRig()
    held = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(5), average_price=D(1000))
    row = UnreadRow(book="trades", reason="average_price: 0", symbol="AAA", venue_order_id="V7")
    rig.desk.adopt_snapshot(
        AccountSnapshot(asked_at=rig.mono, orders=(), fills=(), positions=(held,), cash=None, unread=(row,))
    )
    assert rig.desk.book.positions.position_of("AAA").is_flat


def test_without_books_for_a_minute_nothing_is_opened_and_the_next_books_end_it() -> None:
    rig = with_all_controls(DeskRig())
    poll_account(rig)
    rig.tick(60)
    rig.quote("AAA", "1000")
    rig.quote("BBB", "1000")
    assert submitted(rig.signal("AAA", Action.ENTER_LONG)), "a minute is not over"
    rig.tick(0.05)
    outputs = rig.signal("BBB", Action.ENTER_LONG, n=2)
    assert not submitted(outputs)
    (denied,) = outputs
    assert denied.reason.startswith(f"{BooksKnown.name}: the venue's books were not read for 60 s")  # type: ignore[union-attr]
    poll_account(rig)
    assert submitted(rig.signal("BBB", Action.ENTER_LONG, n=3))


def test_without_books_what_is_open_is_still_closed() -> None:
    rig = with_all_controls(DeskRig())
    poll_account(rig)
    rig.bought()
    rig.tick(600)
    rig.quote("AAA", "1000")
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    assert exit_.purpose.is_exit
