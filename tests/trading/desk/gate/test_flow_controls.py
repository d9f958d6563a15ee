"""The controls that remember: what passes at each limit to the order, and that memory does not grow with the day."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.desk.gate.gate_contexts import CONTEXT, context_with, passes, request
from tradebot.clock import SECOND
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.trading.desk.gate.flow_controls import (
    MAX_UNSORTED,
    FreshData,
    InSession,
    MessageRate,
    NoDuplicate,
    NotHalted,
    NotKilled,
)
from tradebot.trading.desk.gate.gate import Gate

D = Decimal
NOW = CONTEXT.mono
LIMITS = [
    {"per_second": 4, "per_minute": 99, "per_day": 99}, {"per_second": 99, "per_minute": 4, "per_day": 99},
    {"per_second": 99, "per_minute": 99, "per_day": 4},
]  # fmt: skip


@pytest.mark.parametrize("limits", LIMITS, ids=["second", "minute", "day"])
def test_the_short_way_counts_entries_and_exits_out_where_the_long_one_does(limits: dict[str, int]) -> None:
    rate = MessageRate(**limits)
    assert [rate.try_count(NOW, is_exit=False) for _ in range(5)] == [True, True, True, False, False]
    assert [rate.try_count(NOW, is_exit=True) for _ in range(3)] == [True, False, False], "a quarter is left to exits"


@pytest.mark.parametrize(("limits", "after"), [(LIMITS[0], SECOND), (LIMITS[1], 60 * SECOND)])
def test_what_was_sent_leaves_its_window_after_all_of_it(limits: dict[str, int], after: int) -> None:
    rate = MessageRate(**limits)
    assert [rate.try_count(NOW + n, is_exit=False) for n in range(3)] == [True] * 3
    assert not rate.try_count(NOW + after - 1, is_exit=False)
    assert rate.try_count(NOW + after, is_exit=False)
    assert not rate.try_count(NOW + after, is_exit=False), "the second one of three has not left yet"


def test_an_allowance_of_one_or_nothing_for_entries() -> None:
    one, none = (MessageRate(per_second=n, per_minute=9, per_day=9) for n in (1, 0))
    assert [one.try_count(NOW, is_exit=False) for _ in range(2)] == [True, False]
    assert not none.try_count(NOW, is_exit=False)


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, False), ({"price": D(99)}, True), ({"quantity": D(11)}, True), ({"side": Side.SELL}, True),
        ({"kind": OrderKind.MARKET, "price": None, "protection_pct": D(1)}, True), ({"strategy": "t"}, True),
        ({"symbol": "BBB"}, True), ({"purpose": OrderPurpose.EXIT}, True),
    ],
)  # fmt: skip
def test_the_same_order_is_one_of_the_same_strategy_symbol_side_kind_quantity_and_price(
    change: dict[str, Any], passed: bool
) -> None:
    gate = Gate([NoDuplicate(window_s=5.0)])
    assert gate.check_order(request(signal_id=""), CONTEXT).is_passed
    assert gate.check_order(request(signal_id="", symbol="CCC"), CONTEXT).is_passed, "another one between them"
    assert gate.check_order(request(signal_id="", **change), context_with(mono=NOW + 1)).is_passed is passed


def test_the_same_exit_may_follow_at_once() -> None:
    gate = Gate([NoDuplicate(window_s=5.0)])
    for mono in (NOW, NOW + 1):
        assert gate.check_order(request(signal_id="", purpose=OrderPurpose.EXIT), context_with(mono=mono)).is_passed


def test_the_words_of_a_denial_say_how_long_ago_the_same_order_passed() -> None:
    gate = Gate([NoDuplicate(window_s=5.0)])
    gate.check_order(request(signal_id="a"), CONTEXT)
    late = context_with(mono=NOW + 3 * SECOND // 2)
    assert gate.check_order(request(signal_id="b"), late).reason == "duplicate: the same order passed 1.5 s ago"
    assert gate.check_order(request(signal_id="a"), late).reason == "duplicate: signal a was acted on already"


def remembered(control: NoDuplicate) -> int:
    return len(control._unsorted) + sum(map(len, control._orders.values()))


def small(n: int, **changes: Any) -> OrderRequest:
    return request(quantity=D(n), signal_id="", **changes)


def test_what_passed_before_the_window_is_forgotten() -> None:
    control = NoDuplicate(window_s=5.0)
    for n in range(3 * MAX_UNSORTED):
        assert control.duplicate_reason(small(n + 1), NOW + n, is_exit=False) is None
        control.remember_order(small(n + 1), NOW + n)
    assert remembered(control) == 3 * MAX_UNSORTED
    control.remember_order(small(1), NOW + 3 * MAX_UNSORTED + 6 * SECOND)
    assert remembered(control) == 1


def test_exits_are_sorted_in_as_they_crowd_and_each_counts_once() -> None:
    control = NoDuplicate(window_s=5.0)
    for n in range(3 * MAX_UNSORTED + 1):
        control.remember_order(small(n + 1, purpose=OrderPurpose.EXIT), NOW + n)
        assert len(control._unsorted) < MAX_UNSORTED
    assert remembered(control) == 3 * MAX_UNSORTED + 1


def test_of_orders_of_too_many_kinds_the_first_is_forgotten_and_of_signals_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NoDuplicate, "MAX_REMEMBERED", 3)
    control = NoDuplicate(window_s=5.0)
    for n in range(5):
        control.remember_order(request(symbol=f"S{n}", signal_id=f"{n}"), NOW)
    again = [control.duplicate_reason(request(symbol=f"S{n}", signal_id="new"), NOW, is_exit=False) for n in range(5)]
    assert [text is None for text in again] == [True, True, False, False, False]
    acted = [control.duplicate_reason(request(symbol="T", signal_id=f"{n}"), NOW, is_exit=False) for n in range(6)]
    assert [text is None for text in acted] == [False] * 5 + [True]
    for n in range(5, 10):
        control.remember_order(request(symbol=f"S{n}", signal_id=f"{n}"), NOW)
    acted = [control.duplicate_reason(request(symbol="T", signal_id=f"{n}"), NOW, is_exit=False) for n in range(3)]
    assert [text is None for text in acted] == [True] * 3


@pytest.mark.parametrize(
    ("purpose", "age_s", "passed"),
    [
        (OrderPurpose.ENTRY, 15.0, True), (OrderPurpose.ENTRY, 15.1, False), (OrderPurpose.EXIT, 60.0, True),
        (OrderPurpose.EXIT, 60.1, False), (OrderPurpose.ENTRY, None, False), (OrderPurpose.EXIT, None, False),
    ],
)  # fmt: skip
def test_an_entry_needs_a_fresh_quote_and_an_exit_one_of_the_minute(
    purpose: OrderPurpose, age_s: float | None, passed: bool
) -> None:
    assert passes(FreshData(max_age_s=15.0), request(purpose=purpose), quote_age_s=age_s) is passed


def test_while_the_file_is_there_nothing_leaves_not_even_an_exit() -> None:
    for purpose in (OrderPurpose.ENTRY, OrderPurpose.EXIT):
        assert (
            Gate([NotKilled(lambda: "the file")]).check_order(request(purpose=purpose), CONTEXT).reason
            == "kill: the file"
        )
        assert passes(NotKilled(lambda: ""), request(purpose=purpose))


@pytest.mark.parametrize(
    ("control", "view"),
    [
        (FreshData(max_age_s=15.0), {"feed_is_stale": True}), (FreshData(max_age_s=15.0), {"quote_trouble": "frozen"}),
        (NotHalted(), {"halt_reason": "by hand"}), (InSession(), {"entries_closed": "the session is over"}),
    ],
)  # fmt: skip
def test_what_keeps_entries_out_lets_exits_pass(control: Any, view: dict[str, Any]) -> None:
    assert not passes(control, request(), **view)
    assert passes(control, request(purpose=OrderPurpose.EXIT), **view)
    assert passes(control, request())
