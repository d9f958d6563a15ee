"""Venue reports: what a status, a list and a fill lead to and when, and what is forgotten with an order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Command,
    FillReport,
    Incident,
    LinkDown,
    LinkUp,
    OrderReport,
)
from tradebot.domain.order import OrderEventType, VenueOrder, VenueOrderStatus
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.rules.report_translator import LAG_LIMIT_NS, OMISSION_LIMIT_NS

D, E = Decimal, OrderEventType


def test_with_an_order_that_is_kept_no_longer_goes_what_was_made_up_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.trading.desk.book.blotter.MAX_ENDED_ORDERS", 1)
    rig = DeskRig()
    entry = rig.entered()
    rig.desk.apply_message(OrderReport(order=rig.venue_order(entry, VenueOrderStatus.FILLED, filled=10), mono=rig.mono))
    rig.tick(6)
    reports = rig.desk.rules.venue_reports
    assert list(reports._missing_fills.inferred_fills) == [entry.order_id]
    assert not reports.lacks_fills

    rig.tick(6)
    rig.quote("AAA", "1000")
    rig.signal("AAA", Action.EXIT_LONG, n=2)
    (exit_,) = list(rig.desk.account.live_orders())
    rig.outcome(exit_.request, E.SENDING)
    rig.outcome(exit_.request, E.ACCEPTED, "V2")
    rig.fill(exit_.request, 10, "1000", "V2")

    assert list(rig.desk.account.kept_orders()) == [exit_.order_id]
    assert reports._missing_fills.inferred_fills == {}
    assert rig.desk.book.blotter.forgotten_orders == []


def look(rig: DeskRig, *orders: VenueOrder) -> list[DeskOutput]:
    return rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=orders, fills=(), positions=rig.positions(), cash=D(0))
    )


@pytest.mark.parametrize(("filled", "less", "is_halted"), [(9, 0, True), (9, 1, False), (10, 0, False)])
def test_a_venue_that_knows_fewer_fills_than_it_told_for_a_minute_stops_the_symbol(
    *, filled: int, less: int, is_halted: bool
) -> None:
    rig = DeskRig()
    request = rig.bought()
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=filled)
    look(rig, shown)
    rig.mono += LAG_LIMIT_NS - less
    outputs = look(rig, shown)
    assert [str(o.scope) for o in outputs if isinstance(o, Command)] == (["symbol:AAA"] if is_halted else [])
    assert len([o for o in outputs if isinstance(o, Incident)]) == is_halted


def test_that_it_knows_fewer_is_told_once() -> None:
    rig = DeskRig()
    shown = rig.venue_order(rig.bought(), VenueOrderStatus.FILLED, filled=9)
    told = []
    for _ in range(4):
        told.append(len([o for o in look(rig, shown) if isinstance(o, Incident)]))
        rig.mono += LAG_LIMIT_NS
    assert told == [0, 1, 0, 0]


def test_a_status_that_tells_nothing_new_leaves_no_row() -> None:
    rig = DeskRig()
    request = rig.entered()
    shown = rig.venue_order(request, VenueOrderStatus.OPEN, filled=4)
    assert events(look(rig, shown)) == [E.SEEN_OPEN]
    rig.tick(1)
    assert events(look(rig, shown)) == []
    more = rig.venue_order(request, VenueOrderStatus.OPEN, filled=5)
    assert events(look(rig, more)) == [E.SEEN_OPEN]


@pytest.mark.parametrize(("less", "found"), [(1, []), (0, []), (-1, [E.NOT_FOUND])])
def test_two_lists_that_come_late_enough_put_an_order_in_doubt(less: int, found: list[OrderEventType]) -> None:
    rig = DeskRig()
    rig.entered()
    assert events(look(rig)) == []
    rig.mono += OMISSION_LIMIT_NS - less
    assert events(look(rig)) == []
    assert events(look(rig)) == found


@pytest.mark.parametrize(("asked", "is_compared"), [(-1, False), (0, True)])
def test_books_asked_for_since_the_link_is_back_compare_what_was_open(*, asked: int, is_compared: bool) -> None:
    rig = DeskRig()
    request = rig.entered()
    rig.desk.apply_message(LinkDown(source="kite", mono=rig.mono, reason="silent"))
    rig.tick(1)
    rig.desk.apply_message(LinkUp(source="kite", mono=rig.mono))
    order = rig.venue_order(request, VenueOrderStatus.ACKED)
    snapshot = AccountSnapshot(asked_at=rig.mono + asked, orders=(order,), fills=(), positions=(), cash=D(0))
    assert (E.LINK_BACK in events(rig.desk.apply_message(snapshot))) is is_compared


def test_a_fill_that_comes_before_its_order_is_known_is_booked_once_its_id_is() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    assert events(rig.outcome(request, E.SENDING)) == []
    for _ in range(2):
        fill = rig.execution(request, 10, "1000")
        rig.trades -= 1
        assert events(rig.desk.apply_message(FillReport(fill=fill, mono=rig.mono))) == []
    assert events(rig.outcome(request, E.ACCEPTED, "V1")) == [E.ACCEPTED, E.EXECUTED]
    assert rig.desk.rules.venue_reports._translator.orphan_fills == {}
    assert rig.desk.book.positions.open_quantity("AAA") == 10
