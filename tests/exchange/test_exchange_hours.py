"""The end of the day at the exchange, instrument by instrument: what is refused, what lapses, what fills no more."""

from decimal import Decimal

import pytest

from tests.exchange.market_by_hand import CLOSES_AT, OPENS_AT, SHARES, Market, dated_market, row, ticket
from tradebot.clock import SECOND, parse_iso
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


AUCTION_DAY, DAY_BEFORE = parse_iso("2026-08-03T09:15:00+05:30"), parse_iso("2026-07-31T09:15:00+05:30")
LAPSED = "order lapsed at the end of the session"
CANCELLED = "stop orders are cancelled by the exchange at the end of continuous trading"


def rested(m: Market, symbol: str) -> dict[str, str]:
    return {
        "SL": m.place("SELL", kind="SL", price=95, trigger=96, symbol=symbol),
        "SL-M": m.place("SELL", kind="SL-M", trigger=96, symbol=symbol),
        "LIMIT": m.place(price=99, symbol=symbol),
    }


def test_since_the_closing_auction_the_exchange_cancels_the_stops_of_a_share_with_derivatives_at_1515():
    m = dated_market(AUCTION_DAY)
    early, late = rested(m, "RELIANCE"), rested(m, "TCS")

    m.to(EARLY)

    assert {kind: (m.order(o).status, m.order(o).reason) for kind, o in early.items()} == {
        "SL": ("cancelled", CANCELLED),
        "SL-M": ("cancelled", CANCELLED),
        "LIMIT": ("cancelled", LAPSED),
    }
    assert {m.order(o).cancelled for o in early.values()} == {10}
    assert [m.order(o).status for o in late.values()] == ["awaiting trigger", "awaiting trigger", "open"]
    with pytest.raises(ExchangeRefusal) as refusal:
        m.place("SELL", kind="SL-M", trigger=96)
    assert refusal.value.code is RefusalCode.CLOSED
    assert m.place("SELL", kind="SL-M", trigger=95, symbol="TCS")

    m.to(LATE)

    assert {m.order(o).reason for o in late.values()} == {LAPSED}


def test_before_the_closing_auction_began_both_kinds_of_share_keep_their_stops_to_1530():
    m = dated_market(DAY_BEFORE)
    ids = [*rested(m, "RELIANCE").values(), *rested(m, "TCS").values()]
    m.to(LATE - 1)
    assert not any(m.order(o).is_ended for o in ids)
    m.to(LATE)
    assert {m.order(o).reason for o in ids} == {LAPSED}


def test_a_stop_that_has_triggered_lapses_as_the_limit_order_it_has_become():
    m = dated_market(AUCTION_DAY)
    stop = m.place("SELL", kind="SL", price=95, trigger=96)
    m.show(EARLY - 10, row(0, last=92, bids=((91.9, 100),)))
    assert m.order(stop).status == "open"
    m.to(EARLY)
    assert (m.order(stop).status, m.order(stop).reason) == ("cancelled", LAPSED)


def test_prices_that_end_before_the_auction_are_not_its_begin():
    closes = [AUCTION_DAY + (EARLY - 600) * SECOND, AUCTION_DAY + LATE * SECOND]
    m = Market(opens_at=AUCTION_DAY, closes=closes, universe=SHARES, opening=[row(i, last=100) for i in range(2)])
    stop = m.place("SELL", kind="SL", price=95, trigger=96)
    m.to(EARLY - 600)
    assert m.order(stop).reason == LAPSED
