"""Rows that could not be read: their order is in doubt, what they may stand for is never absent, the rest goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_room import Room, submitted
from tradebot.domain.messages import AccountSnapshot, Action, ReconciliationResult
from tradebot.domain.order import OrderEventType, OrderRequest, OrderState, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.gate.venue_controls import BooksKnown

D = Decimal
FOREIGN = UnreadRow(
    book="orders", reason="order_type: null", venue_order_id="X9", exchange="NFO", symbol="NIFTY26DECFUT"
)


def look(room: Room, *unread: UnreadRow, **books: object) -> list[DeskOutput]:
    plain = {"orders": (), "fills": (), "positions": (), "cash": None} | books
    return room.desk.apply_message(AccountSnapshot(asked_at=room.mono, unread=unread, **plain))  # type: ignore[arg-type]


def sent(room: Room, event_type: OrderEventType = OrderEventType.AMBIGUOUS, venue_order_id: str = "") -> OrderRequest:
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    room.outcome(request, OrderEventType.SENDING)
    room.outcome(request, event_type, venue_order_id)
    return request


def state(room: Room, request: OrderRequest) -> OrderState:
    return room.desk.book.blotter.orders[request.order_id].state


def looks_for(room: Room, seconds: int, *unread: UnreadRow, **books: object) -> None:
    for _ in range(seconds // 5):
        room.tick(5)
        look(room, *unread, **books)


def test_an_order_in_doubt_is_absent_after_two_lists_although_a_foreign_row_cannot_be_read() -> None:
    room = Room()
    request = sent(room)
    looks_for(room, 75, FOREIGN)
    assert state(room, request) is OrderState.ABSENT


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
    room = Room()
    request = sent(room)
    looks_for(room, 300, row)
    assert state(room, request) is OrderState.UNKNOWN
    looks_for(room, 75)
    assert state(room, request) is OrderState.ABSENT, "and it is, once the list can be read"


@pytest.mark.parametrize("by", ["tag", "id"])
def test_a_row_of_ours_that_cannot_be_read_puts_its_order_in_doubt_and_a_sound_one_ends_the_doubt(by: str) -> None:
    room = Room()
    request = sent(room, OrderEventType.ACCEPTED, "V1")
    shown = room.venue_order(request, VenueOrderStatus.OPEN)
    look(room, orders=(shown,))
    assert state(room, request) is OrderState.OPEN
    names = {"tag": request.order_id} if by == "tag" else {"venue_order_id": shown.venue_order_id}
    room.tick(5)
    look(room, UnreadRow(book="orders", reason="quantity: null", **names))
    assert state(room, request) is OrderState.UNKNOWN
    looks_for(room, 300, UnreadRow(book="orders", reason="quantity: null", **names))
    assert state(room, request) is OrderState.UNKNOWN, "its row is there: it is not absent"
    room.tick(5)
    look(room, orders=(shown,))
    assert state(room, request) is OrderState.OPEN


def test_a_fill_is_booked_although_the_row_of_its_order_cannot_be_read() -> None:
    room = Room()
    request = sent(room)
    fill = room.execution(request, 10, "1000.5")
    row = UnreadRow(book="orders", reason="odd", tag=request.order_id, venue_order_id=fill.venue_order_id)
    look(room, row, fills=(fill,))
    assert room.desk.book.positions.position_of("AAA").quantity == D(10)


def test_a_position_that_cannot_be_read_closes_its_symbol_alone_until_it_can() -> None:
    room = Room()
    row = UnreadRow(book="positions", reason="quantity: missing", exchange="NSE", symbol="AAA")
    foreign = UnreadRow(book="positions", reason="quantity: missing", exchange="NFO", symbol="NIFTY26DECFUT")
    (found,) = (output for output in look(room, row, foreign) if isinstance(output, ReconciliationResult))
    assert found.differences == ("AAA: the venue's position cannot be read: quantity: missing",)
    room.quote("AAA", "1000")
    room.quote("BBB", "1000")
    assert not submitted(room.signal("AAA", Action.ENTER_LONG))
    assert submitted(room.signal("BBB", Action.ENTER_LONG, n=2))
    room.tick(5)
    look(room, foreign)
    assert submitted(room.signal("AAA", Action.ENTER_LONG, n=3))


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
    room = Room()
    held = VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(5), average_price=D(1000))
    row = UnreadRow(book="trades", reason="average_price: 0", symbol="AAA", venue_order_id="V7")
    room.desk.adopt_snapshot(
        AccountSnapshot(asked_at=room.mono, orders=(), fills=(), positions=(held,), cash=None, unread=(row,))
    )
    assert room.desk.book.positions.position_of("AAA").is_flat


def seeing(room: Room) -> Room:
    """A room whose gate has all the controls, the short way past them included."""
    room.desk.placement._gate = build_gate(Limits(stale_after_s=15.0), kill_reason=lambda: "")
    return room


def test_without_books_for_a_minute_nothing_is_opened_and_the_next_books_end_it() -> None:
    room = seeing(Room())
    look(room)
    room.tick(60)
    room.quote("AAA", "1000")
    room.quote("BBB", "1000")
    assert submitted(room.signal("AAA", Action.ENTER_LONG)), "a minute is not over"
    room.tick(0.05)
    outputs = room.signal("BBB", Action.ENTER_LONG, n=2)
    assert not submitted(outputs)
    (denied,) = outputs
    assert denied.reason.startswith(f"{BooksKnown.name}: the venue's books were not read for 60 s")  # type: ignore[union-attr]
    look(room)
    assert submitted(room.signal("BBB", Action.ENTER_LONG, n=3))


def test_without_books_what_is_open_is_still_closed() -> None:
    room = seeing(Room())
    look(room)
    room.bought()
    room.tick(600)
    room.quote("AAA", "1000")
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    assert exit_.purpose.is_exit
