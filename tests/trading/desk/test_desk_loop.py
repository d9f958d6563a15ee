"""The loop of the desk: what a decision leads to is carried out before the next one, and events stand before orders."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, events
from tradebot.domain.messages import Cancel, ClockTick, FillReport, Incident, OrderReport, SessionBegins, Submit
from tradebot.domain.order import (
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    Side,
    VenueOrderStatus,
)
from tradebot.trading.desk.book.book import OrderChange
from tradebot.trading.desk.decisions import CancelOrder, Decision, RecordEvent
from tradebot.trading.desk.desk import Desk

E = OrderEventType


def said(desk: Desk, decisions: Any) -> list[str]:
    """Carry decisions out; return the order events by their type, and anything else by its kind."""
    out = desk.carry_out(decisions)
    return [what.type.value if isinstance(what, OrderEvent) else type(what).__name__ for what in out]


def test_what_a_decision_leads_to_comes_before_the_next_decision() -> None:
    rig = DeskRig()
    request = rig.entered()
    order_id, book = request.order_id, rig.desk.book
    seen: list[str] = []

    def rule() -> Iterator[Decision]:
        yield CancelOrder(order_id, "for a test")
        seen.append(book.blotter.orders[order_id].cancel.state.value)
        yield book.make_incident("behind it")

    assert said(rig.desk, rule()) == ["cancel_sent", "Cancel", "Incident"]
    assert seen == ["sent"], "the book knew it when the rule went on"


def test_the_rules_hear_of_a_fact_in_their_order_and_the_next_when_the_one_before_is_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = DeskRig()
    request = rig.entered()
    book, heard = rig.desk.book, list[str]()

    def first(change: OrderChange) -> list[Decision]:
        heard.append(f"first of {change.event.type.value}")
        return [CancelOrder(request.order_id, "for a test")] if change.event.type is E.LINK_LOST else []

    def second(change: OrderChange) -> list[Decision]:
        heard.append(f"second of {change.event.type.value}")
        return []

    monkeypatch.setattr(rig.desk.rules, "change_subscribers", lambda change: (first, second))
    order = book.blotter.orders[request.order_id]
    rig.desk.carry_out([RecordEvent(book.make_event(order, E.LINK_LOST, "for a test"))])

    assert heard == [
        "first of link_lost", "first of cancel_sent", "second of cancel_sent", "second of link_lost",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "purpose", "asked"),
    [
        (
            E.EXECUTED,
            OrderPurpose.ENTRY,
            "Exits VenueReports OrderInvariants FillCheck StopLevels RejectBreaker Cancels",
        ),
        (E.ACCEPTED, OrderPurpose.ENTRY, "VenueReports OrderInvariants Cancels"),
        (E.REFUSED, OrderPurpose.EXIT, "Exits VenueReports OrderInvariants RejectBreaker Cancels"),
        (E.EXECUTED, OrderPurpose.EXTERNAL, "VenueReports PositionCheck"),
    ],
)
def test_a_rule_hears_of_the_facts_that_concern_it(event: E, purpose: OrderPurpose, asked: str) -> None:
    rig = DeskRig()
    order = rig.desk.book.blotter.orders[rig.entered().order_id]
    order = msgspec.structs.replace(order, request=msgspec.structs.replace(order.request, purpose=purpose))
    change = OrderChange(order, rig.desk.book.make_event(order, event, "for a test"), order)
    assert [type(rule.__self__).__name__ for rule in rig.desk.rules.change_subscribers(change)] == asked.split()  # type: ignore[attr-defined]


def test_an_order_leaves_behind_its_fact_and_a_cancel_behind_its_own() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    request = rig.entered()
    out = rig.desk.carry_out([CancelOrder(request.order_id, "for a test")])
    assert [type(what) for what in out] == [OrderEvent, Cancel]


def test_what_is_decided_again_is_judged_again() -> None:
    rig = DeskRig()
    request = rig.entered()
    twice = [CancelOrder(request.order_id, "once"), CancelOrder(request.order_id, "twice")]
    assert said(rig.desk, twice) == ["cancel_sent", "Cancel"]
    assert said(rig.desk, [CancelOrder("nobody's", "no such order")]) == []


def test_a_message_that_nothing_hears_is_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError, match="the desk does not know Submit"):
        DeskRig().desk.apply_message(Submit(request=None))  # type: ignore[arg-type]


def test_every_rule_is_asked_at_a_tick_and_says_nothing_on_a_quiet_day() -> None:
    rig = DeskRig()
    assert rig.tick(1) == []
    assert not any(isinstance(what, Incident) for what in rig.tick(60))


# Why a backtest need not walk every bar for a rule that acts at ticks.
WATCHED = {
    "StopLevels": "its levels are found in the bars, see `backtest/level_touch.py`",
    "VenueReports": "a venue of bars tells every fill",
    "DailyLoss": "`backtest/daily_loss_scan.py` finds the first close at which the loss may reach its limit",
    "SquareOff": "the clock ticks at its times, and while a flatten stands",
    "Exits": "the clock ticks while an exit is wanted",
    "Repricing": "the clock ticks while an order works",
}


def test_a_backtest_knows_where_each_rule_that_acts_at_ticks_may_act() -> None:
    asked = {type(rule.__self__).__name__ for rule in DeskRig().desk.rules.subscribers[ClockTick]}  # type: ignore[attr-defined]
    assert asked == WATCHED.keys(), (
        "a backtest walks only bars in which something can happen: see `backtest/daily_loss_scan.py`"
    )


def test_another_day_begins_with_its_session_and_the_same_day_only_once() -> None:
    rig = DeskRig()
    first = rig.desk.book.conditions.times.session
    assert first is not None
    before = rig.desk.book.pnl.day_base_fills
    rig.bought()
    rig.desk.apply_message(first)
    assert rig.desk.book.pnl.day_base_fills == before
    later = 86_400_000_000_000
    rig.desk.apply_message(
        SessionBegins(
            opens_at=first.opens_at + later, closes_at=first.closes_at + later,
            entries_until=first.entries_until + later, square_off_at=first.square_off_at + later,
        )
    )  # fmt: skip
    assert rig.desk.book.pnl.day_base_fills[0] == 1


def test_a_fill_of_another_hand_leaves_our_stop_where_it_stands() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=980.0)
    guard = rig.desk.account.protective_levels(0)
    assert guard is not None
    theirs = OrderRequest(
        order_id="", symbol="AAA", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=Decimal(3),
        product="CNC",
    )  # fmt: skip
    shown = msgspec.structs.replace(rig.venue_order(theirs, VenueOrderStatus.OPEN), venue_order_id="X1", product="CNC")
    rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    fill = msgspec.structs.replace(rig.execution(theirs, 3, "1001", "X1"), product="CNC")
    assert events(rig.desk.apply_message(FillReport(fill=fill, mono=rig.mono))) == [E.EXECUTED]
    assert rig.desk.account.protective_levels(0) == guard
