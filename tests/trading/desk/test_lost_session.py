"""A lost session: nothing is opened, what is open is closed while an order route takes it, no absence is believed."""

from __future__ import annotations

from tests.trading.desk.desk_rig import (
    D,
    DeskRig,
    enter_and_send,
    events,
    order_state,
    poll_account,
    submitted,
    with_all_controls,
)
from tradebot.domain.messages import Action, BrokerSession, Incident, LinkDown, LinkUp
from tradebot.domain.order import OrderEvent, OrderEventType, OrderState
from tradebot.trading.desk.decisions import DeskOutput


def session(rig: DeskRig, lost: str = "", *, orders_refused: bool = False) -> list[DeskOutput]:
    return rig.desk.apply_message(BrokerSession(mono=rig.mono, lost_reason=lost, orders_refused=orders_refused))


def test_nothing_is_opened_by_a_control_of_its_own_name_and_the_way_back_needs_no_resume() -> None:
    rig = with_all_controls(DeskRig())
    rig.quote("AAA", "1000")
    session(rig, "the token is dead")
    (denied,) = rig.signal("AAA", Action.ENTER_LONG)
    assert isinstance(denied, OrderEvent)
    assert denied.reason == "broker_session: the token is dead"
    session(rig)
    assert submitted(rig.signal("AAA", Action.ENTER_LONG, n=2))
    assert not rig.desk.book.conditions.has_halts


def test_exits_are_tried_until_an_order_route_says_that_the_login_is_dead_and_again_when_it_is_back() -> None:
    rig = with_all_controls(DeskRig())
    rig.bought(stop_loss=990.0)
    session(rig, "the token is dead")
    (exit_,) = submitted(rig.quote("AAA", "989"))
    rig.outcome(exit_, OrderEventType.SENDING)
    session(rig, "the token is dead", orders_refused=True)
    rig.outcome(exit_, OrderEventType.REFUSED)
    for _ in range(100):
        assert not submitted(rig.tick(1))
    rig.quote("AAA", "989")
    session(rig)
    (again,) = submitted(rig.tick(1))
    assert (again.purpose, again.quantity) == (exit_.purpose, D(10))


def test_refusals_for_a_dead_login_halt_nothing() -> None:
    rig = with_all_controls(DeskRig())
    session(rig, "dead", orders_refused=True)
    session(rig, "")
    requests = []
    for n, symbol in enumerate(("AAA", "BBB")):
        rig.quote(symbol, "1000")
        requests += submitted(rig.signal(symbol, Action.ENTER_LONG, n=n))
    for request in requests:
        rig.outcome(request, OrderEventType.SENDING)
    session(rig, "dead", orders_refused=True)
    outputs = [output for request in requests for output in rig.outcome(request, OrderEventType.REFUSED)]
    assert events(outputs).count(OrderEventType.REFUSED) == 2
    assert rig.desk.rules.reject_breaker.rejections.streaks == {}
    assert not any(isinstance(output, Incident) for output in outputs)
    assert not rig.desk.book.conditions.has_halts


def test_an_order_that_is_not_shown_while_the_session_is_lost_is_not_absent() -> None:
    rig = DeskRig()
    request = enter_and_send(rig)
    session(rig, "dead")
    for _ in range(60):
        rig.tick(5)
        poll_account(rig)
    assert order_state(rig, request) is OrderState.UNKNOWN
    session(rig)
    for _ in range(15):
        rig.tick(5)
        poll_account(rig)
    assert order_state(rig, request) is OrderState.ABSENT


def test_a_link_that_comes_back_while_the_session_is_lost_makes_no_absence_believed_and_the_other_way_round() -> None:
    for down in (True, False):
        rig = DeskRig()
        request = enter_and_send(rig)
        rig.desk.apply_message(LinkDown(source="kite", mono=rig.mono, reason="403"))
        session(rig, "dead")
        assert rig.desk.book.blotter.orders[request.order_id].is_stale
        if down:
            rig.desk.apply_message(LinkUp(source="kite", mono=rig.mono))
        else:
            session(rig)
        for _ in range(60):
            rig.tick(5)
            poll_account(rig)
        assert order_state(rig, request) is OrderState.UNKNOWN
        assert rig.desk.book.blotter.orders[request.order_id].is_stale


def stale(rig: DeskRig) -> list[bool]:
    return [order.is_stale for order in rig.desk.account.live_orders()]


def test_a_link_that_comes_up_where_none_was_lost_makes_nothing_stale() -> None:
    rig = DeskRig()
    rig.entered()
    rig.desk.apply_message(LinkUp(source="kite", mono=rig.mono))
    assert stale(rig) == [False]


def test_a_second_link_that_is_lost_makes_nothing_stale_that_was_begun_since_the_first() -> None:
    rig = DeskRig()
    rig.desk.apply_message(LinkDown(source="one", mono=rig.mono, reason="silent"))
    rig.desk.book.conditions.links.stale_sources.clear()
    request = rig.entered()
    rig.desk.book.conditions.links.stale_sources["one"] = "silent"
    rig.desk.apply_message(LinkDown(source="other", mono=rig.mono, reason="silent"))
    assert stale(rig) == [False]
    for source in ("one", "other"):
        rig.desk.apply_message(LinkUp(source=source, mono=rig.mono))
    outputs = rig.desk.apply_message(LinkDown(source="one", mono=rig.mono, reason="silent again"))
    assert [(o.order_id, o.reason) for o in outputs if isinstance(o, OrderEvent)] == [
        (request.order_id, "silent again")
    ]  # fmt: skip
