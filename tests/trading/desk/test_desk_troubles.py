"""The desk in trouble: cancels that wait or fail, fills that are missing, orders of others, halts of one scope."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_room import OPEN, Room, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Cancel,
    Command,
    FillReport,
    Incident,
    LinkDown,
    LinkUp,
    OrderReport,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderRequest,
    OrderState,
    Side,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.ops.journal_logger import EVENT_TYPES
from tradebot.trading.desk.decisions import DeskOutput

D, E = Decimal, OrderEventType


def entered(room: Room, *, answered: bool = True) -> OrderRequest:
    """Send an entry in AAA; it works at the venue as V1 when `answered`."""
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    room.outcome(request, E.SENDING)
    if answered:
        room.outcome(request, E.ACCEPTED, "V1")
    return request


def books(room: Room, *orders: VenueOrder, fills: tuple[Fill, ...] = ()) -> list[DeskOutput]:
    return room.desk.apply_message(
        AccountSnapshot(asked_at=room.mono, orders=orders, fills=fills, positions=room.positions(), cash=D(0)),
    )


def cancels(outputs: list[DeskOutput]) -> list[Cancel]:
    return [o for o in outputs if isinstance(o, Cancel)]


def scopes(outputs: list[DeskOutput]) -> list[str]:
    return [str(o.scope) for o in outputs if isinstance(o, Command)]


def state(room: Room, request: OrderRequest) -> OrderState:
    return room.desk.book.blotter.orders[request.order_id].state


def test_a_cancel_of_an_order_that_is_being_sent_waits_and_goes_out_with_the_answer() -> None:
    room = Room()
    request = entered(room, answered=False)
    waiting = room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert (events(waiting), cancels(waiting)) == ([E.CANCEL_ASKED], [])
    answered = room.outcome(request, E.ACCEPTED, "V1")
    assert events(answered) == [E.ACCEPTED, E.CANCEL_SENT]
    assert [c.venue_order_id for c in cancels(answered)] == ["V1"]


def test_an_order_whose_turn_has_not_come_is_withdrawn() -> None:
    room = Room()
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    (cancel,) = cancels(room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))
    assert (cancel.order_id, cancel.venue_order_id) == (request.order_id, "")


def test_a_cancel_without_an_answer_is_sent_three_times_more_and_only_while_the_order_works() -> None:
    room = Room()
    request = entered(room)
    assert len(cancels(room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))) == 1
    sent = 0
    for _ in range(6):
        room.outcome(request, E.CANCEL_UNKNOWN)
        room.tick(1)
        assert cancels(books(room, room.venue_order(request, VenueOrderStatus.OPEN))) == []
        room.tick(1.5)
        outputs = books(room, room.venue_order(request, VenueOrderStatus.OPEN))
        sent += len(cancels(outputs))
        last = outputs
    assert sent == 3
    assert [o.text for o in last if isinstance(o, Incident)] == []  # it was said once, when the tries ended


def test_fills_that_the_status_knows_and_no_trade_tells_are_inferred_after_five_seconds_and_replaced() -> None:
    room = Room()
    request = entered(room)
    shown = room.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    room.desk.apply_message(OrderReport(order=shown, mono=room.mono))
    assert events(room.tick(4)) == []
    (made_up,) = [o for o in room.tick(2) if isinstance(o, OrderEvent)]
    assert made_up.fill is not None
    assert made_up.fill.is_inferred
    assert room.desk.book.positions.position_of("AAA").quantity == 10
    outputs = room.fill(request, 4, "999")
    assert events(outputs) == [E.REVERSED, E.EXECUTED, E.EXECUTED]
    assert room.desk.book.positions.position_of("AAA").quantity == 10
    assert events(room.fill(request, 6, "999")) == [E.REVERSED, E.EXECUTED]
    order = room.desk.book.blotter.orders[request.order_id]
    assert (order.state, order.average_price, len(order.fills)) == (OrderState.FILLED, 999, 2)
    assert room.desk.book.positions.position_of("AAA").bought == 9990
    assert room.desk.book.positions.charges == 2


def test_a_fill_told_with_other_figures_is_booked_anew_once_the_list_has_shown_them_twice() -> None:
    room = Room()
    request = room.bought()
    other = Fill(
        execution_id="1", venue_order_id="V1", symbol="AAA", exchange="NSE", side=request.side, quantity=D(10),
        price=D(998), traded_at=OPEN,
    )  # fmt: skip
    first = room.desk.apply_message(FillReport(fill=other, mono=room.mono))
    assert events(first) == [E.QUARANTINED]
    assert scopes(first) == ["symbol:AAA"]
    shown = room.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    assert E.REVERSED not in events(books(room, shown, fills=(other,)))
    assert events(books(room, shown, fills=(other,)))[:2] == [E.REVERSED, E.EXECUTED]
    assert room.desk.book.positions.position_of("AAA").average_price == 998


def test_an_order_that_comes_back_from_the_dead_is_cancelled_and_stops_its_strategy() -> None:
    room = Room()
    request = entered(room, answered=False)
    room.outcome(request, E.NOT_SENT)
    outputs = room.desk.apply_message(
        OrderReport(order=room.venue_order(request, VenueOrderStatus.OPEN), mono=room.mono)
    )
    assert events(outputs) == [E.SEEN_OPEN, E.CANCEL_SENT]
    assert scopes(outputs) == ["strategy:s"]
    room.quote("BBB", "500")
    (denied,) = [o for o in room.signal("BBB", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert denied.type is E.DENIED


def test_an_exit_that_the_venue_ends_is_sent_again() -> None:
    room = Room()
    room.bought()
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG))
    room.outcome(exit_, E.SENDING)
    room.outcome(exit_, E.ACCEPTED, "V2")
    room.desk.apply_message(OrderReport(order=room.venue_order(exit_, VenueOrderStatus.CANCELED), mono=room.mono))
    assert submitted(room.tick(1)) == []
    (again,) = submitted(room.tick(1.5))
    assert (again.quantity, again.purpose) == (10, exit_.purpose)


def test_an_exit_that_the_venue_refuses_is_not_sent_twenty_times_a_second() -> None:
    room = Room(max_rejects_in_a_row=100)
    room.bought()
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG))
    tries = 0
    for _ in range(200):
        room.quote("AAA", "1000")
        for request in submitted(room.tick()) or ([exit_] if not tries else []):
            tries += 1
            room.outcome(request, E.SENDING)
            room.outcome(request, E.REFUSED)
    assert 3 <= tries <= 5  # in ten seconds: at 0, 1, 3 and 7


def test_an_order_placed_elsewhere_holds_entries_back_until_the_books_account_for_it_and_is_never_cancelled() -> None:
    room = Room()
    room.quote("BBB", "500")
    fields = _fields(room.venue_order(entered(Room()), VenueOrderStatus.OPEN))
    other = VenueOrder(**fields | {"tag": "", "symbol": "BBB"})  # type: ignore[arg-type]
    outputs = room.desk.apply_message(OrderReport(order=other, mono=room.mono))
    assert (scopes(outputs), cancels(outputs)) == ([], [])
    (denied,) = [o for o in room.signal("BBB", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert (denied.type, denied.reason.partition(":")[0]) == (E.DENIED, "accounted")
    assert (
        cancels(
            room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("BBB")))
        )
        == []
    )
    room.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.for_symbol("BBB")))
    room.tick(1)
    books(room, other)
    entry = room.signal("BBB", Action.ENTER_LONG, n=2)
    assert events(entry) == [E.INTENT]
    assert {c.order_id for c in cancels(room.desk.apply_message(Command(verb=CommandVerb.STOP)))} == {
        submitted(entry)[0].order_id
    }


def _fields(message: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}  # type: ignore[attr-defined]


def test_a_halt_of_one_symbol_leaves_the_others_alone_and_a_resume_lifts_it() -> None:
    room = Room()
    room.quote("AAA", "1000")
    room.quote("BBB", "500")
    room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.parse("symbol:AAA")))
    assert events(room.signal("AAA", Action.ENTER_LONG)) == [E.DENIED]
    assert events(room.signal("BBB", Action.ENTER_LONG)) == [E.INTENT]
    room.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.parse("symbol:AAA")))
    assert events(room.signal("AAA", Action.ENTER_LONG, n=2)) == [E.INTENT]


def test_the_bound_of_a_doubt_counts_from_the_sending_and_a_look_is_wanted_right_on_it() -> None:
    room = Room()
    request = entered(room, answered=False)
    sent = room.mono
    assert room.desk.account.next_poll_at() is None, "there is no doubt yet"
    room.tick(8)
    room.outcome(request, E.AMBIGUOUS)
    books(room)
    assert room.desk.account.next_poll_at() == sent + 60 * SECOND
    room.tick(52.1)
    books(room)
    room.tick(0.5)
    assert state(room, request) is OrderState.UNKNOWN
    books(room)
    assert state(room, request) is OrderState.ABSENT
    assert room.desk.account.next_poll_at() is None


def test_an_exit_that_the_venue_never_had_is_sent_anew_and_does_not_wait_for_ten_minutes() -> None:
    room = Room()
    bought = room.bought()
    shown = room.venue_order(bought, VenueOrderStatus.FILLED, filled=int(bought.quantity))
    (lost,) = submitted(room.signal("AAA", Action.EXIT_LONG, n=2))
    room.outcome(lost, E.SENDING)
    room.outcome(lost, E.AMBIGUOUS)
    room.tick(61)
    for _ in range(2):
        books(room, shown)
        room.tick(1)
    assert state(room, lost) is OrderState.ABSENT
    room.tick(1)
    room.quote("AAA", "1000")
    (again,) = submitted(room.tick(3))
    assert (again.side, again.quantity) == (lost.side, lost.quantity)


def test_an_order_from_elsewhere_in_the_list_does_not_stand_for_one_in_doubt() -> None:
    room = Room()
    request = entered(room, answered=False)
    room.outcome(request, E.AMBIGUOUS)
    shown = room.venue_order(request, VenueOrderStatus.FILLED, filled=1)
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    other = VenueOrder(**(fields | {"venue_order_id": "X1", "tag": "", "symbol": "BBB"}))
    room.tick(61)
    for _ in range(2):
        books(room, other)
        room.tick(1)
    assert state(room, request) is OrderState.ABSENT


def test_an_order_that_was_there_is_looked_for_from_when_the_lists_omit_it() -> None:
    room = Room()
    request = entered(room)
    room.tick(300)
    for _ in range(3):
        books(room)
        room.tick(3)
    assert state(room, request) is OrderState.UNKNOWN
    for _ in range(10):
        books(room)
        room.tick(5)
    assert state(room, request) is OrderState.UNKNOWN
    for _ in range(6):
        books(room)
        room.tick(5)
    assert state(room, request) is OrderState.ABSENT


def test_no_look_counts_against_an_order_in_doubt_while_the_session_is_lost_and_just_after() -> None:
    room = Room()
    request = entered(room, answered=False)
    room.outcome(request, E.AMBIGUOUS)
    books(room)
    assert events(room.desk.apply_message(LinkDown(source="kite", mono=room.mono, reason="silent"))) == [E.LINK_LOST]
    for _ in range(3):
        room.tick(70)
        books(room)
    assert state(room, request) is OrderState.UNKNOWN
    assert room.desk.account.next_poll_at() is None
    room.desk.apply_message(LinkUp(source="kite", mono=room.mono))
    assert room.desk.account.next_poll_at() == room.mono + 5 * SECOND
    assert events(books(room)) == [E.LINK_BACK]
    for _ in range(4):
        room.tick(1)
        books(room)
    assert state(room, request) is OrderState.UNKNOWN
    for _ in range(2):
        room.tick(1.1)
        books(room)
    assert state(room, request) is OrderState.ABSENT


def test_a_presumed_absence_stays_exposed_for_ten_minutes() -> None:
    room = Room()
    request = entered(room, answered=False)
    room.outcome(request, E.AMBIGUOUS)
    for _ in range(4):
        books(room)
        room.tick(61)
    assert state(room, request) is OrderState.ABSENT
    assert room.desk.book.blotter.exposure.worst_case("AAA") == (10, 0)
    room.tick(600)
    assert room.desk.book.blotter.exposure.worst_case("AAA") == (0, 0)


def test_an_order_of_a_day_that_is_over_is_in_doubt_until_the_venue_ends_it() -> None:
    room = Room()
    request = entered(room)
    shown = room.venue_order(request, VenueOrderStatus.OPEN)
    books(room, shown)
    room.at = OPEN + 22500 * SECOND
    room.tick(600)
    assert E.DAY_ENDED not in events(books(room, shown))
    room.tick(400)
    outputs = books(room, shown)
    assert E.DAY_ENDED in events(outputs)
    assert state(room, request) is OrderState.UNKNOWN
    assert any(isinstance(o, Incident) for o in outputs)


def test_the_venue_knowing_fewer_fills_than_it_told_for_a_minute_stops_the_symbol() -> None:
    room = Room()
    request = room.bought()
    shown = room.venue_order(request, VenueOrderStatus.FILLED, filled=6)
    assert scopes(books(room, shown)) == []
    room.tick(61)
    assert scopes(books(room, shown)) == ["symbol:AAA"]


def test_terms_that_somebody_changed_are_the_truth_and_stop_the_symbol() -> None:
    room = Room()
    request = entered(room)
    shown = VenueOrder(**_fields(room.venue_order(request, VenueOrderStatus.OPEN)) | {"quantity": D(7)})  # type: ignore[arg-type]
    outputs = room.desk.apply_message(OrderReport(order=shown, mono=room.mono))
    assert events(outputs)[0] is E.CHANGED
    assert "symbol:AAA" in scopes(outputs)
    assert room.desk.book.blotter.exposure.worst_case("AAA") == (7, 0)


def test_halts_and_open_exits_survive_a_restart() -> None:
    room = Room()
    room.bought()
    (exit_,) = submitted(room.signal("AAA", Action.EXIT_LONG))
    events = [
        OrderEvent(order_id=o.order_id, type=E.INTENT, at=OPEN, mono=1, request=o.request)
        for o in room.desk.book.blotter.orders.values()
    ]
    entry = events[0].order_id
    events[1:1] = [
        OrderEvent(order_id=entry, type=E.SENDING, at=OPEN, mono=1),
        OrderEvent(order_id=entry, type=E.EXECUTED, at=OPEN, mono=1,
                  fill=next(iter(room.desk.book.blotter.booked_fills.values())).execution),
    ]  # fmt: skip
    lapsed = OrderEvent(order_id=exit_.order_id, type=E.LAPSED, at=OPEN, mono=1)
    cut_off = Room()
    cut_off.desk.recover_state([*events, lapsed], adopted=(), halted="", opens_at=OPEN)
    cut_off.quote("AAA", "1000")
    assert len(submitted(cut_off.tick())) == 1
    events.append(OrderEvent(order_id=exit_.order_id, type=E.SENDING, at=OPEN, mono=1))
    events.append(OrderEvent(order_id=exit_.order_id, type=E.AMBIGUOUS, at=OPEN, mono=1))
    fresh = Room()
    halts = (Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.parse("strategy:s")),)
    fresh.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN, halts=halts)
    assert fresh.desk.book.conditions.halt_reason_for("BBB", "s") == "by hand"
    assert fresh.desk.book.conditions.halt_reason_for("BBB", "other") == ""
    lost = room.venue_order(exit_, VenueOrderStatus.CANCELED)
    held = fresh.positions()
    fresh.desk.adopt_snapshot(AccountSnapshot(asked_at=fresh.mono, orders=(lost,), fills=(), positions=held, cash=D(0)))
    fresh.quote("AAA", "1000")
    (again,) = submitted(fresh.tick(2.5))
    assert again.quantity == 10


def test_no_exit_leaves_a_daemon_that_stops_unless_it_closes_what_is_open() -> None:
    room = Room()
    room.bought(stop_loss=990.0)
    room.desk.apply_message(Command(verb=CommandVerb.STOP))
    assert submitted(room.quote("AAA", "980")) == []
    assert submitted(room.tick()) == []


def test_every_event_of_an_order_has_a_line_in_the_log() -> None:
    assert set(EVENT_TYPES) | {E.INTENT} == set(E)


def test_a_halt_leaves_a_protective_exit_that_works_alone() -> None:
    room = Room()
    room.bought(stop_loss=990.0)
    (exit_,) = submitted(room.quote("AAA", "989"))
    room.outcome(exit_, E.SENDING)
    room.outcome(exit_, E.ACCEPTED, "V2")
    outputs = room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert cancels(outputs) == []
    assert scopes(outputs) == ["all"]


def test_the_same_flatten_closes_once_also_after_a_resume() -> None:
    room = Room()
    room.bought()
    (exit_,) = submitted(room.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f1")))
    room.fill(exit_, 10, "1000", "V2")
    room.desk.apply_message(Command(verb=CommandVerb.RESUME, reason="go on"))
    assert room.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f1")) == []
    assert not room.desk.book.conditions.halt_reason
    assert scopes(room.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f2"))) == ["all"]


def test_no_two_orders_of_a_run_share_an_id() -> None:
    room = Room()
    room.quote("AAA", "1000")
    ids = []
    for n in range(12):
        room.tick(10)
        room.quote("AAA", "1000")
        (request,) = submitted(room.signal("AAA", Action.ENTER_LONG, n=n))
        ids.append(request.order_id)
        room.outcome(request, E.SENDING)
        room.outcome(request, E.REFUSED)
        room.desk.apply_message(Command(verb=CommandVerb.RESUME))
    assert len(set(ids)) == 12


def test_a_boot_of_the_machine_keeps_no_reservation_and_no_patience_for_ever() -> None:
    before = Room()
    before.mono = 10**9 * SECOND  # it ran for years
    request = entered(before)
    events = [
        o
        for o in before.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
        if isinstance(o, OrderEvent)
    ]
    intent = OrderEvent(order_id=request.order_id, type=E.INTENT, at=OPEN, mono=before.mono, request=request)
    sent = [OrderEvent(order_id=request.order_id, type=E.SENDING, at=OPEN, mono=before.mono)]
    sent += [OrderEvent(order_id=request.order_id, type=E.ACCEPTED, at=OPEN, mono=before.mono, venue_order_id="V1")]
    canceled = before.venue_order(request, VenueOrderStatus.CANCELED)
    events += [
        o for o in before.desk.apply_message(OrderReport(order=canceled, mono=before.mono)) if isinstance(o, OrderEvent)
    ]
    after = Room()
    after.desk.book.blotter.exposure.mono = 0  # as a new process, whose first tick comes after the recovery
    after.desk.recover_state([intent, *sent, *events], adopted=(), halted="", opens_at=OPEN)
    after.tick()
    assert after.desk.book.blotter.exposure.worst_case("AAA")[0] == request.quantity, "a late fill may still come"
    after.tick(2.1)
    assert after.desk.book.blotter.exposure.worst_case("AAA") == (0, 0)


def test_the_days_loss_is_known_after_a_restart_and_yesterdays_is_not() -> None:
    sold = Room()
    sold.bought(price="1000", stop_loss=990.0)
    assert submitted(sold.quote("AAA", "950"))
    lost = [sold.desk.book.blotter.orders[i].request for i in sold.desk.book.blotter.orders]
    events = []
    for n, (request, price) in enumerate(zip(lost, ("1000", "950"), strict=True)):
        events += [
            OrderEvent(order_id=request.order_id, type=E.INTENT, at=OPEN, request=request),
            OrderEvent(order_id=request.order_id, type=E.SENDING, at=OPEN),
            OrderEvent(order_id=request.order_id, type=E.EXECUTED, at=OPEN,
                      fill=sold.execution(request, 10, price, f"V{n}")),
        ]  # fmt: skip
    for opens_at, profit in ((OPEN, -502), (OPEN + 86_400 * SECOND, 0)):
        fresh = Room()
        fresh.desk.recover_state(events, adopted=(), halted="", opens_at=opens_at)
        assert fresh.desk.book.pnl.day_profit() == profit


def test_an_order_is_exposed_in_the_step_that_checked_it() -> None:
    room = Room()
    room.quote("AAA", "1000")
    (request,) = submitted(room.signal("AAA", Action.ENTER_LONG))
    assert state(room, request) is OrderState.INTENT
    assert room.desk.book.blotter.exposure.worst_case("AAA") == (request.quantity, 0)


def test_a_cancel_that_was_accepted_has_ten_seconds_to_show() -> None:
    room = Room()
    request = entered(room)
    assert len(cancels(room.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))) == 1
    room.outcome(request, E.CANCEL_ACCEPTED)
    room.tick(9.5)
    assert cancels(books(room, room.venue_order(request, VenueOrderStatus.OPEN))) == []
    room.tick(0.5)
    assert len(cancels(books(room, room.venue_order(request, VenueOrderStatus.OPEN)))) == 1


def test_an_exit_takes_back_what_is_left_of_its_entry() -> None:
    room = Room()
    entry = room.entered()
    room.fill(entry, 4, "1000")
    outputs = room.signal("AAA", Action.EXIT_LONG)
    assert [(o.order_id, o.venue_order_id) for o in outputs if isinstance(o, Cancel)] == [(entry.order_id, "V1")]
    assert [(r.side, r.quantity) for r in submitted(outputs)] == [(Side.SELL, 4)]
