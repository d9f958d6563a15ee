"""Corrupts the rows of Kite's lists as a gateway might: foreign rows, malformed fields, other spellings. Pure.

The given rows are never changed. No corrupted row makes a false statement about our orders that a careful client would
have to believe.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

TIME = "2026-11-23 09:30:00"
FOREIGN_INSTRUMENT: Row = {"exchange": "NSE", "tradingsymbol": "IDEA", "instrument_token": 3677697, "product": "CNC"}
FOREIGN_ROWS: dict[str, Row] = {  # a complete row of another order, trade and position of the same account
    "orders.list": FOREIGN_INSTRUMENT
    | {
        "order_id": "269999999999991",
        "exchange_order_id": "1399999999999991",
        "placed_by": "ABC123",
        "tag": None,
        "status": "COMPLETE",
        "status_message": None,
        "order_timestamp": TIME,
        "exchange_timestamp": TIME,
        "exchange_update_timestamp": TIME,
        "variety": "regular",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "validity": "DAY",
        "quantity": 10,
        "disclosed_quantity": 0,
        "price": 12.5,
        "trigger_price": 0,
        "average_price": 12.5,
        "filled_quantity": 10,
        "pending_quantity": 0,
        "cancelled_quantity": 0,
        "market_protection": 0,
        "meta": {},
        "guid": "x",
    },
    "trades": FOREIGN_INSTRUMENT
    | {
        "trade_id": "99999991",
        "order_id": "269999999999991",
        "exchange_order_id": "1399999999999991",
        "average_price": 12.5,
        "quantity": 10,
        "transaction_type": "BUY",
        "fill_timestamp": TIME,
        "order_timestamp": "09:30:00",
        "exchange_timestamp": TIME,
    },
    "positions": FOREIGN_INSTRUMENT
    | {
        "quantity": 10,
        "overnight_quantity": 0,
        "multiplier": 1,
        "average_price": 12.5,
        "close_price": 0,
        "last_price": 12.6,
        "value": -125,
        "pnl": 1,
        "m2m": 1,
        "unrealised": 1,
        "realised": 0,
        "buy_quantity": 10,
        "buy_price": 12.5,
        "buy_value": 125,
        "sell_quantity": 0,
        "sell_price": 0,
        "sell_value": 0,
    },
}
ODD_FIELDS: dict[str, tuple[Row, ...]] = {  # the malformed values that such a row may have
    "orders.list": (
        {"order_type": None},
        {"order_id": 269999999999991},
        {"product": None},
        {"product": ""},
        {"status": None},
        {"status": "AMO REQ RECEIVED"},
        {"transaction_type": "LEND"},
        {"quantity": None},
        {"filled_quantity": "ten"},
        {"price": "12.5"},
        {"average_price": None},
        {"order_timestamp": "0000-00-00 00:00:00"},
        {"exchange": None},
    ),
    "trades": (
        {"average_price": 0},
        {"quantity": None},
        {"trade_id": 99999991},
        {"fill_timestamp": ""},
        {"product": None},
    ),
    "positions": ({"quantity": None}, {"average_price": None}, {"product": ""}, {"quantity": "10"}, {"exchange": None}),
}
HUGE_LENGTH = 1 << 20
CONTROL_TEXT = "\x00\x1b[2J\x07\u202e"
# Fields that no client needs.
UNUSED_FIELDS = ("guid", "meta", "account_id", "placed_by", "validity_ttl", "modified", "disclosed_quantity")


def corrupt_rows(name: str, point: str, rows: list[Row], draw: float) -> list[Row]:
    """Return the rows of one list as the fault `name` corrupts them; `draw` in [0, 1) selects the variant."""
    match name:
        case "foreign-rows":
            odd = ODD_FIELDS[point]
            return [*rows, FOREIGN_ROWS[point] | odd[int(draw * len(odd))]]
        case "huge-row":
            size = HUGE_LENGTH // 2 + int(draw * HUGE_LENGTH)
            key = "trade_id" if point == "trades" else "tradingsymbol" if point == "positions" else "order_id"
            return [FOREIGN_ROWS[point] | {key: CONTROL_TEXT + "9" * size}, *rows]
        case "repeated-rows":
            return [row for row in rows for _ in range(2)]
        case "reordered-rows":
            return rows[::-1]
        case "odd-fields":
            return [_dressed(row, draw) for row in rows]
        case "other-words":
            return [row | {"status": _spelled(row["status"], draw)} for row in rows]
        case "rounded-price":
            return [row | {"price": round(row["price"], 1 if draw < 0.5 else 0)} for row in rows]
        case "broken-row":
            broken = ("status", "quantity", "transaction_type", "filled_quantity")[int(draw * 4)]
            return rows and [*rows[:-1], rows[-1] | {broken: None}]
    raise AssertionError(f"nobody tells {name}")


def _dressed(row: Row, draw: float) -> Row:
    kept = {key: value for key, value in row.items() if draw < 0.5 or key not in UNUSED_FIELDS}
    return (
        kept | {"new_in_this_release": {"nested": [1, None]}} | dict.fromkeys(UNUSED_FIELDS if draw < 0.5 else (), None)
    )


def _spelled(status: str, draw: float) -> str:
    return (f"{status} ", f" {status}", status.lower(), f" {status.title()} ")[int(draw * 4)]
