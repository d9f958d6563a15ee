"""Requests: the size, the price and the levels of an order, as its signal, the settings and the market say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.trading.desk.desk_rig import DeskRig, submitted
from tradebot.domain.messages import Action, Signal
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.decisions import PlaceOrder
from tradebot.trading.desk.placing.requests import OrderRequests

D = Decimal


def entry(rig: DeskRig, action: Action = Action.ENTER_LONG, **fields: object) -> OrderRequest:
    signal = Signal(
        signal_id="1", strategy="s", symbol="AAA", action=action, bar_at=rig.at, quoted_at=rig.mono - 2,
        made_at=rig.mono - 1, **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    return rig.desk.placement.requests.build_entry(signal).request


def leaving(rig: DeskRig, symbol: str = "AAA", most: int | None = None) -> PlaceOrder:
    requests = OrderRequests(
        rig.desk.book, id_prefix="T", max_quantity=lambda instrument: None if most is None else D(most)
    )
    return requests.build_exit(symbol, purpose=OrderPurpose.STOP, reason="stop", quoted_at=7, signal=None)


def test_the_money_of_an_order_is_spent_at_the_reference_price_and_without_one_on_nothing() -> None:
    rig = DeskRig()
    assert entry(rig).quantity == 0
    rig.quote("AAA", "3000")
    assert entry(rig).quantity == 3
    assert entry(rig, quantity=7.9).quantity == 7


def test_a_protected_order_has_no_price_and_a_limit_has_the_worst_that_it_may_get() -> None:
    found = {}
    for kind in (OrderKind.MARKET, OrderKind.LIMIT):
        rig = DeskRig(order_kind=kind)
        rig.quote("AAA", "1000")
        found[kind] = [
            (request.kind, request.side, request.price, request.protection_pct)
            for request in (entry(rig), entry(rig, Action.ENTER_SHORT))
        ]
    assert found == {
        OrderKind.MARKET: [
            (OrderKind.MARKET, Side.BUY, None, D("0.5")), (OrderKind.MARKET, Side.SELL, None, D("0.5")),
        ],
        OrderKind.LIMIT: [
            (OrderKind.LIMIT, Side.BUY, D("1005.00"), None), (OrderKind.LIMIT, Side.SELL, D("995.00"), None),
        ],
    }  # fmt: skip


def test_the_worst_price_is_rounded_towards_the_reference() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    requests, instrument = rig.desk.placement.requests, rig.universe.instrument_of("AAA")
    assert requests.protected_price(instrument, Side.BUY, D("999.99")) == D("1004.95")
    assert requests.protected_price(instrument, Side.SELL, D("1000.01")) == D("995.05")
    assert requests.protected_price(instrument, Side.SELL, None) is None


@pytest.mark.parametrize("name", ["stop_loss", "trail_by", "target"])
def test_each_level_becomes_the_nearest_price_of_its_instrument_and_what_is_no_number_none(name: str) -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    others = {"stop_loss", "trail_by", "target"} - {name}
    for told, level in ((12.32, D("12.30")), (12.33, D("12.35")), (float("nan"), 0), (float("inf"), 0)):
        request = entry(rig, Action.ENTER_LONG, **{name: told})
        assert getattr(request, name) == level, told
        assert [getattr(request, other) for other in others] == [None, None]


def test_an_order_says_which_signal_led_to_it_and_when_that_was() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    request = entry(rig)
    assert (request.order_id, request.strategy, request.signal_id) == ("T00001", "s", "1")
    assert [rig.mono - at for at in (request.decided_at, request.signaled_at, request.quoted_at)] == [0, 1, 2]


@pytest.mark.parametrize(("held", "side"), [(10, Side.SELL), (-10, Side.BUY)])
@pytest.mark.parametrize(("most", "quantity"), [(None, 10), (4, 4), (10, 10), (11, 10)])
def test_an_exit_closes_as_much_as_fits_into_one_order_in_the_line_that_is_held(
    *, held: int, side: Side, most: int | None, quantity: int
) -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    rig.desk.book.blotter.adopt_position(PositionKey("", "BSE", "AAA", "CNC"), D(held), D(1000))
    place = leaving(rig, most=most)
    request = place.request
    assert (request.side, request.quantity, request.purpose) == (side, D(quantity), OrderPurpose.STOP)
    assert (request.exchange, request.product, request.strategy, request.signal_id) == ("BSE", "CNC", "", "")
    assert (place.id_, place.reference, place.inputs) == (0, D(1000), {})
    assert (request.quoted_at, request.signaled_at) == (7, 7)


def test_an_exit_of_what_the_venue_does_not_hold_is_of_the_whole_for_the_gate_to_say_so() -> None:
    rig = DeskRig()
    rig.bought()
    rig.desk.book.external.quantities["NSE", "AAA", "MIS"] = D(-4)
    assert leaving(rig).request.quantity == 6
    rig.desk.book.external.quantities["NSE", "AAA", "MIS"] = D(-10)
    assert leaving(rig).request.quantity == 10


def test_ids_count_what_was_sent_or_denied() -> None:
    rig = DeskRig()
    for n in (1, 2, 3):
        rig.quote("AAA", "1000")
        rig.signal("AAA", Action.ENTER_LONG, n=n)
        rig.tick(6)
    assert rig.desk.placement.requests.used_ids == 1, "the first one still works"
    rig.desk.book.conditions.is_stopping = True
    rig.quote("BBB", "1000")
    assert submitted(rig.signal("BBB", Action.ENTER_LONG)) == []
    assert rig.desk.placement.requests.used_ids == 2
    assert list(rig.desk.account.kept_orders()) == ["T00001", "T00002"]
