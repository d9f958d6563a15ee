"""The controls one by one, as tables: what each lets pass, what it denies, and that a NaN passes none of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.desk.gate.gate_contexts import CONTEXT, context_with, passes, request
from tradebot.clock import SECOND
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.trading.desk.gate.exposure_controls import MaxDailyLoss, MaxOpenOrders, MaxPosition, ReduceOnly
from tradebot.trading.desk.gate.flow_controls import FreshData, MessageRate, NoDuplicate
from tradebot.trading.desk.gate.gate import Control, Gate
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.gate.order_controls import MaxOrderSize, OrderSanity, PermittedProduct, PriceCollar

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("side", "price", "passed"),
    [
        (BUY, "101", True), (BUY, "101.05", False), (BUY, "50", True),
        (SELL, "99", True), (SELL, "98.95", False), (SELL, "150", True),
    ],
)  # fmt: skip
def test_the_collar_knows_which_way_a_price_is_worse(side: Side, price: str, passed: bool) -> None:
    assert passes(PriceCollar(collar_pct=D(1)), request(side=side, price=D(price))) is passed


@pytest.mark.parametrize(
    ("side", "held", "closing", "quantity", "passed"),
    [
        (SELL, 10, 0, 10, True), (SELL, 10, 0, 11, False), (SELL, 10, 4, 6, True), (SELL, 10, 4, 7, False),
        (SELL, 10, 10, 1, False), (BUY, -10, 0, 10, True), (BUY, -10, 4, 7, False), (BUY, 10, 0, 1, False),
        (SELL, 0, 0, 1, False),
    ],
)  # fmt: skip
def test_an_exit_closes_what_nothing_else_closes_yet(
    side: Side, held: int, closing: int, quantity: int, passed: bool
) -> None:
    asked = request(side=side, quantity=D(quantity), purpose=OrderPurpose.EXIT)
    assert (
        passes(ReduceOnly(), asked, quantity=D(held), closable_quantity=D(held), closing_quantity=D(closing)) is passed
    )


def test_a_quarter_of_the_rate_is_left_to_exits() -> None:
    gate = Gate([MessageRate(per_second=8, per_minute=100, per_day=1000)])
    assert [gate.check_order(request(), CONTEXT).is_passed for _ in range(8)] == [True] * 6 + [False] * 2
    exits = [gate.check_order(request(purpose=OrderPurpose.EXIT), CONTEXT).is_passed for _ in range(4)]
    assert exits == [True, True, False, False]
    assert gate.check_order(request(), context_with(mono=CONTEXT.mono + SECOND)).is_passed


def denied_of(gate: Gate, count: int, *, mono: int = CONTEXT.mono, apart: int = MINUTE) -> list[str]:
    """The controls that deny `count` orders, a minute apart, "" for those that pass."""
    views = [context_with(mono=mono + n * apart) for n in range(count)]
    return [gate.check_order(request(signal_id=f"{n}"), context).control for n, context in enumerate(views)]


def test_the_orders_of_a_day_are_those_of_the_market_day() -> None:
    gate = Gate([MessageRate(per_second=8, per_minute=100, per_day=4)])
    assert denied_of(gate, 5) == ["", "", "", "message_rate", "message_rate"]
    assert gate.check_order(request(purpose=OrderPurpose.EXIT), CONTEXT).is_passed  # a quarter is left to it
    gate.begin_market_day()
    assert denied_of(gate, 4, mono=CONTEXT.mono + 3600 * SECOND) == ["", "", "", "message_rate"]


@pytest.mark.parametrize("mono", [CONTEXT.mono, CONTEXT.mono - 3600 * SECOND, CONTEXT.mono + 10**6 * SECOND])
def test_what_passed_before_a_restart_counts_for_the_day_also_over_a_boot_of_the_machine(mono: int) -> None:
    gate = Gate([MessageRate(per_second=8, per_minute=100, per_day=8), NoDuplicate(window_s=5.0)])
    for n in range(3):
        gate.restore_passed(request(signal_id=f"{n}"), mono)
    gate.restore_passed(request(), mono, is_change=True)
    # The three signals were acted on; of the six entries of a day four messages are used up.
    assert denied_of(gate, 6) == ["duplicate"] * 3 + ["", "", "message_rate"]


def test_an_order_recalled_from_another_boot_bars_no_equal_one_and_no_second() -> None:
    gate = Gate([MessageRate(per_second=4, per_minute=8, per_day=1000), NoDuplicate(window_s=5.0)])
    for n in range(8):
        gate.restore_passed(request(signal_id=f"{n}"), CONTEXT.mono + 10**6 * SECOND)
    assert gate.check_order(request(signal_id="new"), CONTEXT).is_passed
    assert gate.check_order(request(signal_id="another"), CONTEXT).control == "duplicate"  # now it is of this boot


def test_on_a_fast_market_the_seconds_and_minutes_of_the_market_are_counted() -> None:
    gate = Gate([MessageRate(per_second=4, per_minute=8, per_day=1000, pace=600.0)])
    assert denied_of(gate, 4, apart=0) == ["", "", "", "message_rate"]
    second = SECOND // 600 + 1
    assert denied_of(gate, 4, mono=CONTEXT.mono + second, apart=0) == ["", "", "", "message_rate"]
    assert denied_of(gate, 1, mono=CONTEXT.mono + 2 * second) == ["message_rate"]  # six in the minute
    assert denied_of(gate, 1, mono=CONTEXT.mono + 60 * second) == [""]


def test_a_signal_is_acted_on_once_however_late_it_comes_again() -> None:
    gate = Gate([NoDuplicate(window_s=5.0)])
    assert gate.check_order(request(), CONTEXT).is_passed
    later = context_with(mono=CONTEXT.mono + 3600 * SECOND)
    assert not gate.check_order(request(price=D(99)), later).is_passed
    assert gate.check_order(request(price=D(99), signal_id="y"), later).is_passed


def test_the_same_order_needs_its_time_apart_and_one_in_doubt_keeps_others_out() -> None:
    gate = Gate([NoDuplicate(window_s=5.0)])
    assert gate.check_order(request(signal_id=""), CONTEXT).is_passed
    for after_s, passed in ((4, False), (5, True)):
        context = context_with(mono=CONTEXT.mono + after_s * SECOND)
        assert gate.check_order(request(signal_id=""), context).is_passed is passed
    assert not gate.check_order(request(signal_id="z", price=D(90)), context_with(is_in_doubt=True)).is_passed


NAN = D("NaN")
WORST: list[tuple[Control, OrderRequest, dict[str, Any]]] = [
    (OrderSanity(), request(quantity=NAN), {}),
    (OrderSanity(), request(price=NAN), {}),
    (MaxOrderSize(max_quantity=D(100), max_notional=D(10_000)), request(quantity=NAN), {}),
    (MaxOrderSize(max_quantity=D(100), max_notional=D(10_000)), request(price=NAN), {}),
    (PriceCollar(collar_pct=D(1)), request(price=NAN), {}),
    (PriceCollar(collar_pct=D(1)), request(), {"reference": NAN}),
    (PriceCollar(collar_pct=D(1)), request(kind=OrderKind.MARKET, price=None, protection_pct=NAN), {}),
    (MaxPosition(per_symbol=D(10_000), gross=D(10_000)), request(), {"longest": NAN}),
    (MaxPosition(per_symbol=D(10_000), gross=D(10_000)), request(), {"gross_elsewhere": NAN}),
    (ReduceOnly(), request(side=SELL, quantity=NAN, purpose=OrderPurpose.EXIT), {"closable_quantity": D(10)}),
    (MaxDailyLoss(max_loss=D(1000)), request(), {"day_profit": NAN}),
    (FreshData(max_age_s=15.0), request(), {"quote_age_s": float("nan")}),
]


@pytest.mark.parametrize(("control", "asked", "view"), WORST, ids=lambda x: x.name if hasattr(x, "name") else "")
def test_what_is_no_number_is_within_no_limit(control: Control, asked: OrderRequest, view: dict[str, Any]) -> None:
    assert not passes(control, asked, **view)


@pytest.mark.parametrize(
    ("longest", "gross", "passed"), [(0, 0, True), (90, 0, True), (91, 0, False), (0, 9_000, True), (0, 9_001, False)]
)
def test_a_position_counts_at_its_worst(longest: int, gross: int, passed: bool) -> None:
    control = MaxPosition(per_symbol=D(10_000), gross=D(10_000))
    assert passes(control, request(), longest=D(longest), gross_elsewhere=D(gross)) is passed


def test_only_entries_are_counted_out_by_open_orders_and_the_days_loss() -> None:
    for control, view in (
        (MaxOpenOrders(max_open=5), {"open_orders": 5}),
        (MaxDailyLoss(max_loss=D(1)), {"day_profit": D(-2)}),
    ):
        assert not passes(control, request(), **view)
        assert passes(control, request(purpose=OrderPurpose.EXIT), **view)


def test_a_control_that_is_not_asked_has_nothing_to_say() -> None:
    gate = build_gate(Limits(), kill_reason=lambda: "")
    for control in gate.controls:
        for purpose, asked in ((OrderPurpose.ENTRY, control.checks_entries), (OrderPurpose.EXIT, control.checks_exits)):
            if not asked:
                odd = request(purpose=purpose, quantity=Decimal(10) ** 9)
                worst = context_with(
                    halt_reason="halted", entries_closed="closed", day_profit=Decimal(-(10**9)), open_orders=10**6
                )
                assert control.check(odd, worst) is None, control.name


@pytest.mark.parametrize(
    ("side", "quantity", "held", "passed"),
    [(SELL, "10", "10", True), (SELL, "10.5", "10", False), (SELL, "1", "0", False), (BUY, "1", "0", True)],
)
def test_without_short_sales_all_that_is_held_may_be_sold_and_no_more(
    side: Side, quantity: str, held: str, passed: bool
) -> None:
    control = PermittedProduct(products=("MIS",), allow_short=False)
    assert passes(control, request(side=side, quantity=D(quantity)), shortest=D(held), longest=D(held)) is passed


@pytest.mark.parametrize(
    ("quantity", "price", "passed"),
    [("1", "0.05", True), ("1", "1", True), ("0", "100", False), ("1", "0", False), ("-1", "100", False)],
)
def test_one_piece_at_the_least_tick_makes_sense_and_nothing_does_not(quantity: str, price: str, passed: bool) -> None:
    assert passes(OrderSanity(), request(quantity=D(quantity), price=D(price))) is passed
