"""What orders may still do to a position: who may trade, who is reserved a while more, and the worst case of both."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.domain.order_events import order_event, request
from tradebot.clock import SECOND
from tradebot.domain.order import ZERO, Order, OrderEventType, OrderPurpose, OrderState, Side
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tradebot.trading.desk.book.exposure import Exposure

D, E = Decimal, OrderEventType


class ExposureRig:
    """Orders and open positions as a blotter keeps them, and the exposure that they make."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.open: dict[str, Position] = {}
        self.exposure = Exposure(self.orders, self.open)

    def order(
        self, name: str, *events: OrderEventType, symbol: str = "AAA", side: Side = Side.BUY, quantity: int = 2,
        purpose: OrderPurpose = OrderPurpose.ENTRY, is_proof: bool = False,
    ) -> None:  # fmt: skip
        asked = replace(request(name, quantity=quantity, side=side), symbol=symbol, purpose=purpose)
        order = open_order(order_event(name, E.INTENT, request=asked))
        for event_type in events:
            order = apply_event(order, order_event(name, event_type, mono=SECOND, is_proof=is_proof))
        self.orders[name] = order
        self.exposure.add_live(name, symbol)
        if not order.is_live:
            self.exposure.remove_live(name, symbol)
            self.exposure.add_reserved(name, symbol)

    def hold(self, quantity: int, *, symbol: str = "AAA") -> None:
        key = PositionKey("", "NSE", symbol, "MIS")
        self.open[symbol] = Position(key, D(quantity), D(100 * quantity))


WORKS = E.SENDING, E.ACCEPTED
CANCELED = *WORKS, E.SEEN_CANCELED


def test_orders_are_counted_by_symbol_from_their_beginning_to_their_end() -> None:
    rig = ExposureRig()
    for name, symbol in (("T1", "AAA"), ("T2", "AAA"), ("T3", "BBB")):
        rig.order(name, *WORKS, symbol=symbol)
    of = rig.exposure
    assert of.working == 3
    assert [[o.order_id for o in of.live_orders(s)] for s in (None, "AAA", "CCC")] == [
        ["T1", "T2", "T3"],
        ["T1", "T2"],
        [],
    ]

    of.remove_live("T1", "AAA")
    assert (of.working, of.has_live_order("AAA"), of.has_orders("AAA")) == (2, True, True)
    of.remove_live("T2", "AAA")
    assert (of.working, of.has_live_order("AAA"), of.has_orders("AAA"), of.has_live_order("BBB")) == (
        1,
        False,
        False,
        True,
    )
    of.remove_live("T3", "BBB")
    assert (list(of.live_orders()), bool(of)) == ([], False)


def test_an_order_that_was_cancelled_counts_for_two_seconds_more_and_is_told_of_when_it_ends() -> None:
    rig = ExposureRig()
    rig.order("T1", *CANCELED)
    of = rig.exposure
    for mono in (SECOND, 3 * SECOND - 1):
        assert of.expire_reserved(mono) == {"AAA"}
        assert of.worst_case("AAA") == (2, 0)
    assert (of.has_live_order("AAA"), of.has_orders("AAA"), bool(of)) == (False, True, True)
    assert of.expire_reserved(3 * SECOND) == {"AAA"}, "what it was reserved for is free"
    assert (of.worst_case("AAA"), of.has_orders("AAA"), of.expire_reserved(3 * SECOND)) == ((0, 0), False, set())


def test_an_exit_with_nothing_left_to_fill_closes_nothing() -> None:
    rig = ExposureRig()
    rig.order("T1", *WORKS, side=Side.SELL, purpose=OrderPurpose.EXIT)
    rig.orders["T1"] = replace(rig.orders["T1"], filled=D(2))
    assert not rig.exposure.has_only_closing_exit("AAA")


def test_time_does_not_go_back() -> None:
    rig = ExposureRig()
    assert rig.exposure.mono == 0, "before the first release"
    rig.order("T1", *CANCELED)
    rig.exposure.expire_reserved(3 * SECOND - 1)
    rig.exposure.expire_reserved(SECOND)
    assert rig.exposure.mono == 3 * SECOND - 1


def test_of_two_that_are_reserved_each_ends_in_its_time_and_one_that_lives_again_is_not_reserved() -> None:
    rig = ExposureRig()
    rig.order("T1", *CANCELED)
    rig.order("T2", *CANCELED)
    of = rig.exposure
    of.add_live("T1", "AAA")
    assert list(of.reserved["AAA"]) == ["T2"]
    assert [order.order_id for order in of.counted_orders("AAA")] == ["T1", "T2"], "one lives, one is reserved"
    of.add_live("T2", "AAA")
    assert of.reserved == {}


@pytest.mark.parametrize(("held", "worst"), [(0, (2, -3)), (5, (7, 2)), (-5, (-3, -8))])
def test_the_worst_case_is_that_all_buys_fill_or_all_sells(held: int, worst: tuple[int, int]) -> None:
    rig = ExposureRig()
    if held:
        rig.hold(held)
    rig.order("T1", *WORKS)
    rig.order("T2", *WORKS, side=Side.SELL, quantity=3)
    rig.order("T3", *WORKS, symbol="BBB", quantity=9)
    assert rig.exposure.worst_case("AAA") == worst
    assert rig.exposure.worst_case("CCC") == (0, 0)


def test_what_exits_close_counts_without_entries_and_without_an_exit_that_is_taken_for_absent() -> None:
    rig = ExposureRig()
    rig.hold(9)
    assert rig.exposure.closing_quantity("AAA") == ZERO
    rig.order("T1", *WORKS, side=Side.SELL, quantity=3, purpose=OrderPurpose.EXIT)
    rig.order("T2", *CANCELED, side=Side.SELL, quantity=1, purpose=OrderPurpose.STOP)
    rig.order("T3", *WORKS, quantity=5)
    rig.order("T4", E.SENDING, E.AMBIGUOUS, E.NOT_FOUND, side=Side.SELL, quantity=2, purpose=OrderPurpose.EXIT)
    assert rig.orders["T4"].state is OrderState.ABSENT
    assert rig.exposure.closing_quantity("AAA") == 4
    assert rig.exposure.worst_case("AAA") == (14, 3), "which is counted with it"


@pytest.mark.parametrize(
    ("orders", "is_alone"),
    [
        ((), False), ((OrderPurpose.EXIT,), True), ((OrderPurpose.STOP,), True), ((OrderPurpose.ENTRY,), False),
        ((OrderPurpose.EXIT, OrderPurpose.EXIT), False), ((OrderPurpose.EXIT, OrderPurpose.ENTRY), False),
    ],
)  # fmt: skip
def test_one_exit_closes_alone_where_nothing_else_works(orders: tuple[OrderPurpose, ...], is_alone: bool) -> None:
    rig = ExposureRig()
    for n, purpose in enumerate(orders):
        rig.order(f"T{n}", *WORKS, side=Side.SELL, quantity=1, purpose=purpose)
    assert rig.exposure.has_only_closing_exit("AAA") is is_alone


@pytest.mark.parametrize(
    ("events", "is_in_doubt"),
    [
        ((), True),
        ((E.SENDING,), True),
        ((E.SENDING, E.AMBIGUOUS), True),
        (WORKS, False),
        ((*WORKS, E.SEEN_OPEN), False),
    ],
)
def test_an_order_is_in_doubt_until_the_venue_has_it(events: tuple[OrderEventType, ...], is_in_doubt: bool) -> None:
    rig = ExposureRig()
    rig.order("T1", *events)
    assert rig.exposure.has_order_in_doubt("AAA") is is_in_doubt
    assert not rig.exposure.has_order_in_doubt("BBB")


def test_symbols_are_those_held_those_at_work_and_those_reserved() -> None:
    rig = ExposureRig()
    of = rig.exposure
    rig.hold(5)
    assert (set(of.exposed_symbols()), of.symbol_count_bound(), bool(of)) == ({"AAA"}, 1, True)
    rig.order("T1", *CANCELED, symbol="BBB")
    assert (set(of.exposed_symbols()), of.symbol_count_bound()) == ({"AAA", "BBB"}, 2)
    rig.order("T2", *WORKS, symbol="CCC")
    rig.order("T3", *WORKS, symbol="AAA")
    assert (set(of.exposed_symbols()), of.symbol_count_bound()) == ({"AAA", "BBB", "CCC"}, 4), (
        "a bound, and not the number"
    )
    del rig.open["AAA"]
    of.expire_reserved(3 * SECOND)
    assert set(of.exposed_symbols()) == {"AAA", "CCC"}
