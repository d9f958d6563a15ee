"""GTT orders in Kite's JSON: the form of a request, and a row of the list.

A request has the fields `type` (single or two-leg), `condition`
`{"exchange":"NSE","tradingsymbol":"INFY","trigger_values":[702.0],"last_price":798.0}` and `orders`
`[{"exchange":"NSE","tradingsymbol":"INFY","transaction_type":"SELL","quantity":1,"order_type":"LIMIT","product":"CNC",
"price":702.5}]`, both as JSON texts; the order of the nth trigger value is the nth.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from tradebot.domain.order import Side
from tradebot.exchange.gtt_order import BookGtt, GttLeg, GttResult, GttTicket
from tradebot.venues.kite.rules import EXCHANGES, PRODUCTS
from tradebot.venues.kite.server.wire import (
    Params,
    input_error,
    json_number,
    parse_choice,
    parse_price,
    parse_quantity,
    parse_word,
    render_stamp,
    required_parameter,
)

TYPES = {"single": 1, "two-leg": 2}  # type of a GTT order -> the number of its triggers and orders
TYPE_OF_LEGS = {count: word for word, count in TYPES.items()}
NO_OTHER_KIND = "LIMIT"  # the one order type of what a GTT order places


def parse_gtt(params: Params) -> GttTicket:
    """Return the requested GTT order. Raises KiteError for a missing or malformed parameter."""
    word = parse_word(params, "type", TYPES)
    condition, orders = _json(params, "condition", dict), _json(params, "orders", list)
    listing = _texts(condition)
    exchange = parse_word(listing, "exchange", EXCHANGES)
    symbol = required_parameter(listing, "tradingsymbol")
    triggers = condition.get("trigger_values")
    if not isinstance(triggers, list) or len(triggers) != TYPES[word]:
        raise input_error(f"Invalid `trigger_values`: a {word} trigger has {TYPES[word]}.")
    if len(orders) != TYPES[word] or not all(isinstance(order, dict) for order in orders):
        raise input_error(f"Invalid `orders`: a {word} trigger has {TYPES[word]}.")
    return GttTicket(
        exchange=exchange,
        symbol=symbol,
        last_price=parse_price(listing, "last_price"),
        legs=tuple(
            _leg(_texts(order), parse_price(_texts({"trigger_values": trigger}), "trigger_values"), listing)
            for order, trigger in zip(orders, triggers, strict=True)
        ),
    )


def gtt_record(gtt: BookGtt, *, account_id: str, token: int) -> dict[str, Any]:
    """Return a GTT order as /gtt/triggers lists it."""
    ticket, result = gtt.ticket, gtt.result
    orders = []
    for index, leg in enumerate(ticket.legs):
        order = {
            "exchange": ticket.exchange,
            "tradingsymbol": ticket.symbol,
            "product": leg.product,
            "order_type": NO_OTHER_KIND,
            "transaction_type": str(leg.side),
            "quantity": int(leg.quantity),
            "price": json_number(leg.price),
        }
        is_placed = result is not None and result.leg == index
        orders.append(order | {"result": _result(gtt, result, order, account_id) if is_placed and result else None})
    return {
        "id": gtt.gtt_id,
        "user_id": account_id,
        "parent_trigger": None,
        "type": TYPE_OF_LEGS[len(ticket.legs)],
        "created_at": render_stamp(gtt.created_at),
        "updated_at": render_stamp(gtt.changed_at),
        "expires_at": render_stamp(gtt.expires_at),
        "status": gtt.status.value,
        "condition": {
            "exchange": ticket.exchange,
            "last_price": json_number(ticket.last_price),
            "tradingsymbol": ticket.symbol,
            "trigger_values": [json_number(leg.trigger) for leg in ticket.legs],
            "instrument_token": token,
        },
        "orders": orders,
        "meta": {"rejection_reason": gtt.reason} if gtt.reason else {},
    }


def _result(gtt: BookGtt, result: GttResult, order: Mapping[str, Any], account_id: str) -> dict[str, Any]:
    return {
        "account_id": account_id,
        **order,
        "validity": "DAY",
        "meta": orjson.dumps({"app_id": 0, "gtt": gtt.gtt_id}).decode(),
        "timestamp": render_stamp(result.placed_at),
        "triggered_at": json_number(result.last_price),
        "order_result": {
            "status": "success" if result.order_id else "failed",
            "order_id": result.order_id,
            "rejection_reason": result.reason,
        },
    }


def _leg(order: Params, trigger: Decimal, listing: Params) -> GttLeg:
    for name in ("exchange", "tradingsymbol"):
        if required_parameter(order, name) != listing[name]:
            raise input_error(f"Invalid `{name}`: the orders of a trigger are in the instrument of its condition.")
    if required_parameter(order, "order_type") != NO_OTHER_KIND:
        raise input_error(f"Invalid `order_type`: a trigger places {NO_OTHER_KIND} orders.")
    product = parse_word(order, "product", PRODUCTS)
    return GttLeg(
        trigger=trigger,
        side=parse_choice(Side, order, "transaction_type"),
        quantity=parse_quantity(order, "quantity", default=None),
        price=parse_price(order, "price"),
        product=product,
    )


def _json(params: Params, name: str, kind: type[Any]) -> Any:
    try:
        value = orjson.loads(required_parameter(params, name))
    except orjson.JSONDecodeError:
        raise input_error(f"Invalid `{name}`: it should be JSON.") from None
    if not isinstance(value, kind):
        raise input_error(f"Invalid `{name}`.")
    return value


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    # A shortest double is the decimal that the client wrote; anything else but a text or a number counts as missing.
    return {
        name: str(value)
        for name, value in row.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
