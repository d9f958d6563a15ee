"""A lost session: nothing is opened, what is open is closed while an order route takes it, no absence is believed."""

from __future__ import annotations

from tests.trading.desk.desk_room import D, Room, events, submitted
from tests.trading.desk.rules.test_unread_orders import look, seeing, sent, state
from tradebot.domain.messages import Action, BrokerSession, Incident, LinkDown, LinkUp
from tradebot.domain.order import OrderEvent, OrderEventType, OrderState
from tradebot.trading.desk.decisions import DeskOutput


def session(room: Room, lost: str = "", *, orders_refused: bool = False) -> list[DeskOutput]:
    return room.desk.apply_message(BrokerSession(mono=room.mono, lost_reason=lost, orders_refused=orders_refused))


def test_nothing_is_opened_by_a_control_of_its_own_name_and_the_way_back_needs_no_resume() -> None:
    room = seeing(Room())
    room.quote("AAA", "1000")
    session(room, "the token is dead")
    (denied,) = room.signal("AAA", Action.ENTER_LONG)
    assert isinstance(denied, OrderEvent)
    assert denied.reason == "broker_session: the token is dead"
    session(room)
    assert submitted(room.signal("AAA", Action.ENTER_LONG, n=2))
    assert not room.desk.book.conditions.has_halts


def test_exits_are_tried_until_an_order_route_says_that_the_login_is_dead_and_again_when_it_is_back() -> None:
    room = seeing(Room())
    room.bought(stop_loss=990.0)
    session(room, "the token is dead")
    (exit_,) = submitted(room.quote("AAA", "989"))
    room.outcome(exit_, OrderEventType.SENDING)
    session(room, "the token is dead", orders_refused=True)
    room.outcome(exit_, OrderEventType.REFUSED)
    for _ in range(100):
        assert not submitted(room.tick(1))
    room.quote("AAA", "989")
    session(room)
    (again,) = submitted(room.tick(1))
    assert (again.purpose, again.quantity) == (exit_.purpose, D(10))


def test_refusals_for_a_dead_login_halt_nothing() -> None:
    room = seeing(Room())
    session(room, "dead", orders_refused=True)
    session(room, "")
    requests = []
    for n, symbol in enumerate(("AAA", "BBB")):
        room.quote(symbol, "1000")
        requests += submitted(room.signal(symbol, Action.ENTER_LONG, n=n))
    for request in requests:
        room.outcome(request, OrderEventType.SENDING)
    session(room, "dead", orders_refused=True)
    outputs = [output for request in requests for output in room.outcome(request, OrderEventType.REFUSED)]
    assert events(outputs).count(OrderEventType.REFUSED) == 2
    assert room.desk.rules.reject_breaker.rejections.streaks == {}
    assert not any(isinstance(output, Incident) for output in outputs)
    assert not room.desk.book.conditions.has_halts


def test_an_order_that_is_not_shown_while_the_session_is_lost_is_not_absent() -> None:
    room = Room()
    request = sent(room)
    session(room, "dead")
    for _ in range(60):
        room.tick(5)
        look(room)
    assert state(room, request) is OrderState.UNKNOWN
    session(room)
    for _ in range(15):
        room.tick(5)
        look(room)
    assert state(room, request) is OrderState.ABSENT


def test_a_link_that_comes_back_while_the_session_is_lost_makes_no_absence_believed_and_the_other_way_round() -> None:
    for down in (True, False):
        room = Room()
        request = sent(room)
        room.desk.apply_message(LinkDown(source="kite", mono=room.mono, reason="403"))
        session(room, "dead")
        assert room.desk.book.blotter.orders[request.order_id].is_stale
        if down:
            room.desk.apply_message(LinkUp(source="kite", mono=room.mono))
        else:
            session(room)
        for _ in range(60):
            room.tick(5)
            look(room)
        assert state(room, request) is OrderState.UNKNOWN
        assert room.desk.book.blotter.orders[request.order_id].is_stale


def stale(room: Room) -> list[bool]:
    return [order.is_stale for order in room.desk.account.live_orders()]


def test_a_link_that_comes_up_where_none_was_lost_makes_nothing_stale() -> None:
    room = Room()
    room.entered()
    room.desk.apply_message(LinkUp(source="kite", mono=room.mono))
    assert stale(room) == [False]


def test_a_second_link_that_is_lost_makes_nothing_stale_that_was_begun_since_the_first() -> None:
    room = Room()
    room.desk.apply_message(LinkDown(source="one", mono=room.mono, reason="silent"))
    room.desk.book.conditions.links.stale_sources.clear()
    request = room.entered()
    room.desk.book.conditions.links.stale_sources["one"] = "silent"
    room.desk.apply_message(LinkDown(source="other", mono=room.mono, reason="silent"))
    assert stale(room) == [False]
    for source in ("one", "other"):
        room.desk.apply_message(LinkUp(source=source, mono=room.mono))
    outputs = room.desk.apply_message(LinkDown(source="one", mono=room.mono, reason="silent again"))
    assert [(o.order_id, o.reason) for o in outputs if isinstance(o, OrderEvent)] == [
        (request.order_id, "silent again")
    ]  # fmt: skip
