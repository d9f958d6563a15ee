"""The desk: signals and quotes become orders that passed the gate, what the venue says becomes positions."""

from __future__ import annotations

import pytest

from tests.trading.desk import desk_rig
from tests.trading.desk.desk_rig import DAY, OPEN, D, DeskRig, events, session_with_early_end, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, HaltExpiry
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
    ReconciliationResult,
    SessionBegins,
    Submit,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderRequest,
    OrderState,
    Side,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.gate.flow_controls import MessageRate, NoDuplicate
from tradebot.trading.desk.gate.gate import Gate


def test_an_entry_is_sized_by_notional_and_journaled_before_it_is_sent() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    event, order = rig.signal("AAA", Action.ENTER_LONG)
    assert isinstance(event, OrderEvent)
    assert event.type is OrderEventType.INTENT
    assert isinstance(order, Submit)
    assert order.request.quantity == 10
    assert all(line.endswith(": ok") for line in event.checks)


def test_a_second_entry_is_ignored_while_one_works_or_a_position_is_open() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    assert submitted(rig.signal("AAA", Action.ENTER_LONG))
    assert rig.signal("AAA", Action.ENTER_LONG, n=2) == []
    rig = DeskRig()
    rig.bought()
    assert rig.signal("AAA", Action.ENTER_LONG, n=3) == []


def test_a_stop_is_judged_on_every_quote_without_waiting_for_a_bar() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    assert submitted(rig.quote("AAA", "990.05")) == []
    (exit_,) = submitted(rig.quote("AAA", "990.00"))
    assert (exit_.side, exit_.quantity, exit_.purpose) == (Side.SELL, D(10), OrderPurpose.STOP)


def test_a_trailing_stop_follows_the_best_price() -> None:
    rig = DeskRig()
    rig.bought(trail_by=5.0)
    for price in ("1004", "1010", "1005.05"):
        assert submitted(rig.quote("AAA", price)) == []
    (exit_,) = submitted(rig.quote("AAA", "1005"))
    assert exit_.purpose is OrderPurpose.TRAIL


def test_a_target_takes_the_profit() -> None:
    rig = DeskRig()
    rig.bought(target=1020.0)
    (exit_,) = submitted(rig.quote("AAA", "1020"))
    assert exit_.purpose is OrderPurpose.TARGET


def test_an_exit_that_hangs_is_taken_back_and_sent_again() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    (exit_,) = submitted(rig.quote("AAA", "989"))
    rig.outcome(exit_, OrderEventType.SENDING)
    rig.outcome(exit_, OrderEventType.ACCEPTED, "V2")
    (cancel,) = [o for o in rig.tick(3.5) if isinstance(o, Cancel)]
    assert cancel.order_id == exit_.order_id
    rig.quote("AAA", "980")
    seen = rig.venue_order(exit_, VenueOrderStatus.CANCELED)
    rig.desk.apply_message(OrderReport(order=seen, mono=rig.mono))
    assert submitted(rig.tick()) == []  # a late fill may still be on its way
    (again,) = submitted(rig.tick(2))
    assert (again.order_id != exit_.order_id, again.quantity) == (True, D(10))


def test_a_fill_is_booked_once_however_often_it_is_told() -> None:
    rig = DeskRig()
    request = rig.bought()
    fill = rig.execution(request, 10, "1000")
    rig.trades -= 1
    again = FillReport(fill=fill.__class__(**{**_fields(fill), "execution_id": "1"}), mono=rig.mono)
    assert rig.desk.apply_message(again) == []
    assert rig.desk.book.positions.position_of("AAA").quantity == 10
    assert rig.desk.book.positions.fill_count == 1


def _fields(fill: Fill) -> dict[str, object]:
    return {name: getattr(fill, name) for name in fill.__struct_fields__}


def test_a_fill_before_the_acknowledgement_waits_for_its_order() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    assert rig.fill(request, 10, "1000", "V9") == []
    outputs = rig.outcome(request, OrderEventType.ACCEPTED, "V9")
    assert events(outputs) == [OrderEventType.ACCEPTED, OrderEventType.EXECUTED]
    assert rig.desk.book.blotter.orders[request.order_id].state is OrderState.FILLED


def test_an_ambiguous_order_is_found_by_its_tag_and_never_sent_again() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.AMBIGUOUS)
    assert rig.signal("AAA", Action.ENTER_LONG, n=2) == []
    snapshot = AccountSnapshot(
        asked_at=rig.mono,
        orders=(rig.venue_order(request, VenueOrderStatus.FILLED, filled=10),),
        fills=(rig.execution(request, 10, "1000.5"),),
        positions=(
            VenuePosition(symbol="AAA", exchange="NSE", product="MIS", quantity=D(10), average_price=D("1000.5")),
        ),
        cash=D(0),
    )
    outputs = rig.desk.apply_message(snapshot)
    assert submitted(outputs) == []
    assert rig.desk.book.blotter.orders[request.order_id].state is OrderState.FILLED
    assert rig.desk.book.positions.position_of("AAA").average_price == D("1000.5")


def empty_books(rig: DeskRig) -> AccountSnapshot:
    return AccountSnapshot(asked_at=rig.mono, orders=(), fills=(), positions=(), cash=D(0))


def test_an_order_in_doubt_is_absent_only_after_two_late_complete_lists() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.AMBIGUOUS)
    state = lambda: rig.desk.book.blotter.orders[request.order_id].state  # noqa: E731
    for _ in range(5):
        rig.desk.apply_message(empty_books(rig))
        rig.tick(5)
    assert state() is OrderState.UNKNOWN
    rig.tick(60)
    rig.desk.apply_message(empty_books(rig))
    assert state() is OrderState.UNKNOWN
    rig.tick(5)
    rig.desk.apply_message(empty_books(rig))
    assert state() is OrderState.ABSENT


def test_an_order_that_outlived_its_day_has_expired_with_it() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.ACCEPTED, "V1")
    session = session_with_early_end(OPEN + DAY)
    rig.at = session.opens_at
    rig.desk.apply_message(session)
    said = list[DeskOutput]()
    for _ in range(30):
        rig.tick(5)
        said += rig.desk.apply_message(empty_books(rig))
    order = rig.desk.book.blotter.orders[request.order_id]
    assert (order.state, order.reason) == (
        OrderState.EXPIRED,
        "its day is over; the lists of this day do not show how it ended",
    )
    assert not [one for one in said if isinstance(one, Incident) and "never accepted" in one.text]


def test_an_empty_position_list_does_not_make_us_flat_but_halts_the_symbol() -> None:
    rig = DeskRig()
    rig.bought()
    rig.tick(5)
    rig.desk.apply_message(empty_books(rig))
    rig.tick(5)
    (report,) = [o for o in rig.desk.apply_message(empty_books(rig)) if isinstance(o, ReconciliationResult)]
    assert report.differences == ("NSE:AAA MIS: the venue holds 0, the journal 10",)
    assert rig.desk.book.positions.position_of("AAA").quantity == 10


def test_an_order_placed_elsewhere_is_written_down_with_its_fills_and_is_not_ours() -> None:
    rig = DeskRig()
    other = VenueOrder(
        venue_order_id="X7",
        tag="",
        symbol="BBB",
        exchange="NSE",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        status=VenueOrderStatus.FILLED,
        quantity=D(3),
        filled=D(3),
        price=D(50),
    )
    fill = Fill(
        execution_id="e9", venue_order_id="X7", symbol="BBB", exchange="NSE", side=Side.BUY, quantity=D(3),
        price=D(50), traded_at=OPEN,
    )  # fmt: skip
    position = VenuePosition(symbol="BBB", exchange="NSE", product="MIS", quantity=D(3), average_price=D(50))
    rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=(other,), fills=(fill,), positions=(position,), cash=D(0))
    )
    assert rig.desk.book.positions.position_of("BBB").is_flat
    assert rig.desk.book.blotter.external.quantities == {("NSE", "BBB", "MIS"): 3}
    assert rig.desk.account.open_positions() == {}
    order = rig.desk.book.blotter.orders["EXT-X7"]
    assert (order.state, order.request.purpose) == (OrderState.FILLED, OrderPurpose.EXTERNAL)


@pytest.mark.parametrize(
    ("arrange", "control"),
    [
        (lambda rig: rig.desk.apply_message(LinkDown(source="kite", mono=rig.mono, reason="silent")), "fresh_data"),
        (lambda rig: rig.tick(20), "fresh_data"),
        (lambda rig: rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand")), "halt"),
    ],
)
def test_an_entry_is_denied_with_the_control_that_denies_it(arrange: object, control: str) -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    arrange(rig)  # type: ignore[operator]
    (event,) = [o for o in rig.signal("AAA", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert event.type is OrderEventType.DENIED
    assert event.reason.startswith(f"{control}:")


def test_an_exit_passes_while_the_feed_is_stale_and_entries_are_halted() -> None:
    rig = DeskRig()
    rig.bought()
    rig.desk.apply_message(LinkDown(source="kite", mono=rig.mono, reason="silent"))
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="by hand"))
    assert submitted(rig.signal("AAA", Action.EXIT_LONG))
    rig.desk.apply_message(LinkUp(source="kite", mono=rig.mono))


def test_the_daily_loss_latches_a_halt() -> None:
    rig = DeskRig()
    rig.bought()
    rig.quote("AAA", "899")
    (halt,) = [o for o in rig.tick() if isinstance(o, Command)]
    assert halt.verb == "halt"
    assert "max_daily_loss" in halt.reason
    assert [o for o in rig.tick() if isinstance(o, Command)] == []


def next_session(rig: DeskRig) -> list[DeskOutput]:
    rig.at += DAY
    opens_at = OPEN + DAY
    session = SessionBegins(
        opens_at=opens_at, closes_at=opens_at + 22500 * SECOND, entries_until=opens_at + 20000 * SECOND,
        square_off_at=opens_at + 21000 * SECOND,
    )  # fmt: skip
    return [*rig.desk.apply_message(session), *rig.tick()]


def test_the_halt_of_the_days_loss_names_its_rule_and_ends_with_the_session() -> None:
    rig = DeskRig()
    rig.bought()
    rig.quote("AAA", "899")
    (halt,) = [o for o in rig.tick() if isinstance(o, Command)]
    assert (halt.until, halt.control, str(halt.scope)) == (HaltExpiry.SESSION, "daily_loss", "all")
    assert [o for o in next_session(rig) if isinstance(o, Command)] == []
    assert rig.desk.book.conditions.halt_reason == ""


@pytest.mark.parametrize(
    "reason",
    ["max_daily_loss looks wrong, do not trade until I am back", "the day is at -1200.00, max_daily_loss is 1000", ""],
)
def test_the_halt_of_a_person_stands_until_resume_whatever_it_says(reason: str) -> None:
    rig = DeskRig()
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason=reason))
    next_session(rig)
    rig.quote("BBB", "500")
    assert rig.desk.book.conditions.halt_reason == (reason or "halted")
    assert events(rig.signal("BBB", Action.ENTER_LONG)) == [OrderEventType.DENIED]
    rig.desk.apply_message(Command(verb=CommandVerb.RESUME))
    assert events(rig.signal("BBB", Action.ENTER_LONG, n=2)) == [OrderEventType.INTENT]


def test_a_denial_names_the_control_that_denied() -> None:
    rig = DeskRig()
    rig.desk.apply_message(Command(verb=CommandVerb.HALT, reason="collar: by hand"))
    rig.quote("AAA", "1000")
    (denied,) = [o for o in rig.signal("AAA", Action.ENTER_LONG) if isinstance(o, OrderEvent)]
    assert (denied.control, denied.reason) == ("halt", "halt: halted: collar: by hand")


def said_by(strategy: str, rig: DeskRig, action: Action) -> list[DeskOutput]:
    return rig.signal("AAA", action, n=len(strategy), strategy=strategy)  # another signal id for each of them


def test_a_signal_closes_only_what_its_own_strategy_opened() -> None:
    rig = DeskRig()
    entry = rig.bought()
    assert submitted(said_by("leaver", rig, Action.EXIT_LONG)) == []
    assert rig.desk.account.signal_counts["ignored"] == 1
    assert len(submitted(said_by(entry.strategy, rig, Action.EXIT_LONG))) == 1


def test_whose_a_position_is_survives_a_restart_and_ends_when_it_is_flat() -> None:
    rig = DeskRig()
    entry = rig.bought()
    events = [
        OrderEvent(order_id=entry.order_id, type=OrderEventType.INTENT, at=OPEN, request=entry),
        OrderEvent(order_id=entry.order_id, type=OrderEventType.SENDING, at=OPEN),
        OrderEvent(order_id=entry.order_id, type=OrderEventType.ACCEPTED, at=OPEN, venue_order_id="V1"),
        OrderEvent(order_id=entry.order_id, type=OrderEventType.EXECUTED, at=OPEN,
                  fill=rig.execution(entry, 10, "1000")),
    ]  # fmt: skip
    fresh = DeskRig()
    fresh.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    fresh.quote("AAA", "1000")
    assert submitted(said_by("leaver", fresh, Action.EXIT_LONG)) == []
    (exit_,) = submitted(said_by(entry.strategy, fresh, Action.EXIT_LONG))
    for event_type in (OrderEventType.SENDING, OrderEventType.ACCEPTED):
        fresh.outcome(exit_, event_type, "V9" if event_type is OrderEventType.ACCEPTED else "")
    fresh.fill(exit_, 10, "1000", "V9")
    assert fresh.desk.book.pending_exits.holders == {}


def test_the_orders_of_a_day_are_counted_over_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    controls = {"per_second": 8, "per_minute": 200, "per_day": 4}  # three entries, the fourth is an exit's
    monkeypatch.setattr(desk_rig, "gate", lambda product: Gate([MessageRate(**controls), NoDuplicate(window_s=5.0)]))
    events: list[OrderEvent] = []
    sent = 0
    for life in range(3):
        rig = DeskRig(max_rejects_in_a_row=100, max_rejects_per_minute=100, max_account_rejects_per_minute=100)
        rig.mono += life * 60 * SECOND
        rig.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
        for n in range(3):
            rig.tick(6)
            rig.quote("AAA", "1000")
            outputs = rig.signal("AAA", Action.ENTER_LONG, n=10 * life + n)
            for request in submitted(outputs):
                sent += 1
                rig.outcome(request, OrderEventType.SENDING)  # a row of the execution
                sending = OrderEvent(order_id=request.order_id, type=OrderEventType.SENDING, at=rig.at, mono=rig.mono)
                outputs += [sending, *rig.outcome(request, OrderEventType.REFUSED)]
            events += [o for o in outputs if isinstance(o, OrderEvent)]
    assert sent == 3
    tomorrow = DeskRig()
    tomorrow.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN + DAY)
    tomorrow.quote("AAA", "1000")
    assert len(submitted(tomorrow.signal("AAA", Action.ENTER_LONG, n=99))) == 1


def test_positions_are_closed_before_the_session_ends() -> None:
    rig = DeskRig()
    rig.bought()
    rig.at = OPEN + 21000 * SECOND
    (exit_,) = submitted(rig.tick())
    assert exit_.purpose is OrderPurpose.FLATTEN


def test_stopping_cancels_what_rests_and_lets_no_entry_pass() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    rig.quote("BBB", "500")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, OrderEventType.ACCEPTED, "V1")
    outputs = rig.desk.apply_message(Command(verb=CommandVerb.STOP))
    assert [o.order_id for o in outputs if isinstance(o, Cancel)] == [request.order_id]
    assert events(rig.signal("BBB", Action.ENTER_LONG)) == [OrderEventType.DENIED]


def test_stopping_with_flatten_closes_what_is_open() -> None:
    rig = DeskRig(on_stop="flatten")
    rig.bought()
    (exit_,) = submitted(rig.desk.apply_message(Command(verb=CommandVerb.STOP)))
    assert (exit_.purpose, exit_.quantity) == (OrderPurpose.FLATTEN, D(10))


def test_rejects_in_a_row_halt_entries() -> None:
    rig = DeskRig(max_rejected_symbols=2)
    for n, symbol in enumerate(("AAA", "BBB"), 1):
        rig.quote(symbol, "1000")
        (request,) = submitted(rig.signal(symbol, Action.ENTER_LONG))
        rig.outcome(request, OrderEventType.SENDING)
        outputs = rig.outcome(request, OrderEventType.REFUSED)
        assert any(isinstance(o, Command) for o in outputs) is (n == 2)


def test_a_signal_on_an_index_is_denied_and_not_sent() -> None:
    rig = DeskRig()
    rig.quote("IDX", "15000", spread="0")
    outputs = rig.signal("IDX", Action.ENTER_LONG, quantity=1.0)
    assert submitted(outputs) == []
    assert events(outputs) == [OrderEventType.DENIED]


def test_recovery_rebuilds_positions_orders_and_the_day() -> None:
    rig = DeskRig()
    rig.bought(stop_loss=990.0)
    events = []
    other = DeskRig()
    other.quote("AAA", "1000")
    for outputs in (
        other.signal("AAA", Action.ENTER_LONG, stop_loss=990.0),
        [OrderEvent(order_id="T00001", type=OrderEventType.SENDING, at=OPEN)],
        other.outcome(submitted_id(other), OrderEventType.SENDING) or [],
        other.outcome(submitted_id(other), OrderEventType.ACCEPTED, "V1"),
        other.fill(submitted_id(other), 10, "1000"),
    ):
        events += [o for o in outputs if isinstance(o, OrderEvent)]
    fresh = DeskRig()
    fresh.desk.recover_state(events, adopted=(), halted="", opens_at=OPEN)
    assert fresh.desk.book.positions.position_of("AAA") == other.desk.book.positions.position_of("AAA")
    assert fresh.desk.book.positions.charges == 1
    (exit_,) = submitted(fresh.quote("AAA", "989"))
    assert exit_.purpose is OrderPurpose.STOP


def submitted_id(rig: DeskRig) -> OrderRequest:
    return next(iter(rig.desk.book.blotter.orders.values())).request
