"""The broker's risk desk: at its time it cancels intraday orders, closes their positions, and takes no fresh ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.exchange.market_by_hand import SHARES, Market, dated_market, row, ticket
from tradebot.clock import MINUTE, SECOND, ManualClock, parse_iso
from tradebot.exchange.account import DematHolding
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.account_faults import AccountFaults
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.latency import Latency
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.exchange.risk_desk import CANCELLED_REASON, RiskDesk
from tradebot.exchange.ticket import BookOrder, BookStatus, PlacedBy
from tradebot.markets.hours import NEVER, risk_desk_times
from tradebot.markets.market import HOME_MARKET

D = Decimal
OPENS_AT = parse_iso("2026-08-03T09:15:00+05:30")
EARLY, LATE = 5 * 3600 + 57 * 60, 6 * 3600 + 10 * 60  # seconds from the open to 15:12 and 15:25
HELD = DematHolding(symbol="RELIANCE", exchange="NSE", quantity=D(50), average_price=D(95))


def watched_market(**options: Any) -> Market:
    """Return a market with a risk desk; it holds 50 shares of RELIANCE for delivery."""
    m = dated_market(OPENS_AT, holdings=(HELD,), **options)
    RiskDesk(m.exchange, risk_desk_times(SHARES, HOME_MARKET.date_of(OPENS_AT), HOME_MARKET.calendar))
    return m


@pytest.fixture
def market() -> Market:
    return watched_market()


def brokers(exchange: Exchange) -> list[BookOrder]:
    return [order for order in exchange.latest_orders() if order.ticket.hand is PlacedBy.BROKER]


def quantities(m: Market) -> dict[str, Decimal]:
    return {row.symbol: row.quantity for row in m.exchange.account.net_positions()}


def test_it_cancels_the_resting_stop_and_closes_the_position_each_at_the_time_of_its_instrument(market: Market) -> None:
    stops = {}
    for symbol in ("RELIANCE", "TCS"):
        market.place("BUY", 10, price=100.05, symbol=symbol)
        stops[symbol] = market.place("SELL", 10, kind="SL-M", trigger=96, symbol=symbol)
    market.to(EARLY - 1)
    assert quantities(market) == {"RELIANCE": 10, "TCS": 10}

    market.to(EARLY)
    market.to(EARLY + 1)

    stop = market.order(stops["RELIANCE"])
    assert (stop.status, stop.reason) == (BookStatus.CANCELLED, CANCELLED_REASON)
    assert quantities(market) == {"RELIANCE": 0, "TCS": 10}
    assert market.order(stops["TCS"]).status is BookStatus.AWAITING_TRIGGER
    (order,) = brokers(market.exchange)
    assert (order.ticket.symbol, order.ticket.side, order.status) == ("RELIANCE", "SELL", BookStatus.COMPLETE)

    market.to(LATE)
    market.to(LATE + 1)
    assert quantities(market) == {"RELIANCE": 0, "TCS": 0}
    assert [order.ticket.symbol for order in brokers(market.exchange)] == ["RELIANCE", "TCS"]
    market.to(LATE + 240)
    assert len(brokers(market.exchange)) == 2


def test_it_buys_back_a_short_position_and_leaves_what_was_bought_for_delivery(market: Market) -> None:
    market.place("SELL", 10, price=99.95)
    market.place("BUY", 5, price=100.05, product="CNC")
    sale = market.place("SELL", 5, price=105, product="CNC")
    market.to(EARLY)
    market.to(EARLY + 1)
    rows = {row.product: row.quantity for row in market.exchange.account.net_positions()}
    assert rows == {"MIS": 0, "CNC": 5}
    assert market.order(sale).status is BookStatus.OPEN


def test_it_tries_again_each_minute_while_something_is_left(market: Market) -> None:
    market.place("BUY", 10, price=100.05)
    market.show(EARLY - 10, row(0, last=100, bids=((99.9, 4),)))
    market.to(EARLY)
    market.to(EARLY + 1)
    assert quantities(market) == {"RELIANCE": 6}
    market.show(EARLY + 30, row(0, last=98, bids=((97.9, 50),)))  # below what the first order may accept
    assert quantities(market) == {"RELIANCE": 6}
    market.to(EARLY + 60)
    market.to(EARLY + 61)
    assert quantities(market) == {"RELIANCE": 0}
    assert [(o.status, o.filled) for o in brokers(market.exchange)] == [
        (BookStatus.CANCELLED, 4),
        (BookStatus.COMPLETE, 6),
    ]


def test_an_order_of_it_that_is_still_on_its_way_is_not_placed_a_second_time() -> None:
    m = watched_market(latency=Latency(to_exchange_s=90, back_s=0.01))
    m.exchange.place_order(ticket("BUY", 10, price=100.05))
    m.to(100)
    assert quantities(m) == {"RELIANCE": 10}
    for minute in range(3):
        m.to(EARLY + 60 * minute)
    assert len(brokers(m.exchange)) == 1


def test_after_its_time_an_intraday_order_is_taken_only_to_close(market: Market) -> None:
    market.place("BUY", 10, price=100.05)
    market.show(EARLY - 10, row(0, last=100, bids=()))  # there is no buyer: the position stays
    market.to(EARLY)
    market.to(EARLY + 1)
    assert quantities(market) == {"RELIANCE": 10}
    for fresh in (
        ticket("BUY", 1, price=99),
        ticket("SELL", 11, price=101),
        ticket("SELL", 1, price=101, symbol="TCS"),
    ):
        if fresh.symbol == "TCS":
            assert market.exchange.place_order(fresh)  # its time has not come
            continue
        with pytest.raises(ExchangeRefusal, match="after the square-off time"):
            market.exchange.place_order(fresh)
    assert market.exchange.place_order(ticket("SELL", 10, price=99))
    assert market.exchange.place_order(ticket("BUY", 1, price=99, product="CNC"))


def test_injected_faults_and_the_risk_desk_refuse_beside_each_other(market: Market) -> None:
    AccountFaults(FaultPlan.parse("mass-cancel@900", 1), market.exchange, ManualClock(OPENS_AT))
    market.to(EARLY)
    with pytest.raises(ExchangeRefusal, match="after the square-off time"):
        market.exchange.place_order(ticket("BUY", 1, price=99))
    RiskDesk(market.exchange, np.array([NEVER, NEVER]))  # whichever comes last asks those before it
    with pytest.raises(ExchangeRefusal, match="after the square-off time"):
        market.exchange.place_order(ticket("BUY", 1, price=99))


def test_without_a_risk_desk_nothing_is_squared_off() -> None:
    m = Market()
    m.place("BUY", 10, price=100.05)
    m.to((15 * 60 + 29 - 9 * 60 - 15) * MINUTE // SECOND)
    assert quantities(m) == {"RELIANCE": 10}
    assert brokers(m.exchange) == []
