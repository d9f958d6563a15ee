"""Resting stops at the desk: placed for what is filled, moved, shrunk, cancelled before another exit, and refused."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tests.trading.desk.venue_model import RESTING, VenueModel
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import Action, Cancel, Command, Modify
from tradebot.domain.order import (
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderPurpose,
    OrderState,
    Side,
    VenueOrderStatus,
)
from tradebot.trading.desk.gate.limits import Limits, build_gate

D = Decimal


def a_venue(**settings: object) -> VenueModel:
    changed = msgspec.structs.replace(RESTING, **settings)  # type: ignore[arg-type]
    return VenueModel(DeskRig(resting=changed))


def protected(**settings: object) -> VenueModel:
    """A venue at which ten shares are held and their stop at 990 rests."""
    venue = a_venue(**settings)
    venue.buy()
    venue.run(1)
    assert [(order.request.quantity, order.request.trigger_price) for order in venue.stops] == [(D(10), D(990))]
    return venue


def position(venue: VenueModel) -> Decimal:
    return venue.rig.desk.book.positions.open_quantity("AAA")


def test_a_filled_entry_gets_a_stop_at_the_venue_within_a_tick_of_its_fill() -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    (stop,) = submitted(venue.tick())
    assert (stop.kind, stop.side, stop.quantity, stop.trigger_price) == (OrderKind.STOP_MARKET, Side.SELL, 10, D(990))
    assert (stop.purpose, stop.product, stop.protection_pct) == (OrderPurpose.RESTING_STOP, "MIS", D("0.5"))
    venue.deliver_all()
    venue.tick()
    assert list(venue.rig.desk.rules.resting_stops.delays) == [100_000_000]  # with the tick that sees it


def test_where_the_venue_takes_no_sl_m_the_stop_has_a_limit() -> None:
    venue = a_venue(stop_market=())
    venue.buy()
    venue.deliver_all()
    (stop,) = submitted(venue.tick())
    assert (stop.kind, stop.trigger_price, stop.price, stop.protection_pct) == (
        OrderKind.STOP_LIMIT, D(990), D("985.05"), None,
    )  # fmt: skip


@pytest.mark.parametrize("settings", [{"strategies": ()}, {"strategies": ("another",)}])
def test_a_strategy_that_wants_none_gets_none(settings: dict[str, object]) -> None:
    venue = a_venue(**settings)
    venue.buy()
    venue.run(5)
    assert not venue.stops
    assert not venue.incidents


def test_an_entry_without_a_stop_gets_none() -> None:
    venue = a_venue()
    venue.buy(stop=None, target=1100.0)
    venue.run(5)
    assert not venue.stops
    assert not venue.incidents


def test_it_covers_what_is_filled_and_grows_with_the_entry() -> None:
    venue = a_venue()
    entry = venue.buy(quantity=3)
    venue.run(1)
    assert [order.request.quantity for order in venue.stops] == [3]
    (working,) = [order for order in venue.orders.values() if order.request.order_id == entry.order_id]
    venue.trade(working, D(7))
    venue.run(2)
    assert [order.request.quantity for order in venue.stops] == [10]
    assert len(venue.stops_placed) == 1


def test_the_stop_fires_at_the_venue_and_nothing_is_sold_twice() -> None:
    venue = protected()
    venue.move("989")
    (stop,) = venue.stops_placed
    assert stop.status is VenueOrderStatus.OPEN
    venue.tick()
    venue.trade(stop, D(10))
    venue.run(5)
    assert (venue.held, position(venue), venue.sellable) == (0, 0, 0)
    assert not venue.incidents


def test_a_part_of_a_triggered_stop_that_hangs_as_a_limit_is_chased() -> None:
    venue = protected()
    venue.move("989")
    (stop,) = venue.stops_placed
    venue.trade(stop, D(4))
    venue.move("970")
    venue.run(5)
    assert stop.status is VenueOrderStatus.CANCELED
    venue.run(3)
    (exit_,) = venue.placed_for(OrderPurpose.STOP)
    assert exit_.request.quantity == 6
    venue.trade(exit_, D(6))
    venue.run(1)
    assert (venue.held, position(venue), venue.sellable) == (0, 0, 0)


def test_the_desks_own_stop_closes_what_the_venue_does_not_trigger() -> None:
    venue = protected()
    (stop,) = venue.stops
    stop.request = msgspec.structs.replace(stop.request, trigger_price=D(1))  # the venue sleeps
    venue.move("989")
    for _ in range(28):
        venue.tick(0.1)
    assert not [output for output in venue.outputs if isinstance(output, Cancel)], "the venue is given three seconds"
    venue.run(1)
    assert stop.status is VenueOrderStatus.CANCELED
    venue.run(3)
    (exit_,) = venue.placed_for(OrderPurpose.STOP)
    assert (exit_.request.quantity, venue.sellable) == (10, 10)


def test_at_the_target_the_stop_is_cancelled_and_only_then_the_shares_are_sold() -> None:
    venue = a_venue()
    venue.buy(target=1010.0)
    venue.run(1)
    venue.move("1011")
    assert not venue.stops
    for _ in range(10):
        venue.tick(0.1)
    assert venue.sellable == 0, "the cancel has not been reported yet"
    venue.run(1.5)
    assert venue.sellable == 0, "a fill of the stop may still come"
    venue.run(1)
    (exit_,) = venue.placed_for(OrderPurpose.TARGET)
    assert (exit_.request.quantity, venue.sellable) == (10, 10)


def test_a_stop_that_filled_before_its_cancel_arrived_is_counted() -> None:
    venue = a_venue()
    venue.buy(target=1010.0)
    venue.run(1)
    (stop,) = venue.stops
    stop.status = VenueOrderStatus.OPEN
    venue.trade(stop, D(4), D(990))  # in the second of the target's touch; the reports are still on their way
    venue.move("1011")
    venue.run(4)
    (exit_,) = venue.placed_for(OrderPurpose.TARGET)
    assert exit_.request.quantity == 6
    assert (venue.held, venue.sellable) == (6, 6)


def cancelled_at_target() -> VenueModel:
    """The target is touched, and the cancel of the stop is reported."""
    venue = a_venue()
    venue.buy(target=1010.0)
    venue.run(1)
    venue.move("1011")
    venue.deliver_all()
    return venue


def cancelled_and_filled_unseen() -> VenueModel:
    """At the target the stop is cancelled, and fills all the same; of both only the cancel is reported."""
    venue = cancelled_at_target()
    (stop,) = venue.stops_placed
    venue.tick(0.2)
    stop.filled, venue.held = D(10), D(0)
    fill = msgspec.structs.replace(
        venue.fills[0], execution_id="late", venue_order_id=stop.venue_order_id, side=Side.SELL, price=D(990)
    )
    venue.fills.append(fill)
    return venue


def test_the_exit_after_a_stop_waits_for_a_list_that_shows_what_the_stop_sold() -> None:
    venue = cancelled_and_filled_unseen()
    for _ in range(30):
        venue.tick(0.1)
    assert venue.sellable == 0, "no list has come"
    due_mono = venue.rig.desk.account.next_poll_at()
    assert due_mono is not None
    assert due_mono <= venue.rig.mono
    venue.poll()
    venue.run(1)
    assert (venue.sellable, position(venue)) == (0, 0)
    assert venue.rig.desk.account.next_poll_at() is None


def test_a_list_requested_before_the_last_moment_for_late_fills_frees_nothing() -> None:
    venue = cancelled_at_target()
    for _ in range(19):
        venue.tick(0.1)
        venue.poll()
    for _ in range(20):
        venue.tick(0.1)
    assert venue.sellable == 0
    venue.poll()
    venue.tick(0.1)
    assert venue.sellable == 10


def test_where_no_list_comes_the_exit_leaves_ten_seconds_later() -> None:
    venue = cancelled_at_target()
    for _ in range(119):
        venue.tick(0.1)
    assert venue.sellable == 0
    for _ in range(3):
        venue.tick(0.1)
    assert venue.sellable == 10


def test_a_trailing_stop_moves_by_steps_and_not_too_often() -> None:
    venue = a_venue(min_step_pct=D("0.5"), min_interval_s=5.0)
    venue.buy(stop=None, trail_by=10.0)
    venue.run(1)
    assert [order.request.trigger_price for order in venue.stops] == [D(990)]
    venue.move("1003")
    venue.run(6)
    assert [order.request.trigger_price for order in venue.stops] == [D(990)], "less than half a percent"
    venue.move("1006")
    venue.run(1)
    assert [order.request.trigger_price for order in venue.stops] == [D(996)]
    venue.move("1020")
    venue.run(3)
    assert [order.request.trigger_price for order in venue.stops] == [D(996)], "not within five seconds"
    venue.run(3)
    assert [order.request.trigger_price for order in venue.stops] == [D(1010)]


def test_a_stop_whose_changes_are_used_up_is_cancelled_and_seen_cancelled_before_a_new_one() -> None:
    venue = a_venue(min_interval_s=0.5, min_step_pct=D(0), most_changes=3)
    venue.buy(stop=None, trail_by=10.0)
    venue.run(1)
    for price in range(1001, 1012):
        venue.move(str(price))
        venue.run(1)
        assert venue.sellable <= venue.held
    venue.run(4)
    ids = [order.request.order_id for order in venue.stops_placed]
    assert len(ids) > 1
    assert len(venue.stops) == 1
    for id_ in ids:
        assert len([o for o in venue.outputs if isinstance(o, Modify) and o.order_id == id_]) <= 3


def test_what_the_owner_sells_is_taken_off_the_stop() -> None:
    venue = protected()
    venue.owner_trades(Side.SELL, 4)
    venue.run(6)
    assert position(venue) == 6
    assert venue.sellable == 6


def test_what_the_owner_sells_whole_leaves_no_stop() -> None:
    venue = protected()
    venue.owner_trades(Side.SELL, 10)
    venue.run(6)
    assert (position(venue), venue.sellable) == (0, 0)


def test_a_stop_that_another_person_cancels_is_placed_again() -> None:
    venue = protected()
    venue.end(venue.stops[0])
    venue.run(4)
    assert [(order.request.quantity, order.request.trigger_price) for order in venue.stops] == [(10, D(990))]
    assert venue.sellable == 10


def test_a_refused_stop_raises_the_alarm_and_closes_the_symbol_to_entries_until_one_rests() -> None:
    venue = a_venue()
    venue.refuses = "no SL-M today"
    venue.buy()
    venue.run(4)
    (alarm,) = [text for text in venue.incidents if "no resting stop" in text]
    assert alarm.startswith("AAA: 10 of 10 shares have had no resting stop for 3.")
    assert "no SL-M today; the stop of the daemon at 990 holds" in alarm
    assert "no SL-M today" in venue.rig.desk.book.conditions.entries_closed("AAA")
    assert position(venue) == 10, "the desk's own stop holds it"
    assert venue.rig.desk.book.conditions.halt_reason_for("AAA") == "", "no halt that a person has to end"
    venue.refuses = ""
    venue.run(65)
    assert len(venue.stops) == 1
    assert venue.rig.desk.book.conditions.entries_closed("AAA") == ""


def test_a_refused_stop_closes_the_position_where_the_policy_says_so() -> None:
    venue = a_venue(on_refusal="exit")
    venue.refuses = "no SL-M today"
    venue.buy()
    venue.run(5)
    exits = venue.placed_for(OrderPurpose.STOP)
    assert [order.request.quantity for order in exits] == [10]


def test_a_resume_of_the_operator_tries_at_once() -> None:
    venue = a_venue()
    venue.refuses = "no SL-M today"
    venue.buy()
    venue.run(20)
    venue.refuses = ""
    venue.take(venue.rig.desk.apply_message(Command(verb=CommandVerb.RESUME)))
    venue.run(1)
    assert len(venue.stops) == 1


def test_the_stop_rests_while_the_daemon_stops() -> None:
    venue = protected()
    venue.take(venue.rig.desk.apply_message(Command(verb=CommandVerb.STOP)))
    venue.run(2)
    assert len(venue.stops) == 1


def test_a_fill_that_arrives_while_the_daemon_stops_is_protected_too() -> None:
    venue = a_venue()
    venue.buy()
    venue.take(venue.rig.desk.apply_message(Command(verb=CommandVerb.STOP)))
    venue.run(1)
    assert [order.request.quantity for order in venue.stops] == [10]


def test_a_signal_to_exit_cancels_the_stop_first() -> None:
    venue = protected()
    venue.take(venue.rig.signal("AAA", Action.EXIT_LONG))
    assert venue.sellable == 0
    venue.run(3)
    (exit_,) = venue.placed_for(OrderPurpose.EXIT)
    venue.trade(exit_, D(10))
    venue.run(3)
    assert (venue.held, venue.sellable, position(venue)) == (0, 0, 0)


def test_no_stop_is_placed_that_would_fire_at_once() -> None:
    venue = a_venue()
    venue.buy()
    venue.move("985")
    venue.run(1)
    venue.move("984")
    venue.run(1)
    assert not venue.stops_placed
    assert venue.placed_for(OrderPurpose.STOP)


def test_an_answer_that_got_lost_leads_to_no_second_stop() -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    venue.loses_answers = True
    venue.run(6)
    assert len(venue.stops_placed) == 1
    assert venue.sellable == 10


def test_a_day_without_quotes_does_not_keep_a_stop_from_the_venue() -> None:
    venue = a_venue()
    entry = venue.buy(quantity=5)
    venue.run(100)
    (working,) = [order for order in venue.orders.values() if order.request.order_id == entry.order_id]
    assert [order.request.quantity for order in venue.stops] == [5]
    venue.end(venue.stops[0])
    venue.run(4)
    assert [order.request.quantity for order in venue.stops] == [5]
    assert working.status is not VenueOrderStatus.OPEN


def with_kill(venue: VenueModel) -> list[str]:
    """Give the desk all controls; what stands in the list is the reason of a kill, and no order leaves."""
    killed: list[str] = []
    limits = Limits(stale_after_s=15.0)
    venue.rig.desk.placement._gate = build_gate(limits, kill_reason=lambda: killed[0] if killed else "")
    return killed


def test_after_a_kill_the_stop_of_a_position_rests_whatever_asks_for_its_exit() -> None:
    venue = a_venue()
    killed = with_kill(venue)
    venue.buy(target=1040.0)
    venue.run(1)
    killed.append("wrong limits")
    venue.move("1041")
    venue.run(6)
    assert len(venue.stops) == 1, "without it nothing would guard the position: no exit can leave"
    denied = [e for e in venue.outputs if isinstance(e, OrderEvent) and e.type is OrderEventType.DENIED]
    assert [event.reason for event in denied] == ["kill: wrong limits"]
    killed.clear()
    venue.run(3)
    assert not venue.stops
    (exit_,) = venue.placed_for(OrderPurpose.TARGET)
    assert (exit_.request.quantity, venue.sellable) == (10, 10)


def test_after_a_kill_a_stop_whose_changes_are_used_up_is_not_given_up_for_one_that_cannot_leave() -> None:
    venue = a_venue(min_interval_s=0.5, min_step_pct=D(0), most_changes=0)
    killed = with_kill(venue)
    venue.buy(trail_by=10.0)
    venue.run(1)
    killed.append("wrong limits")
    venue.move("1005")
    venue.run(6)
    assert [order.request.trigger_price for order in venue.stops] == [D(990)]
    killed.clear()
    venue.run(6)
    assert [order.request.trigger_price for order in venue.stops] == [D(995)]


def test_the_denial_of_a_stop_does_not_hide_that_of_the_exit() -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    venue.rig.desk.placement._gate = build_gate(Limits(stale_after_s=15.0), kill_reason=lambda: "asked")
    venue.tick()
    venue.take(venue.rig.signal("AAA", Action.EXIT_LONG, n=2))
    venue.run(3)
    denied = [
        (order.request.purpose, order.reason)
        for order in venue.rig.desk.book.blotter.orders.values()
        if order.state is OrderState.DENIED
    ]
    assert denied == [(OrderPurpose.RESTING_STOP, "kill: asked"), (OrderPurpose.EXIT, "kill: asked")]


def test_a_larger_quantity_that_the_venue_has_not_confirmed_protects_nothing() -> None:
    venue = a_venue()
    venue.buy(quantity=4)
    venue.run(1)
    venue.trade(next(iter(venue.orders.values())), D(6))
    venue.deliver_all()
    for _ in range(40):  # the change leaves, and what the venue says of it is lost
        venue.tick(0.1)
        venue.way.clear()
    assert [order.request.quantity for order in venue.stops] == [10]
    view = venue.rig.desk.rules.resting_stops.views()
    assert [(row.quantity, row.resting) for row in view] == [(10, 4)]
    assert any(text.startswith("AAA: 6 of 10 shares have had no resting stop for 3.") for text in venue.incidents)


def test_shares_whose_exit_waits_for_a_stop_in_doubt_are_told() -> None:
    venue = a_venue()
    venue.loses_answers = True
    venue.buy()
    venue.deliver_all()
    for _ in range(10):  # its answer and its reports are lost, and the price reaches it
        venue.tick(0.1)
        venue.way.clear()
    venue.take(venue.rig.signal("AAA", Action.EXIT_LONG, n=2))
    for _ in range(40):
        venue.tick(0.1)
        venue.way.clear()
    (alarm,) = [text for text in venue.incidents if "no resting stop" in text]
    assert "10 of 10 shares have had no resting stop for 3." in alarm
    assert "their exit waits until it is known what became of the stop" in alarm
