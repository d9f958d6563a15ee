"""The end of the day at the exchange, instrument by instrument: what is refused, what lapses, what fills no more."""

from decimal import Decimal

import pytest

from tests.exchange.market_by_hand import CLOSES_AT, OPENS_AT, Market, row, ticket
from tradebot.clock import SECOND
from tradebot.exchange.latency import NO_LATENCY, Latency
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode

D = Decimal
EARLY = 21_600  # seconds from the open to 15:15
LATE = (CLOSES_AT - OPENS_AT) // SECOND


def market(latency: Latency = NO_LATENCY) -> Market:
    """RELIANCE ends at 15:15, TCS and the index at 15:30."""
    return Market(closes=[OPENS_AT + EARLY * SECOND, CLOSES_AT, CLOSES_AT], latency=latency)


def test_after_its_close_an_instrument_is_refused_in_the_venue_s_words_and_another_is_taken():
    m = market()
    m.show(EARLY - 1, row(0, last=100), row(1, last=100))
    m.place(price=99)
    m.to(EARLY)

    with pytest.raises(ExchangeRefusal) as refusal:
        m.exchange.place_order(ticket(price=99))
    other = m.place(symbol="TCS", price=99)

    assert refusal.value.code is RefusalCode.CLOSED
    assert m.order(other).status == "open"


def test_at_the_close_of_an_instrument_its_orders_lapse_and_those_of_others_stay():
    m = market()
    stop, limit = m.place("SELL", kind="SL", price=95, trigger=96), m.place(price=99)
    other = m.place(symbol="TCS", price=99)

    m.to(EARLY)

    assert [m.order(o).status for o in (stop, limit, other)] == ["cancelled", "cancelled", "open"]
    assert m.order(limit).reason == "order lapsed at the end of the session"
    with pytest.raises(ExchangeRefusal, match="it is cancelled"):
        m.exchange.modify_order(limit, price=D(98))
    m.to(LATE)
    assert m.order(other).status == "cancelled"


def test_rows_after_the_close_of_an_instrument_fill_nothing_of_it():
    m = market()
    m.place(price=99)
    m.place(symbol="TCS", price=99)

    m.show(EARLY + 60, row(0, last=98, traded=1000), row(1, last=98, traded=1000))

    assert [trade.symbol for trade in m.exchange.trade_rows()] == ["TCS"]


def test_a_row_stamped_with_the_very_close_still_fills():
    m = market()
    m.place(price=99)
    m.show(EARLY, row(0, last=98, traded=1000))
    assert [trade.symbol for trade in m.exchange.trade_rows()] == ["RELIANCE"]


def test_an_order_on_its_way_at_the_close_is_rejected_when_it_arrives():
    m = market(Latency(to_exchange_s=0.5, back_s=0.1))
    m.to(EARLY - 0.2)
    order_id = m.exchange.place_order(ticket(price=99)).order_id

    m.to(EARLY + 2)

    assert (m.order(order_id).status, m.order(order_id).reason) == ("rejected", "the market is closed")
