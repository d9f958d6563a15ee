"""The account as a fold of fills: positions, holdings, funds, charges, and the next morning."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.market_by_hand import OPENS_AT, Market, row
from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.order import Side
from tradebot.exchange.account import Account, DematHolding, InstrumentMark, OpeningBalance
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.ticket import Conversion, TradeRow

D = Decimal
DAY, NEXT_DAY = date(2026, 9, 1), date(2026, 9, 2)


def account(cash=100_000, last=100, holdings=()):
    mark = InstrumentMark(kind=InstrumentKind.EQUITY, last_price=D(last), previous_close=D(99))
    return Account(OpeningBalance(cash=D(cash), holdings=tuple(holdings)), mark=lambda symbol: mark, session_day=DAY)


def trade(side, quantity, price, *, order="1", product="MIS", symbol="RELIANCE", at=OPENS_AT):
    return TradeRow(
        trade_id="1",
        order_id=order,
        exchange_order_id="2",
        symbol=symbol,
        exchange="NSE",
        product=product,
        side=Side(side),
        quantity=D(quantity),
        price=D(str(price)),
        traded_at=at,
    )


# fills -> quantity, average price, realised; the last price is 100
POSITIONS = [
    ([("BUY", 10, 90), ("BUY", 10, 100)], 20, "95", "0", "100"),
    ([("BUY", 10, 90), ("SELL", 4, 100)], 6, "90", "40", "60"),
    ([("SELL", 10, 110), ("BUY", 4, 105)], -6, "110", "20", "60"),
    ([("BUY", 10, 90), ("SELL", 15, 98)], -5, "98", "80", "-10"),
    ([("BUY", 10, 90), ("SELL", 10, 80)], 0, "0", "-100", "0"),
]


@pytest.mark.parametrize(("fills", "quantity", "price", "realised", "unrealised"), POSITIONS)
def test_a_position_follows_its_fills(fills, quantity, price, realised, unrealised):
    books = account()
    for number, fill in enumerate(fills):
        books.book_fill(trade(*fill, order=str(number)))
    (position,) = books.net_positions()
    assert (position.quantity, position.average_price) == (quantity, D(price))
    assert (position.realised, position.unrealised) == (D(realised), D(unrealised))
    assert position.pnl == D(realised) + D(unrealised) == position.value + position.quantity * position.last_price


def test_products_are_kept_apart():
    books = account()
    books.book_fill(trade("BUY", 10, 100))
    books.book_fill(trade("SELL", 10, 100, product="CNC"))
    assert [(p.product, p.quantity) for p in books.net_positions()] == [("MIS", 10), ("CNC", -10)]


def test_charges_are_taken_from_the_cash_once_per_order():
    books = account()
    first = books.book_fill(trade("BUY", 500, 100))
    second = books.book_fill(trade("BUY", 500, 100))
    assert (first.brokerage, second.brokerage) == (15, 5)  # 0.03% capped at 20 rupees an order
    assert books.cash == 100_000 - 100_000 - books.total_charges
    assert books.total_charges == first.total + second.total


def test_the_depository_fee_is_paid_once_per_share_and_day():
    books = account(holdings=[DematHolding(symbol="TCS", exchange="NSE", quantity=D(10), average_price=D(90))])
    first = books.book_fill(trade("SELL", 2, 100, order="1", product="CNC", symbol="TCS"))
    second = books.book_fill(trade("SELL", 2, 100, order="2", product="CNC", symbol="TCS"))
    assert (first.dp, second.dp) == (13, 0)


def test_an_intraday_position_blocks_a_fifth_and_a_delivery_its_whole_cost():
    books = account()
    books.book_fill(trade("BUY", 100, 100))
    books.book_fill(trade("BUY", 100, 100, order="2", product="CNC", symbol="TCS"))
    funds = books.margin_summary()
    assert (funds.positions, funds.delivery, funds.used) == (2_000, 10_000, 12_000)
    assert funds.net == 100_000 - 12_000 - books.total_charges


def test_holdings_sold_today_are_credited_and_shown_as_used():
    books = account(cash=0, holdings=[DematHolding(symbol="TCS", exchange="NSE", quantity=D(10), average_price=D(90))])
    assert books.sellable_quantity("NSE", "TCS") == 10
    books.book_fill(trade("SELL", 4, 100, product="CNC", symbol="TCS"))
    (holding,) = books.demat_holdings()
    assert (holding.quantity, holding.used_quantity, books.sellable_quantity("NSE", "TCS")) == (10, 4, 6)
    assert books.margin_summary().net == 400 - books.total_charges


def test_overnight_deliveries_become_holdings_and_the_rest_is_carried():
    books = account()
    books.book_fill(trade("BUY", 10, 90, product="CNC"))
    books.book_fill(trade("SELL", 5, 110, order="2", symbol="TCS"))
    cash = books.cash
    books.roll_to_day(NEXT_DAY)
    (holding,) = books.demat_holdings()
    (carried,) = books.net_positions()
    assert (holding.symbol, holding.owned_quantity, holding.average_price) == ("RELIANCE", 10, 90)
    assert (holding.quantity, holding.t1_quantity) == (0, 10), "bought yesterday, delivered tonight"
    books.roll_to_day(NEXT_DAY + timedelta(1))
    assert [(h.quantity, h.t1_quantity) for h in books.demat_holdings()] == [(10, 0)]
    assert (carried.symbol, carried.quantity, carried.overnight_quantity) == ("TCS", -5, -5)
    assert (books.total_charges, books.cash, books.day_positions()) == (0, cash, [])
    # Carried from 110, marked at 99 yesterday and 100 now: profit 50 in all, a loss of 5 today.
    assert (carried.pnl, carried.m2m) == (50, -5)


def conversion(quantity, *, side="BUY", was="MIS", becomes="CNC", is_carried=False):
    return Conversion(
        exchange="NSE", symbol="RELIANCE", side=Side(side), quantity=D(quantity), was=was, becomes=becomes,
        is_carried=is_carried,
    )  # fmt: skip


def test_a_converted_position_shows_under_its_new_product_at_its_cost():
    books = account()
    books.book_fill(trade("BUY", 10, 90))
    books.book_fill(trade("SELL", 4, 100, order="2"))
    asked = conversion(5)
    assert books.conversion_margin(asked) == 450 - 90, "delivery is paid in full, intraday for a fifth"
    books.convert_position(asked)
    rows = {p.product: p for p in books.net_positions()}
    assert [(p, r.quantity, r.average_price, r.realised) for p, r in rows.items()] == [
        ("MIS", 1, 90, 40),
        ("CNC", 5, 90, 0),
    ]
    assert (books.sellable_quantity("NSE", "RELIANCE"), books.used_margin) == (5, 450 + 18)
    books.roll_to_day(NEXT_DAY)
    assert [(h.t1_quantity, h.average_price) for h in books.demat_holdings()] == [(5, 90)]


FILLS = st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 20), st.integers(90, 110)), max_size=12)


@given(FILLS, FILLS, st.floats(0, 1, exclude_max=True), st.booleans())
def test_no_conversion_makes_or_loses_money(yesterday, fills, part, is_carried):
    books = account()
    for number, fill in enumerate(yesterday):
        books.book_fill(trade(*fill, order=f"y{number}", product="NRML"))
    books.roll_to_day(NEXT_DAY)
    for number, fill in enumerate(fills):
        books.book_fill(trade(*fill, order=str(number), product="NRML"))
    side = next((Side.BUY if p.quantity > 0 else Side.SELL for p in books.net_positions()), Side.BUY)
    most = books.convertible_quantity(conversion(1, side=side, was="NRML", becomes="MIS", is_carried=is_carried))
    if not most:
        return
    quantity = 1 + int(part * int(most))
    before, pnl = books.cash + books._cost, sum(position.pnl for position in books.net_positions())
    books.convert_position(conversion(quantity, side=side, was="NRML", becomes="MIS", is_carried=is_carried))
    assert books.cash + books._cost == before
    assert sum(position.pnl for position in books.net_positions()) == pnl
    for position in books.net_positions():
        assert position.pnl == position.value + position.quantity * position.last_price
        assert position.quantity == position.buy_quantity - position.sell_quantity


def test_a_resumed_account_holds_what_was_converted(tmp_path):
    path = tmp_path / "exchange.jsonl"
    with EventLog(path) as log:
        market = Market(log=log)
        market.place("BUY", 10, price=100.05)
        market.exchange.convert_position(conversion(4))
        market.exchange.end_session("stopped")
        left = [(r.product, r.quantity) for r in market.exchange.account.net_positions()]
    with EventLog(path) as log:
        again = Market(log=log, resume=path)
    assert [(r.product, r.quantity) for r in again.exchange.account.net_positions()] == left == [("MIS", 6), ("CNC", 4)]


def test_holdings_that_were_sold_leave_overnight():
    books = account(holdings=[DematHolding(symbol="TCS", exchange="NSE", quantity=D(10), average_price=D(90))])
    books.book_fill(trade("SELL", 10, 100, product="CNC", symbol="TCS"))
    books.roll_to_day(NEXT_DAY)
    assert (books.demat_holdings(), books.net_positions(), books.sellable_quantity("NSE", "TCS")) == ([], [], 0)


def test_an_exit_needs_no_funds_but_turning_round_does():
    market = Market(cash=201)
    market.place("BUY", 10, price=100.05)
    assert market.order(market.place("SELL", 10, price=101)).status == "open"
    assert market.order(market.place("SELL", 15, price=101)).status == "rejected"


# A stop -> what it blocks beside a position of 10 shares at 100.05 (held) and as 30 shares, of which 20 would open:
# a fifth of 20 shares at the limit, else the trigger, less the cost that closing the position frees.
EXIT_STOPS = [({"kind": "SL", "price": 95, "trigger": 96}, "179.90"), ({"kind": "SL-M", "trigger": 96}, "183.90")]


@pytest.mark.parametrize(("stop", "beyond"), EXIT_STOPS)
def test_a_resting_stop_blocks_nothing_for_what_it_closes_and_margin_for_what_it_would_open(stop, beyond):
    market = Market()
    market.place("BUY", 10, price=100.05)
    before = market.exchange.account.used_margin

    exit_stop = market.place("SELL", 10, **stop)
    assert market.order(exit_stop).status == "awaiting trigger"
    assert market.exchange.account.used_margin == before == D("200.10")

    market.exchange.modify_order(exit_stop, quantity=D(30))
    market.to(1)
    assert market.exchange.account.margin_summary().orders == D(beyond)


# Of a stop that buys, the dearest price that it may pay counts: its limit, else its trigger and the protection of 1%.
COVER_STOPS = [({"kind": "SL", "price": 105, "trigger": 104}, "220.10"), ({"kind": "SL-M", "trigger": 104}, "220.26")]


@pytest.mark.parametrize(("stop", "beyond"), COVER_STOPS)
def test_a_resting_stop_of_a_short_position_counts_at_the_dearest_price_it_may_pay(stop, beyond):
    market = Market()
    market.place("SELL", 10, price=99.95)
    cover = market.place("BUY", 10, **stop)
    assert market.exchange.account.margin_summary().orders == 0
    market.exchange.modify_order(cover, quantity=D(30))
    market.to(1)
    assert market.exchange.account.margin_summary().orders == D(beyond)


def test_an_account_without_free_funds_may_protect_its_position_and_no_more():
    market = Market(cash=201)
    market.place("BUY", 10, price=100.05)
    stop = {"kind": "SL", "price": 95, "trigger": 96}
    assert market.order(market.place("SELL", 30, **stop)).status == "rejected"
    assert market.order(market.place("SELL", 10, **stop)).status == "awaiting trigger"


def test_a_stop_that_outlives_its_position_blocks_the_margin_of_a_new_one():
    market = Market()
    market.place("BUY", 10, price=100.05)
    stop = market.place("SELL", 10, kind="SL", price=95, trigger=96)
    market.place("SELL", 10, price=99.95)
    assert market.exchange.account.used_margin == 190  # a fifth of a short sale of 10 shares at 95
    market.exchange.cancel_order(stop)
    market.to(1)
    assert market.exchange.account.used_margin == 0


def test_a_stop_for_shares_of_the_demat_account_blocks_the_shares_and_no_money():
    held = [DematHolding(symbol="RELIANCE", exchange="NSE", quantity=D(10), average_price=D(90))]
    market = Market(holdings=tuple(held))
    market.place("SELL", 10, kind="SL", price=95, trigger=96, product="CNC")
    assert market.exchange.account.used_margin == 0
    with pytest.raises(ExchangeRefusal, match="1 is more than the 0"):
        market.place("SELL", 1, price=101, product="CNC")


def test_shares_in_a_working_delivery_sale_cannot_be_sold_twice():
    held = [DematHolding(symbol="RELIANCE", exchange="NSE", quantity=D(10), average_price=D(90))]
    market = Market(holdings=tuple(held))
    market.place("SELL", 6, price=101, product="CNC")
    assert market.exchange.account.sellable_quantity("NSE", "RELIANCE") == 10
    with pytest.raises(ExchangeRefusal, match="5 is more than the 4"):
        market.place("SELL", 5, price=101, product="CNC")


def test_unrealised_profit_follows_the_last_price():
    market = Market()
    market.place("BUY", 10, price=100.05)
    market.show(1, row(last=103))
    assert market.exchange.account.margin_summary().unrealised == D("29.50")


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 5_000),
        st.integers(1, 4_000_000).map(lambda ticks: D(ticks) / 20),
        st.sampled_from(["RELIANCE", "TCS"]),
        st.sampled_from(["MIS", "CNC"]),
    ),
    max_size=30,
)


@given(fills=FILLS)
def test_cash_cost_profit_and_charges_add_up_exactly(fills):
    books = account(cash=50_000)
    total = D(0)
    for number, (side, quantity, price, symbol, product) in enumerate(fills):
        bill = books.book_fill(trade(side, quantity, price, order=str(number % 5), symbol=symbol, product=product))
        total += bill.total
    rows = books.net_positions()
    cost = sum((p.quantity * p.last_price - p.unrealised for p in rows), D(0))
    realised = sum((p.realised for p in rows), D(0))
    assert books.total_charges == total
    assert books.cash + cost == 50_000 + realised - books.total_charges
    assert books.cash == 50_000 + sum((p.value for p in rows), D(0)) - books.total_charges
    assert all(p.pnl == p.value + p.quantity * p.last_price for p in rows)
    assert books.margin_summary().net == 50_000 + realised - books.total_charges - books.used_margin
