"""Fills as tables and sentences: depth, queue, gaps, stops, protection."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.market_by_hand import Market, row
from tradebot.domain.instrument import Instrument
from tradebot.domain.order import Side, Validity
from tradebot.exchange.matching import protected_limit

D = Decimal
ASKS = ((100.05, 30), (100.10, 30), (100.20, 100))


@pytest.fixture
def market():
    return Market(opening=[row(0, last=100, asks=ASKS), row(1, last=100), row(2, last=100)])


@pytest.mark.parametrize(
    ("price", "quantity", "fills"),
    [
        (100.00, 10, []),
        (100.05, 10, [(10, D("100.05"))]),
        (100.05, 50, [(30, D("100.05"))]),
        (100.15, 80, [(30, D("100.05")), (30, D("100.10"))]),
        (100.20, 80, [(30, D("100.05")), (30, D("100.10")), (20, D("100.20"))]),
    ],
)
def test_an_aggressive_order_walks_the_levels_up_to_its_limit(market, price, quantity, fills):
    market.place("BUY", quantity, price=price)
    assert market.fills() == fills


def test_an_aggressive_sale_walks_the_bids_down(market):
    market.place("SELL", 150, price=99.90)
    assert market.fills() == [(100, D("99.95"))]


def test_what_was_taken_from_a_level_is_gone_until_the_depth_changes(market):
    market.place("BUY", 30, price=100.05)
    late = market.place("BUY", 10, price=100.05)
    market.show(1, row(last=100.05, asks=ASKS))
    assert market.order(late).filled == 0

    market.show(2, row(last=100.05, asks=((100.05, 5),)))
    assert market.order(late).filled == 5


def test_a_market_order_stops_at_its_protection_and_the_rest_stays_open_as_a_limit():
    market = Market(opening=[row(0, last=100, asks=((100.50, 4), (101.05, 50)))])
    order = market.order(market.place("BUY", 10, "MARKET"))
    assert market.fills() == [(4, D("100.50"))]
    assert (order.status, order.filled, order.pending, order.limit) == ("open", 4, 6, D("101"))


@pytest.mark.parametrize(
    ("side", "reference", "pct", "limit"),
    [
        (Side.BUY, 10_003, "0.5", 10_050),  # 100.53015 down to the tick
        (Side.SELL, 10_003, "0.5", 9_955),  # 99.52985 up to the tick
        (Side.BUY, 1_000, "0.2", 1_000),  # a bound below one tick leaves the reference
    ],
)
def test_the_protection_is_rounded_inwards(side, reference, pct, limit):
    instrument = Instrument(symbol="X")
    assert protected_limit(instrument, side=side, reference=reference, pct=D(pct)) == limit


def test_the_rest_of_an_ioc_order_is_cancelled(market):
    order_id = market.place("BUY", 50, price=100.05, validity=Validity.IOC)
    order = market.order(order_id)
    assert (order.status, order.filled, order.pending, order.cancelled) == ("cancelled", 30, 0, 20)
    assert market.statuses(order_id)[-3:] == ["open", "open", "cancelled"]


@pytest.mark.parametrize(("traded", "filled"), [(0, 0), (100, 0), (104, 4), (110, 10), (500, 10)], ids=lambda v: str(v))
def test_a_resting_order_waits_behind_the_queue_it_joined(market, traded, filled):
    order_id = market.place("BUY", 10, price=99.95)  # 100 are displayed there
    market.show(1, row(last=99.95, traded=traded, asks=ASKS))
    assert market.order(order_id).filled == filled


def test_the_queue_ahead_shrinks_with_each_trade_at_the_price(market):
    order_id = market.place("BUY", 10, price=99.95)
    market.show(1, row(last=99.95, traded=60, asks=ASKS))
    market.show(2, row(last=99.95, traded=45, asks=ASKS))
    assert market.order(order_id).filled == 5


def test_a_smaller_display_at_the_price_moves_an_order_forward(market):
    order_id = market.place("BUY", 10, price=99.95)
    market.show(1, row(last=100, bids=((99.95, 3),), asks=ASKS))
    market.show(2, row(last=99.95, traded=8, bids=((99.95, 3),), asks=ASKS))
    assert market.order(order_id).filled == 5


def test_an_order_inside_the_spread_is_first_in_line(market):
    order_id = market.place("BUY", 10, price=100.00)
    market.show(1, row(last=100, traded=7, asks=ASKS))
    assert market.order(order_id).filled == 7


def test_an_order_beyond_the_shown_levels_takes_no_part_before_its_price_is_shown():
    deep = [(99.95 - i * 0.05, 10) for i in range(5)]
    market = Market(opening=[row(0, last=100, bids=deep)])
    order_id = market.place("BUY", 10, price=99.50)
    market.show(1, row(last=99.50, traded=500, bids=((99.50, 40),)))
    assert market.order(order_id).filled == 0
    market.show(2, row(last=99.50, traded=45, bids=((99.50, 40),)))
    assert market.order(order_id).filled == 5


def test_trades_through_the_price_fill_up_to_their_volume(market):
    order_id = market.place("BUY", 10, price=99.95)
    market.show(1, row(last=99.90, traded=6, bids=((99.85, 50),), asks=((100.00, 50),)))
    assert (market.order(order_id).filled, market.fills()) == (6, [(6, D("99.90"))])


def test_orders_of_one_price_share_the_volume_in_the_order_they_came():
    market = Market(opening=[row(0, last=100, bids=((99.90, 1),))])
    first, second = market.place("BUY", 10, price=99.95), market.place("BUY", 10, price=99.95)
    market.show(1, row(last=99.95, traded=14, bids=((99.90, 1),)))
    assert (market.order(first).filled, market.order(second).filled) == (10, 4)


@pytest.mark.parametrize(("side", "limit", "gap", "expected"), [("BUY", 99, 97, "97.05"), ("SELL", 101, 103, "102.95")])
def test_a_gap_through_a_limit_fills_at_the_market(market, side, limit, gap, expected):
    market.place(side, 10, price=limit)
    market.show(1, row(last=gap, bids=((gap - 0.05, 50),), asks=((gap + 0.05, 50),)))
    assert market.fills() == [(10, D(expected))]


@pytest.mark.parametrize(
    ("side", "trigger", "last", "hits"),
    [
        ("BUY", 101, 100.95, False),
        ("BUY", 101, 101, True),
        ("SELL", 99, 99.05, False),
        ("SELL", 99, 99, True),
        ("SELL", 99, 97, True),
    ],
)
def test_a_stop_triggers_on_the_last_price(market, side, trigger, last, hits):
    order_id = market.place(side, 10, "SL-M", trigger=trigger)
    assert market.order(order_id).status == "awaiting trigger"
    market.show(1, row(last=last, bids=((last - 0.05, 50),), asks=((last + 0.05, 50),)))
    assert (market.order(order_id).triggered, market.order(order_id).status == "filled") == (hits, hits)


def test_a_stop_that_the_market_gapped_through_fills_at_the_market(market):
    market.place("SELL", 10, "SL-M", trigger=99)
    market.show(1, row(last=95, bids=((94.90, 50),), asks=((95.10, 50),)))
    assert market.fills() == [(10, D("94.90"))]


def test_a_stop_limit_that_the_market_gapped_beyond_rests_at_its_limit(market):
    order_id = market.place("SELL", 10, "SL", price=98.50, trigger=99)
    market.show(1, row(last=97, bids=((96.95, 50),), asks=((97.05, 50),)))
    order = market.order(order_id)
    assert (order.status, order.triggered, order.filled) == ("open", True, 0)

    market.show(2, row(last=98.60, traded=3, bids=((98.45, 50),), asks=((98.65, 50),)))
    assert market.fills() == [(3, D("98.60"))]


def test_a_stop_has_no_share_in_the_volume_that_triggered_it(market):
    order_id = market.place("SELL", 10, "SL", price=98.50, trigger=99)
    market.show(1, row(last=98.70, traded=500, bids=((98.45, 50),), asks=((98.75, 50),)))
    assert (market.order(order_id).triggered, market.order(order_id).filled) == (True, 0)


def test_bids_filled_inside_one_step_follow_every_row_of_it(market):
    order_id = market.place("BUY", 10, price=99.00)
    market.show(1, row(last=98.90, traded=4, bids=(), asks=()), row(last=100, asks=ASKS))
    assert market.order(order_id).filled == 4


PRICES = st.integers(9_700, 10_300).map(lambda units: D(units // 5 * 5) / 100)
SIZES = st.integers(1, 60)
MOVES = st.lists(st.tuples(PRICES, SIZES, SIZES, st.integers(0, 80)), min_size=1, max_size=12)
ORDERS = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), PRICES, SIZES, st.sampled_from(["LIMIT", "MARKET"])), max_size=8
)


@given(moves=MOVES, orders=ORDERS)
def test_no_fill_is_worse_than_the_limit_and_nothing_fills_twice(moves, orders):
    market = Market(cash=10_000_000)
    waiting = list(orders)
    for second, (last, bid_size, ask_size, traded) in enumerate(moves, 1):
        if waiting:
            side, price, quantity, kind = waiting.pop()
            market.place(side, quantity, kind, price=price if kind == "LIMIT" else None)
        depth = {"bids": ((float(last) - 0.05, bid_size),), "asks": ((float(last) + 0.05, ask_size),)}
        market.show(second, row(last=float(last), traded=traded, **depth))
    for order in market.exchange.latest_orders():
        fills = [t for t in market.exchange.trade_rows() if t.order_id == order.order_id]
        assert sum(t.quantity for t in fills) == order.filled <= order.ticket.quantity
        assert all((t.price - order.limit) * order.ticket.side.sign <= 0 for t in fills)
