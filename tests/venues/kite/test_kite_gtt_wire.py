"""Kite's GTT orders: official rows parse to their values, each status has its meaning, requests render exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.kite.gtt_rows import ended_leg, gtt_request, leg, read, row
from tradebot.clock import parse_iso
from tradebot.domain.order import OrderKind, Refusal, Side, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.domain.venue_reports import GttReport
from tradebot.venues.kite.fields import WireError, decode_json
from tradebot.venues.kite.gtt import (
    NO_RESULT_REASON,
    gtt_id_of,
    gtt_number,
    parse_gtt,
    parse_gtts,
    render_gtt,
    written_gtt_id,
)

D = Decimal
S = VenueOrderStatus


def mock(folder: Path, name: str) -> Any:
    path = folder / "kiteconnect-mocks" / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the official fixtures here")
    return decode_json(path.read_bytes())["data"]


def test_the_official_list_parses_to_a_resting_stop_and_a_pair_whose_order_was_refused(conformance: Path) -> None:
    rows = parse_gtts(mock(conformance, "gtt_get_orders.json"))
    resting, refused = rows
    assert rows.unread == ()
    assert (resting.venue_order_id, resting.tag, resting.kind) == ("gtt112127", "", OrderKind.STOP_LIMIT)
    assert (resting.status, resting.side, resting.quantity) == (S.PENDING_TRIGGER, Side.BUY, 1)
    assert (resting.trigger_price, resting.price, resting.filled) == (D(702), D("702.5"), 0)
    assert (resting.exchange, resting.symbol, resting.product) == ("NSE", "INFY", "CNC")
    assert resting.gtt == GttReport(created_at=parse_iso("2019-09-12T13:25:16+05:30"))
    assert (refused.venue_order_id, refused.status, refused.refusal) == ("gtt105099", S.REJECTED, Refusal.ORDER)
    assert refused.reason.startswith("Your order price is lower than the current lower circuit limit of 70.65.")
    assert (refused.side, refused.trigger_price, refused.price) == (Side.SELL, D("102.0"), D(1))
    assert refused.changed_at == parse_iso("2019-09-09T15:15:08+05:30")
    assert refused.gtt is not None
    assert (refused.gtt.target_trigger, refused.gtt.target_price) == (D("103.7"), D(1))
    assert (refused.gtt.placed_order_id, refused.gtt.created_at) == ("", parse_iso("2019-09-09T15:13:22+05:30"))


@pytest.mark.parametrize("name", ["gtt_place_order.json", "gtt_modify_order.json", "gtt_delete_order.json"])
def test_the_official_answer_to_each_write_names_the_gtt(conformance: Path, name: str) -> None:
    assert written_gtt_id(mock(conformance, name)) == "gtt123"


@pytest.mark.parametrize(
    ("data", "id_"),
    [
        ({"trigger_id": 7}, "gtt7"), ({"trigger_id": "7"}, "gtt7"), ({"trigger_id": 0}, None),
        ({"trigger_id": True}, None), ({"trigger_id": 1.5}, None), ({"trigger_id": "7/../8"}, None), ({}, None),
        ({"order_id": "7"}, None), (None, None), ([7], None), ({"trigger_id": "1" * 30}, None),
    ],
)  # fmt: skip
def test_an_answer_without_a_number_names_no_gtt(data: object, id_: str | None) -> None:
    assert written_gtt_id(data) == id_


@given(st.integers(min_value=1, max_value=10**18 - 1))
def test_an_id_gives_back_the_number_that_it_was_made_of(number: int) -> None:
    id_ = gtt_id_of(number)
    assert id_ is not None
    assert gtt_number(id_) == str(number)
    assert gtt_number(str(number)) is None


@pytest.mark.parametrize("id_", ["", "gtt", "gtt0", "gtt1/2", "gttgtt1", "GTT1", "151220000000000", "tb26abc0001"])
def test_an_id_that_is_none_of_a_gtt_has_no_number(id_: str) -> None:
    assert gtt_number(id_) is None


@pytest.mark.parametrize(
    ("status", "read_as", "reason"),
    [
        ("active", S.PENDING_TRIGGER, ""),
        ("disabled", S.EXPIRED, "the GTT is disabled"),
        ("expired", S.EXPIRED, "the GTT is expired"),
        ("cancelled", S.CANCELED, "the GTT is cancelled"),
        ("deleted", S.CANCELED, "the GTT is deleted"),
        ("rejected", S.REJECTED, ""),
        ("triggered", S.PENDING_TRIGGER, NO_RESULT_REASON),
        ("dormant", S.ACKED, "GTT status 'dormant' is not known"),
    ],
)
def test_every_state_has_its_meaning(status: str, read_as: VenueOrderStatus, reason: str) -> None:
    found = read(row(status))
    assert (found.status, found.reason) == (read_as, reason)
    assert found.gtt is not None
    assert found.gtt.placed_order_id == ""


def test_a_reason_that_kite_gives_is_told_wherever_it_stands() -> None:
    meta = {"rejection_reason": "Corporate action:\nsplit"}
    assert read(row("disabled", meta=meta)).reason == "the GTT is disabled: Corporate action: split"
    rejected = read(row("rejected", meta={"rejection_reason": "Insufficient funds. Required margin is 9."}))
    assert (rejected.reason, rejected.refusal) == ("Insufficient funds. Required margin is 9.", Refusal.FUNDS)
    assert read(row("rejected", meta="no object")).refusal is Refusal.ORDER
    assert read(row("active", meta=meta)).reason == ""


@pytest.mark.parametrize("fired", [0, 1])
def test_a_gtt_that_triggered_names_the_order_that_the_leg_which_fired_placed(fired: int) -> None:
    legs = [leg(1480), leg(1680)]
    legs[fired]["result"] = ended_leg(order_id="260901000000042")
    found = read(row("triggered", triggers=(1490.5, 1690.5), orders=legs))
    assert (found.status, found.trigger_price, found.price) == (S.OPEN, D("1490.5"), D(1480))
    assert found.gtt is not None
    assert (found.gtt.placed_order_id, found.gtt.target_trigger) == ("260901000000042", D("1690.5"))


def test_an_order_that_was_placed_counts_as_placed_whatever_became_of_it() -> None:
    result = ended_leg(status="failed", order_id="9", rejection_reason="RMS: blocked")
    found = read(row("triggered", orders=[leg(result=result)]))
    assert (found.status, found.reason) == (S.OPEN, "RMS: blocked")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (ended_leg(status="failed"), "its order was refused without a reason"),
        (ended_leg(status="failed", rejection_reason="5 quantity needs authorisation at depository."), "5 quantity"),
        (ended_leg(status="", rejection_reason="Markets are closed"), "Markets are closed"),
    ],
)
def test_a_gtt_whose_order_was_refused_is_rejected_with_the_reason(result: dict[str, Any], reason: str) -> None:
    found = read(row("triggered", orders=[leg(result=result)]))
    assert found.status is S.REJECTED
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("result", [{}, {"order_result": None}, {"order_result": {}}, ended_leg(), [], "odd"])
def test_a_gtt_triggered_a_moment_ago_waits_until_kite_names_its_order(result: object) -> None:
    found = read(row("triggered", orders=[leg(result=result)]))
    assert (found.status, found.reason) == (S.PENDING_TRIGGER, NO_RESULT_REASON)


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize(("side", "stop", "target"), [("SELL", 1490.5, 1690.5), ("BUY", 1690.5, 1490.5)])
def test_the_stop_of_a_pair_is_the_leg_that_a_loss_triggers(
    side: str, stop: float, target: float, is_turned: bool
) -> None:
    legs = [(1490.5, leg(1480, side=side)), (1690.5, leg(1680, side=side))]
    legs = legs[::-1] if is_turned else legs
    found = read(row(triggers=tuple(t for t, _ in legs), orders=[order for _, order in legs]))
    prices = {1490.5: D(1480), 1690.5: D(1680)}
    assert (found.trigger_price, found.price) == (D(str(stop)), prices[stop])
    assert found.gtt is not None
    assert (found.gtt.target_trigger, found.gtt.target_price) == (D(str(target)), prices[target])


SPOILS: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "id"), ({"id": "x"}, "id"), ({"id": True}, "id"), ({"type": "three-leg"}, "type"),
    ({"type": None}, "type"), ({"type": "two-leg"}, "orders"), ({"status": None}, "status"),
    ({"condition": None}, "condition"), ({"orders": None}, "orders"), ({"orders": []}, "orders"),
    ({"orders": [leg(), leg()]}, "orders"), ({"orders": [7]}, "orders"), ({"orders": [leg(quantity=0)]}, "quantity"),
    ({"orders": [leg(side="HOLD")]}, "transaction_type"), ({"orders": [leg(product=None)]}, "product"),
    ({"created_at": "yesterday"}, "created_at"), ({"updated_at": 7}, "updated_at"),
    ({"condition": {"exchange": "NSE", "tradingsymbol": "INFY", "trigger_values": ["702"]}}, "trigger_values"),
    ({"condition": {"exchange": "NSE", "tradingsymbol": "", "trigger_values": [702]}}, "tradingsymbol"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field"), SPOILS)
def test_an_odd_row_is_kept_by_its_names_and_spoils_no_other(change: dict[str, Any], field: str) -> None:
    other = row(id=8)
    rows = parse_gtts(decode_json(json.dumps([row() | change, other])))
    assert [order.venue_order_id for order in rows] == ["gtt8"]
    (unread,) = rows.unread
    assert (unread.book, unread.reason.startswith(field)) == ("gtt", True)
    if "id" not in change:
        assert unread.venue_order_id == "gtt112127"
    if "condition" not in change:
        assert (unread.exchange, unread.symbol) == ("NSE", "INFY")
    if "orders" not in change:
        assert unread.product == "CNC"


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [[]], {"condition": 7, "orders": 7}])
def test_a_row_that_is_none_is_kept_without_a_name(value: object) -> None:
    rows = parse_gtts([value, decode_json(json.dumps(row()))])
    assert len(rows) == 1
    assert [(u.book, u.symbol, u.venue_order_id) for u in rows.unread] == [("gtt", "", "")]


def test_legs_of_two_sides_are_no_pair() -> None:
    with pytest.raises(WireError, match="buys"):
        read(row(triggers=(1490.5, 1690.5), orders=[leg(), leg(side="BUY")]))


@pytest.mark.parametrize("data", [None, {}, "", 0])
def test_an_empty_answer_is_not_an_empty_list(data: object) -> None:
    with pytest.raises(WireError):
        parse_gtts(data)


def test_a_single_stop_renders_to_the_documented_form() -> None:
    form = render_gtt(gtt_request())
    assert form == {
        "type": "single",
        "condition": '{"exchange":"NSE","tradingsymbol":"INFY","trigger_values":[1490.50],"last_price":1550.10}',
        "orders": '[{"exchange":"NSE","tradingsymbol":"INFY","transaction_type":"SELL","quantity":5,'
        '"order_type":"LIMIT","product":"CNC","price":1480.40}]',
    }


@pytest.mark.parametrize(
    ("side", "triggers", "prices"),
    [
        (Side.SELL, ["1490.50", "1650"], ["1480.40", "1649.90"]),
        (Side.BUY, ["1450", "1610.50"], ["1449.90", "1620.40"]),
    ],
)
def test_a_pair_renders_with_ascending_triggers_and_each_order_at_its_own(
    side: Side, triggers: list[str], prices: list[str]
) -> None:
    form = render_gtt(gtt_request(side, has_target=True))
    condition, orders = json.loads(form["condition"], parse_float=str, parse_int=str), form["orders"]
    assert (form["type"], condition["trigger_values"]) == ("two-leg", triggers)
    assert [order["price"] for order in json.loads(orders, parse_float=str, parse_int=str)] == prices
    assert {order["transaction_type"] for order in json.loads(orders)} == {side.value}


def test_no_digit_of_a_price_is_lost_and_none_is_written_with_an_exponent() -> None:
    form = render_gtt(gtt_request(trigger_price=D("1.58E+3"), price=D("1579.0000000000000000001"), symbol='M&M"x'))
    assert '"trigger_values":[1580]' in form["condition"]
    assert '"price":1579.0000000000000000001' in form["orders"]
    assert json.loads(form["condition"])["tradingsymbol"] == 'M&M"x'


prices = st.decimals(min_value=D("0.05"), max_value=D(99_999), places=2)


@given(
    st.sampled_from(Side), st.integers(1, 10**6), st.lists(prices, min_size=2, max_size=2, unique=True), prices, prices,
    st.booleans(),
)  # fmt: skip
def test_what_was_rendered_is_read_back(
    side: Side, quantity: int, triggers: list[Decimal], price: Decimal, target_price: Decimal, has_target: bool
) -> None:
    lower, upper = sorted(triggers)
    stop, target = (lower, upper) if side is Side.SELL else (upper, lower)
    terms = GttTerms(
        last_price=(lower + upper) / 2,
        target_trigger=target if has_target else None,
        target_price=target_price if has_target else None,
    )
    sent = gtt_request(side, quantity=D(quantity), trigger_price=stop, price=price, gtt=terms)
    form = render_gtt(sent)
    listed = row(type=form["type"]) | {
        "condition": decode_json(form["condition"]),
        "orders": decode_json(form["orders"]),
    }
    found = parse_gtt(listed)
    assert (found.side, found.quantity, found.trigger_price, found.price) == (side, quantity, stop, price)
    assert (found.symbol, found.exchange, found.product) == (sent.symbol, sent.exchange, sent.product)
    assert found.gtt is not None
    assert (found.gtt.target_trigger, found.gtt.target_price) == (terms.target_trigger, terms.target_price)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gtt": None}, "gtt"), ({"trigger_price": None}, "trigger_price"), ({"price": None}, "price"),
        ({"price": D("NaN")}, "price"), ({"quantity": D("0.5")}, "quantity"), ({"quantity": D(0)}, "quantity"),
        ({"gtt": GttTerms(last_price=D(0))}, "last_price"),
        ({"gtt": GttTerms(last_price=D(9), target_trigger=D(9))}, "target_price"),
        ({"gtt": GttTerms(last_price=D(9), target_price=D(9))}, "target_trigger"),
        ({"gtt": GttTerms(last_price=D(9), target_trigger=D("1490.5"), target_price=D(9))}, "target_trigger"),
        ({"gtt": GttTerms(last_price=D(9), target_trigger=D(1400), target_price=D(9))}, "target_trigger"),
    ],
)  # fmt: skip
def test_a_request_that_kite_could_not_read_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(WireError, match=f"^{field}"):
        render_gtt(msgspec.structs.replace(gtt_request(), **changes))
