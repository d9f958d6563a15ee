"""Kite's GTT orders (good till triggered): a row of their list becomes an order, a request becomes form fields. Pure.

A GTT is a condition with one or two triggers, and for each trigger the limit order that Kite places when it is reached.
Its id is a number of its own, which could be taken for the id of an order: on our side it has a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tradebot.domain.order import OrderKind, OrderRequest, Side, VenueOrder, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.domain.venue_reports import GttReport
from tradebot.domain.venue_rows import VenueRows
from tradebot.venues.kite.fields import (
    WireError,
    choice_of,
    clean_text,
    exact_decimal,
    field_of,
    number_of,
    own_fields,
    read_rows,
    record_of,
    rows_of,
    text_of,
    time_of,
)
from tradebot.venues.kite.wire import refusal_of, render_price, render_quantity

GTT_PATH = "/gtt/triggers"
GTT_PREFIX = "gtt"
NUMBER_PATTERN = re.compile(r"[1-9][0-9]{0,17}")
LEGS_OF_TYPE = {"single": 1, "two-leg": 2}
TYPE_OF_LEGS = {legs: name for name, legs in LEGS_OF_TYPE.items()}
# `triggered` is no status of its own: what became of the order that was placed decides, see `_triggered`.
GTT_STATUSES = {
    "active": VenueOrderStatus.PENDING_TRIGGER,
    "disabled": VenueOrderStatus.EXPIRED,  # by Kite, such as for a split or a bonus
    "expired": VenueOrderStatus.EXPIRED,  # after a year, or with its contract
    "cancelled": VenueOrderStatus.CANCELED,
    "deleted": VenueOrderStatus.CANCELED,
    "rejected": VenueOrderStatus.REJECTED,
}
NO_RESULT_REASON = "it has triggered, and Kite does not say yet which order it placed"


class _Leg(NamedTuple):
    # A trigger, and the order that Kite places when it is reached. `result` is empty until then.
    trigger: Decimal
    side: Side
    quantity: Decimal
    price: Decimal | None
    product: str
    result: Mapping[str, Any]


class _Outcome(NamedTuple):
    # What became of a GTT: our status, the order that it placed, and why.
    status: VenueOrderStatus
    placed_order_id: str = ""
    reason: str = ""


def gtt_id_of(value: object) -> str | None:
    """Return our id of the GTT with Kite's number `value`, such as gtt123 for 123; None if it is not such a number."""
    is_number = isinstance(value, int | str) and not isinstance(value, bool)
    text = str(value) if is_number else ""
    return GTT_PREFIX + text if NUMBER_PATTERN.fullmatch(text) else None


def gtt_number(venue_order_id: str) -> str | None:
    """Return Kite's number of a GTT from our id of it, None if the id is not that of a GTT."""
    number = venue_order_id.removeprefix(GTT_PREFIX)
    return number if number != venue_order_id and NUMBER_PATTERN.fullmatch(number) else None


def written_gtt_id(data: object) -> str | None:
    """Return our id of the GTT in the reply to a write, None if it has none. `{"trigger_id":123}`"""
    return gtt_id_of(data.get("trigger_id")) if isinstance(data, dict) else None


def parse_gtts(data: object) -> VenueRows[VenueOrder]:
    """Return the orders of GET /gtt/triggers; a malformed row is `unread`. Raises WireError unless `data` is a list."""
    return read_rows(data, "gtt", parse_gtt, names_of=_names_of)


def parse_gtt(value: object) -> VenueOrder:
    """Return one GTT as an order of kind STOP_LIMIT: its stop leg, with the target leg in `gtt`. Raises WireError.

    The stop leg of a pair is the one that is triggered by a loss: the lower trigger of a sale, the higher one of a
    purchase. A GTT that has triggered is OPEN with the id of the order that it placed, or REJECTED where that order was
    refused. Until Kite says which, it is PENDING_TRIGGER.

    `{"id":105099,"type":"two-leg","created_at":"2019-09-09 15:13:22","updated_at":"2019-09-09 15:15:08",
    "status":"triggered","condition":{"exchange":"NSE","last_price":102.6,"tradingsymbol":"RAIN",
    "trigger_values":[102.0,103.7], ...},"orders":[{"exchange":"NSE","tradingsymbol":"RAIN","product":"CNC",
    "order_type":"LIMIT","transaction_type":"SELL","quantity":1,"price":1,"result":null},{..., "result":{
    "triggered_at":103.7,"order_result":{"status":"failed","order_id":"","rejection_reason":"Your order price is lower
    than the current lower circuit limit of 70.65. ..."}, ...}}],"meta":null, ...}`
    """
    row = record_of(value, "gtt")
    id_ = gtt_id_of(row.get("id"))
    if id_ is None:
        raise WireError(f"id: {clean_text(row.get('id'))[:80]!r} is not the number of a GTT")
    condition = record_of(field_of(row, "condition"), "condition")
    legs = _legs(row, condition)
    is_sale = legs[0].side is Side.SELL
    stop = (min if is_sale else max)(legs, key=lambda leg: leg.trigger)
    target = next((leg for leg in legs if leg is not stop), None)
    outcome = _outcome(row, legs)
    return VenueOrder(
        venue_order_id=id_,
        tag="",
        symbol=text_of(condition, "tradingsymbol"),
        exchange=text_of(condition, "exchange"),
        side=stop.side,
        kind=OrderKind.STOP_LIMIT,
        status=outcome.status,
        quantity=stop.quantity,
        filled=Decimal(0),
        price=stop.price,
        trigger_price=stop.trigger,
        product=stop.product,
        reason=outcome.reason,
        changed_at=time_of(row, "updated_at"),
        refusal=refusal_of(outcome.reason) if outcome.status is VenueOrderStatus.REJECTED else None,
        gtt=GttReport(
            created_at=time_of(row, "created_at"),
            placed_order_id=outcome.placed_order_id,
            target_trigger=None if target is None else target.trigger,
            target_price=None if target is None else target.price,
        ),
    )


def _legs(row: Mapping[str, Any], condition: Mapping[str, Any]) -> list[_Leg]:
    name = text_of(row, "type")
    if name not in LEGS_OF_TYPE:
        raise WireError(f"type: {clean_text(name)[:80]!r} is none of {', '.join(LEGS_OF_TYPE)}")
    triggers = rows_of(field_of(condition, "trigger_values"), "trigger_values")
    orders = [record_of(order, "orders") for order in rows_of(field_of(row, "orders"), "orders")]
    if not len(triggers) == len(orders) == LEGS_OF_TYPE[name]:
        raise WireError(f"orders: {len(triggers)} triggers and {len(orders)} orders of a GTT of type {name}")
    legs = [_leg(trigger, order) for trigger, order in zip(triggers, orders, strict=True)]
    if len({leg.side for leg in legs}) > 1:
        raise WireError("orders: one of them buys and the other sells")
    return legs


def _leg(trigger: object, order: Mapping[str, Any]) -> _Leg:
    quantity = number_of(order, "quantity")
    if quantity <= 0:
        raise WireError(f"quantity: {quantity} is not positive")
    return _Leg(
        trigger=exact_decimal(trigger, "trigger_values"),
        side=choice_of(order, "transaction_type", Side),
        quantity=quantity,
        price=number_of(order, "price", optional=True) or None,
        product=text_of(order, "product"),
        result=own_fields(order.get("result")),
    )


def _outcome(row: Mapping[str, Any], legs: list[_Leg]) -> _Outcome:
    name = text_of(row, "status")
    if name == "triggered":
        return _triggered(row, legs)
    status = GTT_STATUSES.get(name)
    if status is None:
        return _Outcome(VenueOrderStatus.ACKED, reason=f"GTT status {clean_text(name)!r} is not known")
    told = "" if status is VenueOrderStatus.PENDING_TRIGGER else _told_reason(row, legs)
    if status in (VenueOrderStatus.EXPIRED, VenueOrderStatus.CANCELED):
        told = f"the GTT is {name}" + (f": {told}" if told else "")
    return _Outcome(status, reason=told)


def _triggered(row: Mapping[str, Any], legs: list[_Leg]) -> _Outcome:
    for result in _order_results(legs):
        placed, failed = result.get("order_id"), result.get("status") == "failed"
        if isinstance(placed, str) and placed:
            return _Outcome(VenueOrderStatus.OPEN, placed_order_id=placed, reason=_text(result.get("rejection_reason")))
        if failed or _text(result.get("rejection_reason")):
            reason = _told_reason(row, legs) or "its order was refused without a reason"
            return _Outcome(VenueOrderStatus.REJECTED, reason=reason)
    return _Outcome(VenueOrderStatus.PENDING_TRIGGER, reason=NO_RESULT_REASON)


def _order_results(legs: list[_Leg]) -> list[Mapping[str, Any]]:
    return [own_fields(leg.result.get("order_result")) for leg in legs]


def _told_reason(row: Mapping[str, Any], legs: list[_Leg]) -> str:
    # Kite puts the reason into the order's result, or into `meta`, which may also be null.
    told = [result.get("rejection_reason") for result in _order_results(legs)]
    told.append(own_fields(row.get("meta")).get("rejection_reason"))
    return next((text for text in map(_text, told) if text), "")


def _text(value: object) -> str:
    return clean_text(value) if isinstance(value, str) else ""


def _names_of(value: object) -> Mapping[str, Any]:
    # The names of a row that cannot be read, by the keys of an order's row.
    row = own_fields(value)
    condition, orders = own_fields(row.get("condition")), row.get("orders")
    first = orders[0] if isinstance(orders, list) and orders else None
    return {
        "order_id": gtt_id_of(row.get("id")),
        "exchange": condition.get("exchange"),
        "tradingsymbol": condition.get("tradingsymbol"),
        "product": own_fields(first).get("product"),
    }


def render_gtt(request: OrderRequest) -> dict[str, str]:
    """Return the form fields of POST /gtt/triggers and of PUT /gtt/triggers/{id}. Raises WireError.

    Each leg places a limit order. The triggers ascend, and the orders stand in the order of their triggers.

    `type=single`,
    `condition={"exchange":"NSE","tradingsymbol":"INFY","trigger_values":[702.0],"last_price":798.0}`,
    `orders=[{"exchange":"NSE","tradingsymbol":"INFY","transaction_type":"BUY","quantity":1,"order_type":"LIMIT",
    "product":"CNC","price":702.5}]`
    """
    if request.gtt is None:
        raise WireError("gtt: the request is not one for a GTT order")
    legs = _rendered_legs(request, request.gtt)
    quantity = int(render_quantity(request.quantity))
    place = {"exchange": request.exchange, "tradingsymbol": request.symbol}
    last_price = _price(request.gtt.last_price, "last_price")
    order = place | {
        "transaction_type": request.side.value,
        "quantity": quantity,
        "order_type": OrderKind.LIMIT.value,
        "product": request.product,
    }
    return {
        "type": TYPE_OF_LEGS[len(legs)],
        "condition": _json(place | {"trigger_values": [trigger for trigger, _ in legs], "last_price": last_price}),
        "orders": _json([order | {"price": price} for _, price in legs]),
    }


def _rendered_legs(request: OrderRequest, terms: GttTerms) -> list[tuple[Decimal, Decimal]]:
    # (trigger, limit price) of each leg, by ascending trigger.
    stop = _price(request.trigger_price, "trigger_price"), _price(request.price, "price")
    if terms.target_trigger is None and terms.target_price is None:
        return [stop]
    target = _price(terms.target_trigger, "target_trigger"), _price(terms.target_price, "target_price")
    lower, upper = (stop, target) if request.side is Side.SELL else (target, stop)
    if not lower[0] < upper[0]:
        raise WireError(f"target_trigger: {target[0]} is no target of a {request.side} with its stop at {stop[0]}")
    return [lower, upper]


def _price(price: Decimal | None, name: str) -> Decimal:
    return Decimal(render_price(price, name))


def _json(value: object) -> str:
    return _ENCODER.encode(value).decode()


_ENCODER = msgspec.json.Encoder(decimal_format="number")  # every digit of a price, and no text in its place
