"""Cancels: which orders of a list are to be taken back once more, and which cancels are not sent at all."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import AccountSnapshot, Action, Cancel, Command, Incident
from tradebot.domain.order import OrderEventType, OrderRequest, VenueOrder, VenueOrderStatus
from tradebot.trading.desk.decisions import CancelOrder, DeskOutput
from tradebot.trading.desk.rules.cancels import CANCEL_PAUSE_NS, CANCEL_SHOWS_WITHIN_NS, MAX_CANCELS

D, E = Decimal, OrderEventType


def look(rig: DeskRig, *orders: VenueOrder) -> list[DeskOutput]:
    return rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=orders, fills=(), positions=rig.positions(), cash=D(0))
    )


def cancels(outputs: list[DeskOutput]) -> list[str]:
    return [o.venue_order_id for o in outputs if isinstance(o, Cancel)]


def take_back(rig: DeskRig, request: OrderRequest) -> list[DeskOutput]:
    return rig.desk.carry_out([CancelOrder(request.order_id, "test")])


def test_an_order_of_a_symbol_that_this_run_does_not_name_is_left_alone() -> None:
    rig = DeskRig()
    shown = msgspec.structs.replace(rig.venue_order(rig.entered(), VenueOrderStatus.OPEN), tag="", symbol="ELSEWHERE")
    other = msgspec.structs.replace(shown, venue_order_id="X1")
    assert cancels(look(rig, other)) == []
    assert "EXT-X1" not in rig.desk.account.kept_orders()


@pytest.mark.parametrize(
    ("status", "filled", "again"), [(VenueOrderStatus.OPEN, 0, ["V1"]), (VenueOrderStatus.FILLED, 10, [])]
)
def test_only_what_works_by_the_list_is_taken_back_again(
    status: VenueOrderStatus, filled: int, again: list[str]
) -> None:
    rig = DeskRig()
    request = rig.entered()
    assert cancels(take_back(rig, request)) == ["V1"]
    rig.mono += CANCEL_SHOWS_WITHIN_NS
    assert cancels(look(rig, rig.venue_order(request, status, filled=filled))) == again


def test_an_order_that_is_not_to_be_taken_back_is_not_however_long_it_works() -> None:
    rig = DeskRig()
    request = rig.entered()
    rig.mono += 10 * CANCEL_SHOWS_WITHIN_NS
    assert cancels(look(rig, rig.venue_order(request, VenueOrderStatus.OPEN))) == []


@pytest.mark.parametrize(
    ("answer", "pause"),
    [(None, CANCEL_SHOWS_WITHIN_NS), (E.CANCEL_REFUSED, CANCEL_PAUSE_NS), (E.CANCEL_UNKNOWN, CANCEL_PAUSE_NS)],
)
def test_a_cancel_is_sent_again_when_its_time_is_over_and_not_before(answer: OrderEventType | None, pause: int) -> None:
    rig = DeskRig()
    request = rig.entered()
    take_back(rig, request)
    if answer is not None:
        rig.outcome(request, answer)
    shown = rig.venue_order(request, VenueOrderStatus.OPEN)
    rig.mono += pause - 1
    assert cancels(look(rig, shown)) == []
    rig.mono += 1
    assert cancels(look(rig, shown)) == ["V1"]


def test_after_four_tries_a_person_is_told_once() -> None:
    rig = DeskRig()
    request = rig.entered()
    take_back(rig, request)
    shown = rig.venue_order(request, VenueOrderStatus.OPEN)
    found = []
    for _ in range(MAX_CANCELS + 2):
        rig.tick(11)
        outputs = look(rig, shown)
        found.append((len(cancels(outputs)), len([o for o in outputs if isinstance(o, Incident)])))
    assert found == [(1, 0)] * (MAX_CANCELS - 1) + [(0, 1), (0, 0), (0, 0)]


def test_what_is_being_taken_back_has_ended_or_is_not_known_is_not_taken_back() -> None:
    rig = DeskRig()
    request = rig.entered()
    take_back(rig, request)
    assert take_back(rig, request) == []
    assert rig.desk.carry_out([CancelOrder("T99999", "test")]) == []
    look(rig, rig.venue_order(request, VenueOrderStatus.CANCELED))
    assert take_back(rig, request) == []


def test_an_order_that_the_venue_calls_filled_is_not_taken_back() -> None:
    rig = DeskRig()
    request = rig.entered()
    look(rig, rig.venue_order(request, VenueOrderStatus.FILLED, filled=10))
    assert take_back(rig, request) == []


def test_a_halt_takes_back_the_entries_of_its_scope_and_no_others() -> None:
    found = {}
    for scope in ("all", "symbol:AAA", "symbol:BBB", "strategy:s", "strategy:other"):
        rig = DeskRig()
        rig.entered()
        found[scope] = cancels(
            rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.parse(scope)))
        )
    assert found == {
        "all": ["V1"], "symbol:AAA": ["V1"], "symbol:BBB": [], "strategy:s": ["V1"], "strategy:other": [],
    }  # fmt: skip


def test_a_resume_takes_nothing_back() -> None:
    rig = DeskRig()
    rig.entered()
    assert cancels(rig.desk.apply_message(Command(verb=CommandVerb.RESUME))) == []


@pytest.mark.parametrize(
    ("event", "asked"), [(E.ACCEPTED, ["V1"]), (E.REFUSED, []), (E.NOT_SENT, []), (E.AMBIGUOUS, [])]
)
def test_a_cancel_that_waits_goes_out_once_the_order_is_known_to_be_there(
    event: OrderEventType, asked: list[str]
) -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    rig.signal("AAA", Action.ENTER_LONG)
    (order,) = list(rig.desk.account.live_orders())
    rig.outcome(order.request, E.SENDING)
    outputs = take_back(rig, order.request)
    assert (events(outputs), cancels(outputs)) == ([E.CANCEL_ASKED], [])
    assert cancels(rig.outcome(order.request, event, "V1" if event is E.ACCEPTED else "")) == asked


def test_of_two_orders_that_outlive_their_cancels_each_is_told_once() -> None:
    rig = DeskRig()
    one = rig.entered()
    rig.quote("BBB", "1000")
    rig.signal("BBB", Action.ENTER_LONG, n=2)
    other = next(order.request for order in rig.desk.account.live_orders() if order.symbol == "BBB")
    rig.outcome(other, E.SENDING)
    rig.outcome(other, E.ACCEPTED, "V2")
    rows = [
        msgspec.structs.replace(rig.venue_order(request, VenueOrderStatus.OPEN), venue_order_id=id_)
        for request, id_ in ((one, "V1"), (other, "V2"))
    ]
    for request in (one, other):
        take_back(rig, request)
    told = []
    for _ in range(MAX_CANCELS + 3):
        rig.tick(11)
        told += [o.order_id for o in look(rig, *rows) if isinstance(o, Incident)]
    assert told == [one.order_id, other.order_id]


@pytest.mark.parametrize(("on_stop", "said"), [("cancel", True), ("leave", False)])
def test_an_order_whose_id_becomes_known_while_the_daemon_stops_is_taken_back_where_that_is_asked(
    on_stop: str, said: bool
) -> None:
    rig = DeskRig(on_stop=on_stop)
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, E.SENDING)
    rig.desk.apply_message(Command(verb=CommandVerb.STOP))

    out = rig.outcome(request, E.ACCEPTED, "V1")

    assert any(isinstance(what, Cancel) for what in out) is said
