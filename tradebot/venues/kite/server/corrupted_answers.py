"""Falsifies the data of responses, fault by fault. Pure: the given rows are never changed."""

from __future__ import annotations

from typing import Any

from tradebot.venues.kite.server import corrupted_rows

PRICES = ("price", "trigger_price", "average_price")
ROWS = (
    "foreign-rows",
    "huge-row",
    "repeated-rows",
    "reordered-rows",
    "odd-fields",
    "other-words",
    "rounded-price",
    "broken-row",
)
TRADES = ("empty-trades", "lagging-trades", "duplicate-trades", "changed-trade", "twin-trade")
QUANTITIES = ("quantity", "filled_quantity", "pending_quantity", "cancelled_quantity")


def corrupt_answer(name: str, point: str, data: Any, draw: float) -> Any:
    """Return the false data that replaces `data` under the fault `name`; `draw` in [0, 1) selects a variant."""
    match name:
        case name if name in ROWS:
            return _rows(name, point, data, draw)
        case name if name in TRADES:
            return _trades(name, data)
        case "empty-orders":
            return []
        case "empty-positions":
            return {"net": [], "day": []}
        case "truncated-list":
            return data[: len(data) // 2]
        case "shuffled-list":
            return data[::-1]
        case "text-numbers":
            return [row | {name: str(row[name]) for name in (*PRICES, *QUANTITIES)} for row in data]
        case "rewritten-order":
            return [_rewritten(row) for row in data]
        case "zero-cash":
            return _without_cash(data)
        case "zero-rest-quotes":
            return {key: row | {"last_price": 0} for key, row in data.items()}
        case "missing-quotes":
            return {key: data[key] for key in list(data)[::2]}
        case _:
            return _candles(name, data)


def _rows(name: str, point: str, data: Any, draw: float) -> Any:
    if point != "positions":
        return corrupted_rows.corrupt_rows(name, point, data, draw)
    return {book: corrupted_rows.corrupt_rows(name, point, rows, draw) for book, rows in data.items()}


def _trades(name: str, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    match name:
        case "lagging-trades":
            return data[:-1]
        case "duplicate-trades":
            return [row for row in data for _ in range(2)]
        case "changed-trade":
            return data and [*data[:-1], data[-1] | {"average_price": round(data[-1]["average_price"] * 1.01, 2)}]
        case "twin-trade":
            return data and [*data, data[-1] | {"trade_id": f"9{data[-1]['trade_id']}"}]
    return []


def _rewritten(row: dict[str, Any]) -> dict[str, Any]:
    if row["order_type"] != "MARKET":
        return row
    return row | {"order_type": "LIMIT", "price": row["average_price"] or 1}


def _without_cash(data: dict[str, Any]) -> dict[str, Any]:
    if "net" in data:
        return data | {"net": 0}
    return data | {"equity": data["equity"] | {"net": 0}}


def _candles(name: str, data: dict[str, Any]) -> dict[str, Any]:
    rows = data["candles"]
    match name:
        case "missing-candles":
            return {"candles": [row for i, row in enumerate(rows) if i % 3 != 2]}
        case "duplicate-candles":
            return {"candles": [row for row in rows for _ in range(2)]}
        case "no-candles":
            return {"candles": []}
    raise AssertionError(f"nobody tells {name}")
