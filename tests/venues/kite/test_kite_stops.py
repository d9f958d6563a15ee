"""Stops in Kite's order records: what shows that one has triggered, and what only shows that a change is on its way."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import OrderKind, VenueOrder, VenueOrderStatus
from tradebot.venues.kite.rules import EXCHANGES, KITE_RULES
from tradebot.venues.kite.wire import decode_json, parse_order

PENDING, OPEN = VenueOrderStatus.PENDING_TRIGGER, VenueOrderStatus.OPEN
STOP: dict[str, Any] = {
    "order_id": "260803000000001", "exchange_order_id": "1100000000000001", "parent_order_id": None,
    "status": "TRIGGER PENDING", "status_message": None, "status_message_raw": None,
    "order_timestamp": "2026-08-03 10:15:00", "exchange_update_timestamp": "2026-08-03 10:15:00",
    "exchange_timestamp": "2026-08-03 10:15:00", "variety": "regular", "modified": False, "exchange": "NSE",
    "tradingsymbol": "INFY", "instrument_token": 408065, "order_type": "SL-M", "transaction_type": "SELL",
    "validity": "DAY", "validity_ttl": 0, "product": "MIS", "quantity": 10, "disclosed_quantity": 0, "price": 0,
    "trigger_price": 1490.5, "average_price": 0, "filled_quantity": 0, "pending_quantity": 10,
    "cancelled_quantity": 0, "market_protection": 1, "meta": {}, "tag": "tb26abc0001", "guid": "01X",
}  # fmt: skip
BETWEEN = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "CANCEL PENDING")


def order(**changes: Any) -> VenueOrder:
    return parse_order(decode_json(json.dumps(STOP | changes)))


@pytest.mark.parametrize("kind", ["SL", "SL-M"])
@pytest.mark.parametrize("status", BETWEEN)
def test_a_change_on_its_way_does_not_show_a_stop_as_triggered(kind: str, status: str) -> None:
    assert order(order_type=kind, status=status).status is PENDING
    assert order(order_type=kind, status=status, filled_quantity=4, average_price=1490).status is OPEN
    assert order(order_type="LIMIT", status=status).status is OPEN


@pytest.mark.parametrize("kind", ["SL", "SL-M"])
@pytest.mark.parametrize(
    ("status", "filled", "read"),
    [
        ("PUT ORDER REQ RECEIVED", 0, VenueOrderStatus.ACKED),
        ("VALIDATION PENDING", 0, VenueOrderStatus.ACKED),
        ("OPEN PENDING", 0, VenueOrderStatus.ACKED),
        ("UPDATE", 0, VenueOrderStatus.ACKED),
        ("TRIGGER PENDING", 0, PENDING),
        ("OPEN", 0, OPEN),
        ("OPEN", 4, OPEN),
        ("COMPLETE", 10, VenueOrderStatus.FILLED),
        ("CANCELLED", 0, VenueOrderStatus.CANCELED),
        ("REJECTED", 0, VenueOrderStatus.REJECTED),
        ("WAITING FOR GODOT", 0, VenueOrderStatus.ACKED),
    ],
)
def test_open_and_complete_alone_mean_that_a_stop_has_triggered(
    kind: str, status: str, filled: int, read: VenueOrderStatus
) -> None:
    assert order(order_type=kind, status=status, filled_quantity=filled).status is read


def test_a_resting_stop_shows_its_trigger_and_no_limit_where_it_has_none() -> None:
    market, limit = order(), order(order_type="SL", price=1485)
    assert (market.kind, market.trigger_price, market.price) == (OrderKind.STOP_MARKET, Decimal("1490.5"), None)
    assert (limit.kind, limit.trigger_price, limit.price) == (
        OrderKind.STOP_LIMIT,
        Decimal("1490.5"),
        Decimal(1485),
    )


# With market protection a triggered SL-M becomes a limit order, whose rest stays open. It is not documented which type
# and trigger its record then has.
@pytest.mark.parametrize("kind", ["SL-M", "SL", "LIMIT", "MARKET"])
@pytest.mark.parametrize("trigger", [1490.5, 0])
def test_a_triggered_stop_with_protection_is_open_in_whichever_type_it_is_shown(kind: str, trigger: float) -> None:
    found = order(order_type=kind, status="OPEN", price=1475.55, trigger_price=trigger)
    assert (found.status, found.price, found.tag) == (OPEN, Decimal("1475.55"), "tb26abc0001")
    assert found.trigger_price == (Decimal("1490.5") if trigger else None)


def test_the_recorded_orders_as_stops_tell_a_trigger_by_their_fills_alone(conformance: Path) -> None:
    path = conformance / "kiteconnect-mocks" / "orders.json"
    if not path.is_file():
        pytest.skip("orders.json is not among the official fixtures here")
    for row in decode_json(path.read_bytes())["data"]:
        resting = order(**json.loads(json.dumps(row, default=float)) | {"order_type": "SL", "status": "MODIFIED"})
        assert resting.status is (OPEN if row["filled_quantity"] else PENDING)
        assert parse_order(row).kind in (OrderKind.LIMIT, OrderKind.MARKET)
        assert parse_order(row | {"status": "MODIFIED"}).status is OPEN


def test_a_market_stop_is_taken_for_shares_at_the_nse_and_for_futures_but_at_no_bse_and_for_no_option() -> None:
    kinds = {kind for _, kind in KITE_RULES.stop_market}
    assert kinds == {InstrumentKind.EQUITY.value, InstrumentKind.FUTURE.value}
    assert {exchange for exchange, _ in KITE_RULES.stop_market} <= set(EXCHANGES)
    taken = KITE_RULES.stop_market
    assert ("NSE", "equity") in taken
    assert ("NFO", "future") in taken
    assert not any(exchange in ("BSE", "BFO", "BCD") for exchange, _ in taken)


def test_a_gtt_needs_a_quarter_of_a_percent_and_250_may_be_active() -> None:
    assert (KITE_RULES.max_gtt, KITE_RULES.gtt_min_distance_pct) == (250, Decimal("0.25"))
