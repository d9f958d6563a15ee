"""Rows of Kite's GTT list and requests for GTT orders, for the tests of both directions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side, VenueOrder
from tradebot.domain.order_request import GttTerms
from tradebot.venues.kite.fields import decode_json
from tradebot.venues.kite.gtt import parse_gtt

D = Decimal


def leg(price: float = 1480, *, side: str = "SELL", result: object = None, **fields: Any) -> dict[str, Any]:
    """Return the order of one leg."""
    return {
        "exchange": "NSE", "tradingsymbol": "INFY", "product": "CNC", "order_type": "LIMIT", "transaction_type": side,
        "quantity": 5, "price": price, "result": result,
    } | fields  # fmt: skip


def ended_leg(**order_result: Any) -> dict[str, Any]:
    """Return the result of the leg that was triggered."""
    fields = {"status": "success", "order_id": "", "rejection_reason": ""} | order_result
    return {"account_id": "XX0000", "timestamp": "2026-09-01 10:20:00", "triggered_at": 1490, "order_result": fields}


def row(status: str = "active", *, triggers: tuple[float, ...] = (1490.5,), **fields: Any) -> dict[str, Any]:
    """Return a row of GET /gtt/triggers, single with one trigger and of two legs with two."""
    legs = [leg(1480 + 200 * number) for number in range(len(triggers))]
    return {
        "id": 112127, "user_id": "XX0000", "parent_trigger": None,
        "type": "single" if len(triggers) == 1 else "two-leg",
        "created_at": "2026-09-01 09:30:00", "updated_at": "2026-09-01 10:20:00", "expires_at": "2027-09-01 09:30:00",
        "status": status, "condition": {"exchange": "NSE", "tradingsymbol": "INFY", "last_price": 1550,
        "trigger_values": list(triggers), "instrument_token": 408065}, "orders": legs, "meta": {},
    } | fields  # fmt: skip


def read(value: dict[str, Any]) -> VenueOrder:
    """Return the order that a row becomes, over JSON as it comes from the wire."""
    return parse_gtt(decode_json(json.dumps(value)))


def gtt_request(side: Side = Side.SELL, *, has_target: bool = False, **fields: Any) -> OrderRequest:
    """Return a request for a stop that is kept as a GTT: of a long position, or with BUY of a short one."""
    sign = 1 if side is Side.SELL else -1
    terms = GttTerms(last_price=D("1550.10"))
    if has_target:
        terms = GttTerms(
            last_price=D("1550.10"), target_trigger=D(1550) + sign * 100, target_price=D("1549.90") + sign * 100
        )
    base: dict[str, Any] = {
        "order_id": "tb26abc0007", "symbol": "INFY", "exchange": "NSE", "side": side, "kind": OrderKind.STOP_LIMIT,
        "quantity": D(5), "price": D("1550.40") - sign * 70, "trigger_price": D("1550.50") - sign * 60,
        "product": "CNC", "purpose": OrderPurpose.RESTING_STOP, "gtt": terms,
    }  # fmt: skip
    return OrderRequest(**(base | fields))
