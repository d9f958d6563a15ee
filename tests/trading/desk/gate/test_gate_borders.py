"""Orders at the borders of the controls: what passes to the piece, what is denied, and in which words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.desk.gate.gate_contexts import CONTEXT, context_with, passes, request
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.trading.desk.gate.exposure_controls import MaxPosition, ReduceOnly, SufficientFunds
from tradebot.trading.desk.gate.level_controls import ValidLevels
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.gate.order_controls import MaxOrderSize, OrderSanity, PermittedProduct, PriceCollar
from tradebot.trading.desk.gate.venue_controls import BooksKnown, DiskSpaceLeft, LoginValid, PositionAccounted

D = Decimal
LIMIT, MARKET, STOP_LIMIT, STOP_MARKET = (
    OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET
)  # fmt: skip
MUCH = D(10**9)


def exiting(quantity: int, side: Side = Side.SELL) -> OrderRequest:
    return request(side=side, quantity=D(quantity), purpose=OrderPurpose.EXIT)


@pytest.mark.parametrize(
    ("held", "closable", "closing", "words"),
    [
        (10, 10, 4, "an exit of 7 exceeds the open 6 that nothing closes yet"),
        (2, 2, 4, "an exit of 7 exceeds the open 0 that nothing closes yet"),
        (-9, -9, 0, "an exit of 7 exceeds the open 0 that nothing closes yet"),
        (0, 0, 0, "an exit of 7 exceeds the open 0 that nothing closes yet"),
        (10, 6, 1, "an exit of 7 exceeds the 5 that is left: we hold 10, of which the venue holds 6 that no other order"
                   " closes"),
    ],
)  # fmt: skip
def test_an_exit_of_too_much_is_told_what_is_left_of_what(held: int, closable: int, closing: int, words: str) -> None:
    context = context_with(quantity=D(held), closable_quantity=D(closable), closing_quantity=D(closing))
    assert ReduceOnly().check(exiting(7), context) == words
    assert ReduceOnly().check(request(), context) is None


@pytest.mark.parametrize(("lacks", "passed"), [("", True), ("5.00 is missing", False)])
def test_an_entry_needs_the_money_that_is_said_to_be_there_and_an_exit_none(lacks: str, passed: bool) -> None:
    asked = list[Decimal]()
    control = SufficientFunds(lambda order, price: asked.append(price) or lacks)  # type: ignore[func-returns-value]
    assert control.check(request(), CONTEXT) == (lacks or None)
    assert asked == [CONTEXT.reference]
    assert passes(control, exiting(7))
    assert control.check(exiting(7), CONTEXT) is None
    assert control.check(request(), context_with(reference=None)) is None, "without a price others deny"
    assert len(asked) == 1


@pytest.mark.parametrize("reference", ["0", "-1", "NaN"])
@pytest.mark.parametrize("side", list(Side))
def test_levels_are_judged_at_a_price_above_nothing(side: Side, reference: str) -> None:
    asked = request(side=side, stop_loss=D(101))
    assert ValidLevels(max_stop_pct=D(50)).check(asked, context_with(reference=D(reference))) == (
        "there is no reference price to judge its stop and target at"
    )


def test_levels_of_a_share_below_a_rupee_are_judged_too() -> None:
    asked = request(stop_loss=D("0.45"))
    assert passes(ValidLevels(max_stop_pct=D(50)), asked, reference=D("0.50"))


@pytest.mark.parametrize(
    ("kind", "price", "trigger", "words"),
    [
        (LIMIT, "100", None, None), (LIMIT, None, None, "a LIMIT order needs a price"),
        (LIMIT, "100", "99", "a LIMIT order takes no trigger price"), (MARKET, None, None, None),
        (MARKET, "100", None, "a MARKET order takes no price"), (STOP_LIMIT, "100", "99", None),
        (MARKET, None, "99", "a MARKET order takes no trigger price"), (STOP_MARKET, None, "99", None),
        (STOP_LIMIT, "100", None, "a SL order needs a trigger price"),
        (STOP_MARKET, "1", "1", "a SL-M order takes no price"),
        (STOP_LIMIT, None, "99", "a SL order needs a price"),
        (STOP_MARKET, None, None, "a SL-M order needs a trigger price"),
        (LIMIT, "100.02", None, "price 100.02 is not a positive multiple of tick 0.05"),
        (STOP_MARKET, None, "0", "trigger price 0 is not a positive multiple of tick 0.05"),
    ],
)  # fmt: skip
def test_an_order_has_the_prices_of_its_kind_and_no_others(
    kind: OrderKind, price: str | None, trigger: str | None, words: str | None
) -> None:
    asked = request(kind=kind, price=price and D(price), trigger_price=trigger and D(trigger))
    assert OrderSanity().check(asked, CONTEXT) == words


@pytest.mark.parametrize(
    ("control", "view", "entry", "exit_"),
    [
        (LoginValid(), {"session_lost": "dead"}, "dead", None),
        (LoginValid(), {"session_lost": "dead", "orders_refused": True}, "dead", "dead"),
        (LoginValid(), {"orders_refused": True}, None, None),
        (BooksKnown(), {"blind_reason": "unread"}, "unread", None),
        (BooksKnown(), {}, None, None), (PositionAccounted(), {"unaccounted": "odd"}, "odd", None),
        (PositionAccounted(), {"external_quantity": D(-3)},
         "-3 is held there that is not ours, and a BUY would close it", None),
        (PositionAccounted(), {"external_quantity": D(3)}, None, None), (PositionAccounted(), {}, None, None),
        (DiskSpaceLeft(), {"disk_short": "full"}, "full", None), (DiskSpaceLeft(), {"disk_full": "full"}, None, "full"),
        (DiskSpaceLeft(), {}, None, None),
    ],
)  # fmt: skip
def test_what_is_not_known_of_the_venue_keeps_entries_out_and_exits_seldom(
    control: Any, view: dict[str, Any], entry: str | None, exit_: str | None
) -> None:
    assert control.check(request(), context_with(**view)) == entry
    assert control.check(exiting(7), context_with(**view)) == exit_


def test_the_limits_that_nobody_sets_are_those_of_a_small_account() -> None:
    limits = Limits()
    assert (limits.max_order_quantity, limits.max_order_notional, limits.max_position_notional) == (500, 20_000, 25_000)
    assert (limits.max_gross_notional, limits.max_daily_loss, limits.max_open_orders) == (100_000, 2_500, 20)
    assert (limits.orders_per_second, limits.orders_per_minute, limits.orders_per_day) == (8, 200, 2_000)
    assert (limits.price_collar_pct, limits.max_stop_pct, limits.stale_after_s) == (1, 50, 5.0)
    assert (limits.duplicate_window_s, limits.pace, limits.allow_short) == (5.0, 1.0, False)


@pytest.mark.parametrize(
    ("side", "longest", "shortest", "passed"),
    [
        (Side.BUY, 90, -500, True), (Side.BUY, 91, 0, False), (Side.SELL, 500, -90, True), (Side.SELL, 0, -91, False),
        (Side.SELL, 500, 50, True),
    ],
)  # fmt: skip
def test_a_position_counts_at_the_worst_of_its_own_side(side: Side, longest: int, shortest: int, passed: bool) -> None:
    control = MaxPosition(per_symbol=D(10_000), gross=MUCH)
    assert passes(control, request(side=side), longest=D(longest), shortest=D(shortest)) is passed


def test_an_entry_is_of_a_listed_product_and_an_exit_of_any() -> None:
    control = PermittedProduct(products=("MIS",), allow_short=True)
    assert control.check(request(product="CNC"), CONTEXT) == "product CNC is not in risk.permitted_products"
    assert control.check(request(product="CNC", purpose=OrderPurpose.EXIT), CONTEXT) is None


@pytest.mark.parametrize(
    ("quantity", "price", "words"),
    [
        ("10", "100", None), ("11", "10", "quantity 11 is above max_order_quantity 10"),
        ("10", "100.05", "notional 1000.50 is above max_order_notional 1000"),
        ("9", "111.15", "notional 1000.35 is above max_order_notional 1000"),
    ],
)  # fmt: skip
def test_an_entry_is_no_larger_than_its_pieces_and_its_worth_may_be(
    quantity: str, price: str, words: str | None
) -> None:
    control = MaxOrderSize(max_quantity=D(10), max_notional=D(1000))
    assert control.check(request(quantity=D(quantity), price=D(price)), CONTEXT) == words
    assert control.check(request(quantity=MUCH, price=D(price), purpose=OrderPurpose.EXIT), CONTEXT) is None


@pytest.mark.parametrize(
    ("kind", "price", "protection", "entry", "exit_"),
    [
        (MARKET, None, "1", True, True), (MARKET, None, "1.01", False, True), (MARKET, None, "2", False, True),
        (MARKET, None, "2.01", False, False), (MARKET, None, "0", False, False), (MARKET, None, None, False, False),
        (MARKET, None, "-1", False, False), (MARKET, None, "0.01", True, True), (LIMIT, "101", None, True, True),
        (LIMIT, "101.05", None, False, True), (LIMIT, "102", None, False, True), (LIMIT, "102.05", None, False, False),
    ],
)  # fmt: skip
def test_an_exit_may_be_twice_as_far_from_the_reference_as_an_entry(
    kind: OrderKind, price: str | None, protection: str | None, entry: bool, exit_: bool
) -> None:
    for purpose, passed in ((OrderPurpose.ENTRY, entry), (OrderPurpose.EXIT, exit_)):
        asked = request(
            kind=kind, price=price and D(price), protection_pct=protection and D(protection), purpose=purpose
        )  # fmt: skip
        assert passes(PriceCollar(collar_pct=D(1)), asked, reference=D(100)) is passed
