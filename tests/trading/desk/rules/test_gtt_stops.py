"""GTT stops at the desk: for positions that stay, found again by content, watched after they trigger."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, poll_account, submitted
from tests.trading.desk.venue_model import Kept, VenueModel
from tradebot.domain.messages import OrderReport
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, OrderState, Side, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.settings import RestingSettings

D = Decimal


def a_venue(gtt: str = "single", **settings: object) -> VenueModel:
    resting = msgspec.structs.replace(RestingSettings(strategies=("s",), gtt=gtt), **settings)  # type: ignore[arg-type]
    return VenueModel(DeskRig(resting=resting, product="CNC"), product="CNC")


def protected(gtt: str = "single", **levels: object) -> VenueModel:
    venue = a_venue(gtt)
    venue.buy(**levels)
    venue.run(2)
    assert len(venue.stops) == 1
    return venue


def owners_gtt(venue: VenueModel, quantity: int = 10, trigger: str = "990") -> Kept:
    """Return a GTT order that the owner has just placed in the broker's app."""
    request = OrderRequest(
        order_id="", symbol="AAA", exchange="NSE", side=Side.SELL, kind=OrderKind.STOP_LIMIT, quantity=D(quantity),
        price=D("985.05"), trigger_price=D(trigger), product="CNC", gtt=GttTerms(last_price=D(1000)),
    )  # fmt: skip
    id_ = venue._new_id("g")
    venue.orders[id_] = Kept(id_, request, VenueOrderStatus.PENDING_TRIGGER, created_at=venue.rig.at, is_tagged=False)
    return venue.orders[id_]


def state(venue: VenueModel, kept: Kept) -> OrderState:
    return venue.rig.desk.book.blotter.orders[kept.request.order_id].state


def test_a_position_that_stays_gets_a_gtt_stop_with_a_limit() -> None:
    (stop,) = protected().stops
    request = stop.request
    assert (request.kind, request.quantity, request.trigger_price, request.price, request.product) == (
        OrderKind.STOP_LIMIT, 10, D(990), D("985.05"), "CNC",
    )  # fmt: skip
    assert request.gtt == GttTerms(last_price=D(1000))


def test_an_oco_has_the_target_too() -> None:
    (stop,) = protected("oco", target=1050.0).stops
    assert stop.request.gtt == GttTerms(last_price=D(1000), target_trigger=D(1050), target_price=D("1044.75"))


def test_without_the_setting_a_position_that_stays_has_no_stop_at_the_venue() -> None:
    venue = a_venue("off")
    venue.buy()
    venue.run(5)
    assert not venue.stops


def test_one_that_triggers_is_our_order_and_its_fills_are_booked() -> None:
    venue = protected()
    (gtt,) = venue.stops
    venue.move("989")
    placed = venue.orders[gtt.placed_id]
    venue.deliver_all()  # the stream tells of an order without a tag before the list says whose it is
    assert not [order for order in venue.rig.desk.book.blotter.orders.values() if order.is_external]
    venue.trade(placed, D(10))
    venue.run(3)
    assert venue.rig.desk.book.positions.open_quantity("AAA") == 0
    assert state(venue, gtt) is OrderState.FILLED
    assert not [order for order in venue.rig.desk.book.blotter.orders.values() if order.is_external]


def test_a_triggered_one_is_not_filled_yet_and_is_chased() -> None:
    venue = protected()
    (gtt,) = venue.stops
    venue.move("960")  # through the limit: the placed order hangs
    venue.run(6)
    assert venue.orders[gtt.placed_id].status is VenueOrderStatus.CANCELED
    venue.run(2)
    (exit_,) = venue.placed_for(OrderPurpose.STOP)
    assert (exit_.request.quantity, venue.sellable) == (10, 10)


def test_the_target_of_an_oco_is_an_exit_as_well() -> None:
    venue = protected("oco", target=1050.0)
    (gtt,) = venue.stops
    venue.price = D(1051)
    venue._match()
    venue.trade(venue.orders[gtt.placed_id], D(10), D(1051))
    venue.run(3)
    assert (venue.held, venue.rig.desk.book.positions.open_quantity("AAA")) == (0, 0)


def test_one_without_an_answer_is_found_by_its_content() -> None:
    venue = a_venue()
    venue.loses_answers = True
    venue.buy()
    venue.run(4)
    (gtt,) = venue.stops
    assert state(venue, gtt) is OrderState.OPEN
    assert venue.rig.desk.book.blotter.orders[gtt.request.order_id].venue_order_id == gtt.venue_order_id
    assert len(venue.stops) == 1


@pytest.mark.parametrize(("quantity", "trigger"), [(9, "990"), (10, "989")])
def test_one_of_the_owner_with_other_terms_is_never_taken_for_ours(quantity: int, trigger: str) -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    venue.loses_answers = True
    owners = owners_gtt(venue, quantity, trigger)
    venue.run(4)
    assert owners.venue_order_id not in venue.rig.desk.book.blotter.by_venue_id
    assert owners.status is VenueOrderStatus.PENDING_TRIGGER


def test_an_older_one_of_the_owner_is_never_taken_for_ours() -> None:
    venue = a_venue()
    owners = owners_gtt(venue)
    venue.run(10)
    venue.loses_answers = True
    venue.buy()
    venue.run(4)
    assert owners.venue_order_id not in venue.rig.desk.book.blotter.by_venue_id
    (ours,) = [order for order in venue.stops if order is not owners]
    assert state(venue, ours) is OrderState.OPEN, "and nothing is in doubt because of it"


@pytest.mark.parametrize(("book", "kept"), [("gtt", True), ("orders", False)])
def test_a_list_that_cannot_be_read_does_not_say_that_one_is_absent(book: str, kept: bool) -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    venue.loses_answers = True
    venue.tick(0.1)
    (gtt,) = venue.stops
    venue.deliver_all()
    for _ in range(5):
        venue.tick(60)
        poll_account(venue.rig, UnreadRow(book=book, reason="no list"), positions=venue.rig.positions())
    assert (state(venue, gtt) is OrderState.UNKNOWN) is kept


def test_where_two_may_be_ours_the_operator_is_asked_and_none_is_placed_or_cancelled() -> None:
    venue = a_venue()
    venue.buy()
    venue.deliver_all()
    venue.loses_answers = True
    venue.tick(0.1)
    (ours,) = venue.stops
    owners = owners_gtt(venue)
    venue.run(90)
    questions = [text for text in venue.incidents if "may each be it" in text]
    assert len(questions) == 1
    assert f"the GTT orders {ours.venue_order_id}, {owners.venue_order_id} may each be it" in questions[0]
    assert state(venue, ours) is OrderState.UNKNOWN
    assert len(venue.stops) == 2
    venue.end(owners)  # the operator deletes one
    venue.run(3)
    assert state(venue, ours) is OrderState.OPEN


def test_an_order_of_the_owner_that_no_gtt_of_ours_placed_is_the_owners() -> None:
    venue = protected()
    request = OrderRequest(
        order_id="", symbol="AAA", exchange="NSE", side=Side.SELL, kind=OrderKind.LIMIT, quantity=D(10),
        price=D("985.05"), product="CNC",
    )  # fmt: skip
    kept = venue.orders["o99"] = Kept("o99", request, VenueOrderStatus.OPEN, is_tagged=False)
    venue.take(venue.rig.desk.apply_message(OrderReport(order=venue.row(kept), mono=venue.rig.mono)))
    assert "EXT-o99" not in venue.rig.desk.book.blotter.orders, "the lists have not said yet"
    venue.run(14)
    assert venue.rig.desk.book.blotter.orders["EXT-o99"].is_external


def test_one_that_a_split_disabled_is_placed_again() -> None:
    venue = protected()
    (gtt,) = venue.stops
    venue.end(gtt, VenueOrderStatus.EXPIRED)
    venue.run(6)
    assert state(venue, gtt) is OrderState.EXPIRED
    assert [order.request.trigger_price for order in venue.stops] == [D(990)]


def test_a_stop_too_near_to_the_price_is_not_placed_and_the_alarm_says_so() -> None:
    venue = a_venue()
    venue.buy(stop="998")
    venue.run(4)
    assert not venue.stops
    assert "the stop 998.0 is no further than 2.50 from the last price 1000.00" in venue.incidents[0]
    venue.move("1001")
    venue.run(1)
    assert [order.request.trigger_price for order in venue.stops] == [D(998)]


def test_beyond_the_largest_number_of_active_ones_none_is_placed() -> None:
    venue = a_venue(max_gtt=0)
    venue.buy()
    venue.run(4)
    assert not venue.stops
    assert "0 GTT orders are active" in venue.incidents[0]


def test_it_stands_over_the_end_of_its_day() -> None:
    venue = protected()
    (gtt,) = venue.stops
    desk = venue.rig.desk
    times = desk.book.conditions.times
    venue.rig.at = times.closes_at("AAA") + 1000 * 1_000_000_000
    venue.tick()
    venue.poll()
    assert state(venue, gtt) is OrderState.OPEN
    assert not submitted(venue.tick())
