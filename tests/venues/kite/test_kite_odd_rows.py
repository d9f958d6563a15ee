"""One odd row in a book of Kite's: it is kept for what it may stand for, and every other row is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.venues.kite.wire import decode_json, parse_holdings, parse_orders, parse_positions, parse_trades

ORDER: dict[str, Any] = {
    "order_id": "300", "status": "COMPLETE", "exchange": "NSE", "tradingsymbol": "IOC", "order_type": "LIMIT",
    "transaction_type": "BUY", "product": "CNC", "quantity": 1, "price": 109.4, "filled_quantity": 1, "tag": None,
    "order_timestamp": "2021-05-31 15:20:28",
}  # fmt: skip
TRADE: dict[str, Any] = {
    "trade_id": "10", "order_id": "300", "exchange": "NSE", "tradingsymbol": "IOC", "product": "CNC",
    "average_price": 109.4, "quantity": 1, "transaction_type": "BUY", "fill_timestamp": "2021-05-31 15:20:28",
}  # fmt: skip
POSITION: dict[str, Any] = {
    "tradingsymbol": "IOC", "exchange": "NSE", "product": "CNC", "quantity": 1, "average_price": 109.4,
}  # fmt: skip
GONE = object()
BOOKS: dict[str, tuple[dict[str, Any], Callable[[Any], VenueRows[Any]]]] = {
    "orders": (ORDER, parse_orders),
    "trades": (TRADE, parse_trades),
    "positions": (POSITION, lambda rows: parse_positions({"net": rows, "day": []})),
}
SPOILS: dict[str, list[dict[str, Any]]] = {
    "orders": [
        {"order_type": None}, {"order_id": 300}, {"product": None}, {"product": ""}, {"status": None},
        {"transaction_type": None}, {"quantity": "1"}, {"quantity": None}, {"price": "109.4"}, {"order_type": "ODD"},
        {"order_timestamp": "2021-13-45 99:99:99"}, {"order_timestamp": 1622454628}, {"filled_quantity": GONE},
        {"tradingsymbol": ["IOC"]}, {"exchange": {}}, {"price": 1e300}, {"average_price": True},
    ],
    "trades": [
        {"average_price": 0}, {"quantity": 0}, {"trade_id": 10}, {"order_id": None}, {"transaction_type": ""},
        {"fill_timestamp": "0000-00-00 00:00:00"}, {"quantity": "1"}, {"product": GONE},
    ],
    "positions": [
        {"quantity": GONE}, {"quantity": None}, {"average_price": GONE}, {"average_price": "109.4"}, {"product": None},
        {"exchange": ""}, {"tradingsymbol": None}, {"quantity": "1"},
    ],
}  # fmt: skip


def read(rows: object) -> Any:
    return decode_json(json.dumps(rows))


def spoiled(row: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (row | change).items() if value is not GONE}


@pytest.mark.parametrize(("book", "change"), [(book, change) for book, all_ in SPOILS.items() for change in all_])
def test_an_odd_row_is_kept_by_its_names_and_spoils_no_other(book: str, change: dict[str, Any]) -> None:
    row, parse = BOOKS[book]
    other = row | {"tradingsymbol": "ACME"}
    rows = parse(read([row, spoiled(row, change), other]))
    assert rows == parse(read([row, other]))
    assert len(rows) == 2
    (unread,) = rows.unread
    (key,) = change
    assert (unread.book, key in unread.reason) == (book, True)
    if key != "tradingsymbol":
        assert unread.symbol == "IOC"
    if book != "positions" and key != "order_id":
        assert unread.venue_order_id == "300"


@pytest.mark.parametrize("parse", [parse_positions, parse_holdings])
def test_a_line_that_stands_twice_is_held_once_and_unknown_where_the_two_differ(
    parse: Callable[[Any], VenueRows[Any]],
) -> None:
    row = BOOKS["positions"][0]

    def lines(*rows: object) -> VenueRows[Any]:
        return parse(read({"net": rows} if parse is parse_positions else rows))

    assert (lines(row, row), lines(row, row).unread) == (lines(row), ())
    (unread,) = lines(row, row | {"quantity": 99}).unread
    assert (unread.symbol, unread.reason) == ("IOC", f"{unread.book}: another row of the same holds something else")


@pytest.mark.parametrize("row", [None, 7, "x", [], {}, [[]]])
@pytest.mark.parametrize("book", BOOKS)
def test_a_row_that_is_none_is_kept_without_a_name(book: str, row: object) -> None:
    sound, parse = BOOKS[book]
    rows = parse(read([row, sound]))
    assert len(rows) == 1
    assert [(u.book, u.symbol, u.venue_order_id, u.tag) for u in rows.unread] == [(book, "", "", "")]


def test_fields_that_are_not_known_are_no_reason_to_doubt_a_row() -> None:
    for row, parse in BOOKS.values():
        rows = parse(read([row | {"new": {"deep": [1]}, "meta": None}]))
        assert rows == parse(read([row]))
        assert rows.unread == ()


def test_an_id_that_is_a_number_or_a_megabyte_long_still_names_its_row_in_a_line() -> None:
    (unread,) = parse_orders([ORDER | {"order_id": 300}]).unread
    assert unread.venue_order_id == "300"
    (unread,) = parse_orders([ORDER | {"order_type": None, "order_id": "9\n" * 500_000, "tag": "t" * 500_000}]).unread
    assert max(len(unread.venue_order_id), len(unread.tag)) <= 64
    assert "\n" not in unread.venue_order_id


def test_a_position_that_is_flat_needs_no_average() -> None:
    (flat,) = parse_positions({"net": [POSITION | {"quantity": 0, "average_price": None}]})
    assert (flat.quantity, flat.average_price) == (Decimal(0), Decimal(0))


def test_a_row_of_ours_keeps_its_tag_wherever_it_stands() -> None:
    broken = ORDER | {"order_type": None}
    rows = parse_orders([broken | {"tag": "tb1"}, broken | {"tags": ["tb2"]}, broken | {"tag": 7}])
    assert [row.tag for row in rows.unread] == ["tb1", "tb2", ""]
    assert isinstance(rows.unread[0], UnreadRow)
