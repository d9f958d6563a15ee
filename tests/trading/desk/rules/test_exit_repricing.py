"""Exits whose price is moved: what is asked of the venue and when, and every way the answer can come or stay away."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.desk.desk_rig import DeskRig, events, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import AccountSnapshot, Action, Cancel, Command, Incident, Modify, OrderReport
from tradebot.domain.order import (
    Order,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderRequest,
    OrderState,
    OrderTerms,
    RequestState,
    Side,
    VenueOrder,
    VenueOrderStatus,
)
from tradebot.trading.desk.desk import DeskOutput

D, E = Decimal, OrderEventType


def hanging(**settings: object) -> tuple[DeskRig, OrderRequest]:
    """A stop was hit at 989, its order rests at the venue as V2, and the market fell on to 980."""
    rig = DeskRig(chase="modify", **settings)
    rig.bought(stop_loss=990.0)
    (exit_,) = submitted(rig.quote("AAA", "989"))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    shows(rig, exit_)
    rig.quote("AAA", "980")
    return rig, exit_


def shown(rig: DeskRig, exit_: OrderRequest, **changes: object) -> VenueOrder:
    order = rig.venue_order(exit_, VenueOrderStatus.OPEN)
    return msgspec.structs.replace(order, venue_order_id="V2", **changes)  # type: ignore[arg-type]


def shows(rig: DeskRig, exit_: OrderRequest, **changes: object) -> list[DeskOutput]:
    return rig.desk.apply_message(OrderReport(order=shown(rig, exit_, **changes), mono=rig.mono))


def lists(rig: DeskRig, exit_: OrderRequest, **changes: object) -> list[DeskOutput]:
    order = shown(rig, exit_, **changes)
    return rig.desk.apply_message(
        AccountSnapshot(asked_at=rig.mono, orders=(order,), fills=(), positions=rig.positions(), cash=D(0))
    )


def changes_of(outputs: list[DeskOutput]) -> list[Modify]:
    return [o for o in outputs if isinstance(o, Modify)]


def order_of(rig: DeskRig, exit_: OrderRequest) -> Order:
    return rig.desk.book.blotter.orders[exit_.order_id]


def test_an_exit_that_hangs_has_its_price_moved_after_its_row_and_a_pass_of_the_gate() -> None:
    rig, exit_ = hanging()
    event, change = rig.tick(3.5)
    assert isinstance(event, OrderEvent)
    assert isinstance(change, Modify)
    assert (event.type, change.venue_order_id) == (E.REPLACE_SENT, "V2")
    assert len(event.checks) > 5
    assert all(line.endswith(": ok") for line in event.checks)
    asked = change.request
    assert (asked.order_id, asked.kind, asked.side, asked.quantity) == (
        exit_.order_id, OrderKind.LIMIT, Side.SELL, D(10),
    )  # fmt: skip
    assert asked.price == D("975.10")  # half a percent below 980, up to the tick
    assert rig.tick(3.5) == [], "one change at a time"


def test_without_the_setting_the_exit_is_cancelled_as_before() -> None:
    rig, _ = hanging()
    plain = DeskRig(chase="cancel")
    plain.bought(stop_loss=990.0)
    (exit_,) = submitted(plain.quote("AAA", "989"))
    plain.outcome(exit_, E.SENDING)
    plain.outcome(exit_, E.ACCEPTED, "V2")
    shows(plain, exit_)
    assert [type(o) for o in plain.tick(3.5)] == [OrderEvent, Cancel]
    assert changes_of(rig.tick(3.5))


def test_an_entry_that_hangs_is_taken_back_all_the_same() -> None:
    rig = DeskRig(chase="modify")
    rig.quote("AAA", "1000")
    (entry,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(entry, E.SENDING)
    rig.outcome(entry, E.ACCEPTED, "V1")
    rig.desk.apply_message(OrderReport(order=rig.venue_order(entry, VenueOrderStatus.OPEN), mono=rig.mono))
    assert [type(o) for o in rig.tick(3.5)] == [OrderEvent, Cancel]


@pytest.mark.parametrize("show", [shows, lists])
def test_the_new_terms_at_the_venue_confirm_the_change(show: object) -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    outputs = show(rig, exit_, kind=OrderKind.LIMIT, price=D("975.10"))  # type: ignore[operator]
    assert events(outputs) == [E.REPLACED]
    order = order_of(rig, exit_)
    assert (order.replace.state, order.replace.terms) == (RequestState.NONE, None)
    assert (order.price, order.state) == (D("975.10"), OrderState.OPEN)
    rig.quote("AAA", "970")
    (change,) = changes_of(rig.tick(3.5))
    assert change.request.price == D("965.15")


def test_a_stream_that_still_shows_the_old_terms_settles_nothing() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    rig.outcome(exit_, E.REPLACE_UNKNOWN)
    assert events(shows(rig, exit_)) == []
    assert events(lists(rig, exit_)) == [], "the request may still be on its way"
    assert order_of(rig, exit_).replace.state is RequestState.UNKNOWN


def test_an_older_frame_told_again_after_a_change_was_seen_changes_nothing_back() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    shows(rig, exit_, kind=OrderKind.LIMIT, quantity=D(10), price=D("975.10"), changed_at=rig.at + 2 * SECOND)
    assert order_of(rig, exit_).price == D("975.10")
    for changed_at in (rig.at, rig.at + SECOND):
        assert events(shows(rig, exit_, quantity=D(12), changed_at=changed_at)) == []
    assert order_of(rig, exit_).quantity == 10


def test_a_change_that_never_shows_is_settled_by_a_list_asked_for_long_after_it() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    rig.outcome(exit_, E.REPLACE_UNKNOWN)
    rig.mono += 11 * SECOND
    outputs = lists(rig, exit_)
    assert events(outputs) == [E.CHANGED]
    assert not [o for o in outputs if isinstance(o, Incident)]
    assert order_of(rig, exit_).replace.terms is None
    assert order_of(rig, exit_).replace.state is RequestState.NONE
    assert changes_of(rig.tick(0.1)), "and tried again"


def test_a_refused_change_leaves_the_cancel_as_the_only_way() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    outputs = rig.outcome(exit_, E.REPLACE_REFUSED)
    assert events(outputs) == [E.REPLACE_REFUSED, E.CANCEL_SENT]
    assert any(isinstance(o, Cancel) for o in outputs)


def test_a_fill_that_lands_during_a_change_ends_the_order_once() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    outputs = rig.fill(exit_, 10, "979", "V2")
    assert events(outputs) == [E.EXECUTED]
    order = order_of(rig, exit_)
    assert (order.state, order.replace.state, order.remaining_quantity) == (OrderState.FILLED, RequestState.NONE, 0)
    assert rig.desk.book.positions.position_of("AAA").is_flat
    assert events(rig.outcome(exit_, E.REPLACE_REFUSED)) == [E.REPLACE_REFUSED]
    assert order_of(rig, exit_).state is OrderState.FILLED


def test_half_filled_during_a_change_only_the_rest_is_exposed() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    rig.fill(exit_, 4, "979", "V2")
    assert order_of(rig, exit_).state is OrderState.PARTIAL
    assert rig.desk.book.blotter.exposure.worst_case("AAA") == (6, 0)


def test_a_price_that_would_be_no_better_is_not_sent() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    shows(rig, exit_, kind=OrderKind.LIMIT, price=D("975.10"))
    rig.quote("AAA", "985")
    assert rig.tick(3.5) == []


def test_after_as_many_changes_as_the_venue_allows_the_order_is_cancelled() -> None:
    rig, exit_ = hanging(most_changes=2)
    price = 980
    for wanted in ("975.10", "970.15"):
        (change,) = changes_of(rig.tick(3.5))
        assert change.request.price == D(wanted)
        shows(rig, exit_, kind=OrderKind.LIMIT, price=D(wanted))
        price -= 5
        rig.quote("AAA", str(price))
    assert [type(o) for o in rig.tick(3.5)] == [OrderEvent, Cancel]


def test_a_change_the_gate_denies_is_written_down_once_and_the_order_stays() -> None:
    rig, exit_ = hanging()
    rig.quote("AAA", "980")
    rig.mono += 100 * SECOND  # the reference is older than any exit may use
    outputs = rig.tick(3.5)
    assert events(outputs) == [E.REPLACE_REFUSED]
    assert not changes_of(outputs)
    assert rig.tick(0.05) == []
    assert order_of(rig, exit_).state is OrderState.OPEN


def test_the_gate_is_asked_for_the_rest_of_an_exit_that_is_filled_in_part_and_the_venue_for_its_total() -> None:
    rig, exit_ = hanging()
    rig.fill(exit_, 4, "979", "V2")
    (change,) = changes_of(rig.tick(3.5))
    assert (change.request.quantity, change.request.price) == (D(10), D("975.10"))
    assert order_of(rig, exit_).replace.terms == OrderTerms(quantity=D(10), price=D("975.10"))


def test_an_exit_that_buys_back_follows_the_price_up_and_not_down() -> None:
    rig = DeskRig(chase="modify")
    rig.desk.book.blotter.adopt_position(rig.desk.book.position_key("AAA"), D(-10), D(1000))
    rig.quote("AAA", "1011")
    (exit_,) = submitted(rig.desk.apply_message(Command(verb=CommandVerb.FLATTEN, id="f")))
    rig.outcome(exit_, E.SENDING)
    rig.outcome(exit_, E.ACCEPTED, "V2")
    shows(rig, exit_)
    assert [change.request.price for change in changes_of(rig.tick(3.5))] == [D("1016.05")]
    shows(rig, exit_, kind=OrderKind.LIMIT, price=D("1016.05"))
    rig.quote("AAA", "1010.50")
    assert rig.tick(3.5) == [], "a lower price is no better for who buys"
    rig.quote("AAA", "1011.50")
    (change,) = changes_of(rig.tick())
    assert (change.request.side, change.request.price) == (Side.BUY, D("1016.55"))


def test_the_price_that_an_order_has_is_not_asked_for_again() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    shows(rig, exit_, kind=OrderKind.LIMIT, price=D("975.10"))
    assert rig.tick(3.5) == []


def test_what_was_left_to_do_is_done_at_the_next_tick_though_no_time_went_by() -> None:
    rig, exit_ = hanging()
    rig.tick(3.5)
    shows(rig, exit_, kind=OrderKind.LIMIT, price=D("975.10"))
    assert rig.tick(3.5) == [], "the price is still the best"
    rig.quote("AAA", "970")
    assert changes_of(rig.tick(0))


def test_orders_that_work_are_not_looked_at_on_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, _ = hanging()
    live, looks = rig.desk.book.blotter.live_orders, []
    monkeypatch.setattr(rig.desk.book.blotter, "live_orders", lambda *symbol: looks.append(symbol) or live(*symbol))
    for _ in range(5):
        rig.tick()
    assert looks.count(()) == 1
