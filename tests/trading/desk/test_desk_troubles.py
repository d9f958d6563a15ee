"""The desk in trouble: cancels that wait or fail, fills that are missing, orders of others, halts of one scope."""

from __future__ import annotations

from decimal import Decimal

from tests.trading.desk.desk_rig import OPEN, DeskRig, events, submitted
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


def entered(rig: DeskRig, *, answered: bool = True) -> OrderRequest:
    """Send an entry in AAA; it works at the venue as V1 when `answered`."""
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, E.SENDING)
    if answered:
        rig.outcome(request, E.ACCEPTED, "V1")
    return request


def books(rig: DeskRig, *orders: VenueOrder, fills: tuple[Fill, ...] = ()) -> list[DeskOutput]:
    return rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=orders, fills=fills, positions=rig.positions(), cash=D(0)),
    )


def cancels(outputs: list[DeskOutput]) -> list[Cancel]:
    return [o for o in outputs if isinstance(o, Cancel)]


def scopes(outputs: list[DeskOutput]) -> list[str]:
    return [str(o.scope) for o in outputs if isinstance(o, Command)]


def state(rig: DeskRig, request: OrderRequest) -> OrderState:
    return rig.desk.book.blotter.orders[request.order_id].state


def test_a_cancel_of_an_order_that_is_being_sent_waits_and_goes_out_with_the_answer() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    waiting = rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert (events(waiting), cancels(waiting)) == ([E.CANCEL_ASKED], [])
    answered = rig.outcome(request, E.ACCEPTED, "V1")
    assert events(answered) == [E.ACCEPTED, E.CANCEL_SENT]
    assert [c.venue_order_id for c in cancels(answered)] == ["V1"]


def test_an_order_whose_turn_has_not_come_is_withdrawn() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    (cancel,) = cancels(rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))
    assert (cancel.order_id, cancel.venue_order_id) == (request.order_id, "")


def test_a_cancel_without_an_answer_is_sent_three_times_more_and_only_while_the_order_works() -> None:
    rig = DeskRig()
    request = entered(rig)
    assert len(cancels(rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))) == 1
    sent = 0
    for _ in range(6):
        rig.outcome(request, E.CANCEL_UNKNOWN)
        rig.tick(1)
        assert cancels(books(rig, rig.venue_order(request, VenueOrderStatus.OPEN))) == []
        rig.tick(1.5)
        outputs = books(rig, rig.venue_order(request, VenueOrderStatus.OPEN))
        sent += len(cancels(outputs))
        last = outputs
    assert sent == 3
    assert [o.text for o in last if isinstance(o, Incident)] == []  # it was said once, when the tries ended


def test_fills_that_the_status_knows_and_no_trade_tells_are_inferred_after_five_seconds_and_replaced() -> None:
    rig = DeskRig()
    request = entered(rig)
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    assert events(rig.tick(4)) == []
    (made_up,) = [o for o in rig.tick(2) if isinstance(o, OrderEvent)]
    assert made_up.fill is not None
    assert made_up.fill.is_inferred
    assert rig.desk.book.positions.position_of("AAA").quantity == 10
    outputs = rig.fill(request, 4, "999")
    assert events(outputs) == [E.REVERSED, E.EXECUTED, E.EXECUTED]
    assert rig.desk.book.positions.position_of("AAA").quantity == 10
    assert events(rig.fill(request, 6, "999")) == [E.REVERSED, E.EXECUTED]
    order = rig.desk.book.blotter.orders[request.order_id]
    assert (order.state, order.average_price, len(order.fills)) == (OrderState.FILLED, 999, 2)
    assert rig.desk.book.positions.position_of("AAA").bought == 9990
    assert rig.desk.book.positions.charges == 2


def test_a_fill_told_with_other_figures_is_booked_anew_once_the_list_has_shown_them_twice() -> None:
    rig = DeskRig()
    request = rig.bought()
    other = Fill(
        execution_id="1", venue_order_id="V1", symbol="AAA", exchange="NSE", side=request.side, quantity=D(10),
        price=D(998), traded_at=OPEN,
    )  # fmt: skip
    first = rig.desk.apply_message(FillReport(fill=other, mono=rig.mono))
    assert events(first) == [E.QUARANTINED]
    assert scopes(first) == ["symbol:AAA"]
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=10)
    assert E.REVERSED not in events(books(rig, shown, fills=(other,)))
    assert events(books(rig, shown, fills=(other,)))[:2] == [E.REVERSED, E.EXECUTED]
    assert rig.desk.book.positions.position_of("AAA").average_price == 998


def test_an_order_that_comes_back_from_the_dead_is_cancelled_and_stops_its_strategy() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    rig.outcome(request, E.NOT_SENT)
    outputs = rig.desk.apply_message(OrderReport(order=rig.venue_order(request, VenueOrderStatus.OPEN), mono=rig.mono))
    assert events(outputs) == [E.SEEN_OPEN, E.CANCEL_SENT]
    assert scopes(outputs) == ["strategy:s"]
    rig.quote("BBB", "500")
    (denied,) = [o for o in rig.signal("BBB", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert denied.type is E.DENIED


def test_an_exit_that_the_venue_ends_is_sent_again() -> None:
    rig = DeskRig()
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    rig.desk.apply_message(OrderReport(order=rig.venue_order(exit_, VenueOrderStatus.CANCELED), mono=rig.mono))
    assert submitted(rig.tick(1)) == []
    (again,) = submitted(rig.tick(1.5))
    assert (again.quantity, again.purpose) == (10, exit_.purpose)


def test_an_exit_that_the_venue_refuses_is_not_sent_twenty_times_a_second() -> None:
    rig = DeskRig(max_rejects_in_a_row=100)
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG))
    tries = 0
    for _ in range(200):
        rig.quote("AAA", "1000")
        for request in submitted(rig.tick()) or ([exit_] if not tries else []):
            tries += 1
            rig.outcome(request, E.SENDING)
            rig.outcome(request, E.REFUSED)
    assert 3 <= tries <= 5  # in ten seconds: at 0, 1, 3 and 7


def test_an_order_placed_elsewhere_holds_entries_back_until_the_books_account_for_it_and_is_never_cancelled() -> None:
    rig = DeskRig()
    rig.quote("BBB", "500")
    fields = _fields(rig.venue_order(entered(DeskRig()), VenueOrderStatus.OPEN))
    other = VenueOrder(**fields | {"tag": "", "symbol": "BBB"})  # type: ignore[arg-type]
    outputs = rig.desk.apply_message(OrderReport(order=other, mono=rig.mono))
    assert (scopes(outputs), cancels(outputs)) == ([], [])
    (denied,) = [o for o in rig.signal("BBB", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert (denied.type, denied.reason.partition(":")[0]) == (E.DENIED, "accounted")
    assert (
        cancels(rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.for_symbol("BBB"))))
        == []
    )
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.for_symbol("BBB")))
    rig.tick(1)
    books(rig, other)
    entry = rig.signal("BBB", Action.ENTER_LONG, n=2)
    assert events(entry) == [E.INTENT]
    assert {c.order_id for c in cancels(rig.desk.apply_message(Command(verb=CommandVerb.STOP)))} == {
        submitted(entry)[0].order_id
    }


def _fields(message: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}  # type: ignore[attr-defined]


def test_a_halt_of_one_symbol_leaves_the_others_alone_and_a_resume_lifts_it() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    rig.quote("BBB", "500")
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.parse("symbol:AAA")))
    assert events(rig.signal("AAA", Action.ENTER_LONG)) == [E.DENIED]
    assert events(rig.signal("BBB", Action.ENTER_LONG)) == [E.INTENT]
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, scope=Scope.parse("symbol:AAA")))
    assert events(rig.signal("AAA", Action.ENTER_LONG, n=2)) == [E.INTENT]


def test_the_bound_of_a_doubt_counts_from_the_sending_and_a_look_is_wanted_right_on_it() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    sent = rig.mono
    assert rig.desk.account.next_poll_at() is None, "there is no doubt yet"
    rig.tick(8)
    rig.outcome(request, E.AMBIGUOUS)
    books(rig)
    assert rig.desk.account.next_poll_at() == sent + 60 * SECOND
    rig.tick(52.1)
    books(rig)
    rig.tick(0.5)
    assert state(rig, request) is OrderState.UNKNOWN
    books(rig)
    assert state(rig, request) is OrderState.ABSENT
    assert rig.desk.account.next_poll_at() is None


def test_an_exit_that_the_venue_never_had_is_sent_anew_and_does_not_wait_for_ten_minutes() -> None:
    rig = DeskRig()
    bought = rig.bought()
    shown = rig.venue_order(bought, VenueOrderStatus.FILLED, filled=int(bought.quantity))
    (lost,) = submitted(rig.signal("AAA", Action.EXIT_LONG, n=2))
    rig.outcome(lost, E.SENDING)
    rig.outcome(lost, E.AMBIGUOUS)
    rig.tick(61)
    for _ in range(2):
        books(rig, shown)
        rig.tick(1)
    assert state(rig, lost) is OrderState.ABSENT
    rig.tick(1)
    rig.quote("AAA", "1000")
    (again,) = submitted(rig.tick(3))
    assert (again.side, again.quantity) == (lost.side, lost.quantity)


def test_an_order_from_elsewhere_in_the_list_does_not_stand_for_one_in_doubt() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    rig.outcome(request, E.AMBIGUOUS)
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=1)
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    other = VenueOrder(**(fields | {"venue_order_id": "X1", "tag": "", "symbol": "BBB"}))
    rig.tick(61)
    for _ in range(2):
        books(rig, other)
        rig.tick(1)
    assert state(rig, request) is OrderState.ABSENT


def test_an_order_that_was_there_is_looked_for_from_when_the_lists_omit_it() -> None:
    rig = DeskRig()
    request = entered(rig)
    rig.tick(300)
    for _ in range(3):
        books(rig)
        rig.tick(3)
    assert state(rig, request) is OrderState.UNKNOWN
    for _ in range(10):
        books(rig)
        rig.tick(5)
    assert state(rig, request) is OrderState.UNKNOWN
    for _ in range(6):
        books(rig)
        rig.tick(5)
    assert state(rig, request) is OrderState.ABSENT


def test_no_look_counts_against_an_order_in_doubt_while_the_session_is_lost_and_just_after() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    rig.outcome(request, E.AMBIGUOUS)
    books(rig)
    assert events(rig.desk.apply_message(LinkDown(source="kite", mono=rig.mono, reason="silent"))) == [E.LINK_LOST]
    for _ in range(3):
        rig.tick(70)
        books(rig)
    assert state(rig, request) is OrderState.UNKNOWN
    assert rig.desk.account.next_poll_at() is None
    rig.desk.apply_message(LinkUp(source="kite", mono=rig.mono))
    assert rig.desk.account.next_poll_at() == rig.mono + 5 * SECOND
    assert events(books(rig)) == [E.LINK_BACK]
    for _ in range(4):
        rig.tick(1)
        books(rig)
    assert state(rig, request) is OrderState.UNKNOWN
    for _ in range(2):
        rig.tick(1.1)
        books(rig)
    assert state(rig, request) is OrderState.ABSENT


def test_a_presumed_absence_stays_exposed_for_ten_minutes() -> None:
    rig = DeskRig()
    request = entered(rig, answered=False)
    rig.outcome(request, E.AMBIGUOUS)
    for _ in range(4):
        books(rig)
        rig.tick(61)
    assert state(rig, request) is OrderState.ABSENT
    assert rig.desk.book.blotter.exposure.worst_case("AAA") == (10, 0)
    rig.tick(600)
    assert rig.desk.book.blotter.exposure.worst_case("AAA") == (0, 0)


def test_an_order_of_a_day_that_is_over_is_in_doubt_until_the_venue_ends_it() -> None:
    rig = DeskRig()
    request = entered(rig)
    shown = rig.venue_order(request, VenueOrderStatus.OPEN)
    books(rig, shown)
    rig.at = OPEN + 22500 * SECOND
    rig.tick(600)
    assert E.DAY_ENDED not in events(books(rig, shown))
    rig.tick(400)
    outputs = books(rig, shown)
    assert E.DAY_ENDED in events(outputs)
    assert state(rig, request) is OrderState.UNKNOWN
    assert any(isinstance(o, Incident) for o in outputs)


def test_the_venue_knowing_fewer_fills_than_it_told_for_a_minute_stops_the_symbol() -> None:
    rig = DeskRig()
    request = rig.bought()
    shown = rig.venue_order(request, VenueOrderStatus.FILLED, filled=6)
    assert scopes(books(rig, shown)) == []
    rig.tick(61)
    assert scopes(books(rig, shown)) == ["symbol:AAA"]


def test_terms_that_somebody_changed_are_the_truth_and_stop_the_symbol() -> None:
    rig = DeskRig()
    request = entered(rig)
    shown = VenueOrder(**_fields(rig.venue_order(request, VenueOrderStatus.OPEN)) | {"quantity": D(7)})  # type: ignore[arg-type]
    outputs = rig.desk.apply_message(OrderReport(order=shown, mono=rig.mono))
    assert events(outputs)[0] is E.CHANGED
    assert "symbol:AAA" in scopes(outputs)
    assert rig.desk.book.blotter.exposure.worst_case("AAA") == (7, 0)


def test_halts_and_open_exits_survive_a_restart() -> None:
    rig = DeskRig()
    rig.bought()
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG))
    events = [
        OrderEvent(order_id=o.order_id, type=E.INTENT, at=OPEN, mono=1, request=o.request)
        for o in rig.desk.book.blotter.orders.values()
    ]
    entry = events[0].order_id
    events[1:1] = [
        OrderEvent(order_id=entry, type=E.SENDING, at=OPEN, mono=1),
        OrderEvent(order_id=entry, type=E.EXECUTED, at=OPEN, mono=1,
                  fill=next(iter(rig.desk.book.blotter.booked_fills.values())).execution),
    ]  # fmt: skip
    lapsed = OrderEvent(order_id=exit_.order_id, type=E.LAPSED, at=OPEN, mono=1)
    cut_off = DeskRig()
    cut_off.desk.recover_state([*events, lapsed], adopted=(), halted="", opens_at=OPEN)
    cut_off.quote("AAA", "1000")
    assert len(submitted(cut_off.tick())) == 1
    events.append(OrderEvent(order_id=exit_.order_id, type=E.SENDING, at=OPEN, mono=1))
    events.append(OrderEvent(order_id=exit_.order_id, type=E.AMBIGUOUS, at=OPEN, mono=1))
    fresh = DeskRig()
    halts = (Command(verb=CommandVerb.HALT, reason="by hand", scope=Scope.parse("strategy:s")),)
    fresh.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN, halts=halts)
    assert fresh.desk.book.conditions.halt_reason_for("BBB", "s") == "by hand"
    assert fresh.desk.book.conditions.halt_reason_for("BBB", "other") == ""
    lost = rig.venue_order(exit_, VenueOrderStatus.CANCELED)
    held = fresh.positions()
    fresh.desk.adopt_snapshot(AccountSnapshot(asked_at=fresh.mono, orders=(lost,), fills=(), positions=held, cash=D(0)))
    fresh.quote("AAA", "1000")
    (again,) = submitted(fresh.tick(2.5))
    assert again.quantity == 10


def test_no_exit_leaves_a_daemon_that_stops_unless_it_closes_what_is_open() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    rig.desk.apply_message(Command(verb=CommandVerb.STOP))
    assert submitted(rig.quote("AAA", "980")) == []
    assert submitted(rig.tick()) == []


def test_every_event_of_an_order_has_a_line_in_the_log() -> None:
    assert set(EVENT_TYPES) | {E.INTENT} == set(E)


def test_a_halt_leaves_a_protective_exit_that_works_alone() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    (exit_,) = submitted(rig.quote("AAA", "989"))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    outputs = rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert cancels(outputs) == []
    assert scopes(outputs) == ["all"]


def test_the_same_flatten_closes_once_also_after_a_resume() -> None:
    rig = DeskRig()
    rig.bought()
    (exit_,) = submitted(rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f1")))
    rig.fill(exit_, 10, "1000", "V2")
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME, reason="go on"))
    assert rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f1")) == []
    assert not rig.desk.book.conditions.halt_reason
    assert scopes(rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="enough", id="f2"))) == ["all"]


def test_no_two_orders_of_a_run_share_an_id() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    ids = []
    for n in range(12):
        rig.tick(10)
        rig.quote("AAA", "1000")
        (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG, n=n))
        ids.append(request.order_id)
        rig.outcome(request, E.SENDING)
        rig.outcome(request, E.REFUSED)
        rig.desk.apply_message(Command(verb=CommandVerb.RESUME))
    assert len(set(ids)) == 12


def test_a_boot_of_the_machine_keeps_no_reservation_and_no_patience_for_ever() -> None:
    before = DeskRig()
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
    after = DeskRig()
    after.desk.book.blotter.exposure.mono = 0  # as a new process, whose first tick comes after the recovery
    after.desk.recover_state([intent, *sent, *events], adopted=(), halted="", opens_at=OPEN)
    after.tick()
    assert after.desk.book.blotter.exposure.worst_case("AAA")[0] == request.quantity, "a late fill may still come"
    after.tick(2.1)
    assert after.desk.book.blotter.exposure.worst_case("AAA") == (0, 0)


def test_the_days_loss_is_known_after_a_restart_and_yesterdays_is_not() -> None:
    sold = DeskRig()
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
        fresh = DeskRig()
        fresh.desk.recover_state(events, adopted=(), halted="", opens_at=opens_at)
        assert fresh.desk.book.pnl.day_profit() == profit


def test_an_order_is_exposed_in_the_step_that_checked_it() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    assert state(rig, request) is OrderState.INTENT
    assert rig.desk.book.blotter.exposure.worst_case("AAA") == (request.quantity, 0)


def test_a_cancel_that_was_accepted_has_ten_seconds_to_show() -> None:
    rig = DeskRig()
    request = entered(rig)
    assert len(cancels(rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")))) == 1
    rig.outcome(request, E.CANCEL_ACCEPTED)
    rig.tick(9.5)
    assert cancels(books(rig, rig.venue_order(request, VenueOrderStatus.OPEN))) == []
    rig.tick(0.5)
    assert len(cancels(books(rig, rig.venue_order(request, VenueOrderStatus.OPEN)))) == 1


def test_an_exit_takes_back_what_is_left_of_its_entry() -> None:
    rig = DeskRig()
    entry = rig.entered()
    rig.fill(entry, 4, "1000")
    outputs = rig.signal("AAA", Action.EXIT_LONG)
    assert [(o.order_id, o.venue_order_id) for o in outputs if isinstance(o, Cancel)] == [(entry.order_id, "V1")]
    assert [(r.side, r.quantity) for r in submitted(outputs)] == [(Side.SELL, 4)]
