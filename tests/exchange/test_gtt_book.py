"""GTT orders at the exchange's broker: when they trigger, what their order becomes, how they end and last."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.exchange.market_by_hand import CLOSES_AT, OPENS_AT, D, Market, row
from tradebot.clock import DAY, IST, SECOND
from tradebot.domain.order import Side
from tradebot.exchange.account import DematHolding
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.gtt_order import BookGtt, GttBookStatus, GttLeg, GttTicket
from tradebot.exchange.order_rules import OrderRules
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.ticket import BookStatus

HELD = DematHolding(symbol="RELIANCE", exchange="NSE", quantity=D(50), average_price=D(95))
LAST_SECOND = (CLOSES_AT - OPENS_AT) // SECOND


def leg(
    trigger: float, *, price: float | None = None, side: str = "SELL", quantity: int = 10, product: str = "CNC"
) -> GttLeg:
    limit = trigger - 1 if price is None else price
    return GttLeg(trigger=D(str(trigger)), side=Side(side), quantity=D(quantity), price=D(str(limit)), product=product)


def gtt(*legs: GttLeg, last: float = 100, symbol: str = "RELIANCE") -> GttTicket:
    return GttTicket(exchange="NSE", symbol=symbol, last_price=D(str(last)), legs=legs)


def market(**options: object) -> Market:
    return Market(**({"holdings": (HELD,)} | options))


def keep(m: Market, *legs: GttLeg, last: float = 100) -> int:
    return m.exchange.gtt_book.place_gtt(gtt(*legs, last=last)).gtt_id


def kept(m: Market, gtt_id: int) -> BookGtt:
    return m.exchange.gtt_book.gtt_of(gtt_id)


def refused(m: Market, ticket: GttTicket) -> RefusalCode:
    with pytest.raises(ExchangeRefusal) as refusal:
        m.exchange.gtt_book.place_gtt(ticket)
    return refusal.value.code


def test_a_stop_triggers_at_its_trigger_and_places_one_limit_order_without_a_tag() -> None:
    m = market()
    gtt_id = keep(m, leg(95, price=94))
    m.show(1, row(last=95.05))
    assert kept(m, gtt_id).is_active
    assert m.exchange.latest_orders() == []
    m.show(2, row(last=95, bids=((94.5, 100),)))
    seen = kept(m, gtt_id)
    assert seen.status is GttBookStatus.TRIGGERED
    assert seen.result is not None
    assert (seen.result.leg, seen.result.last_price, seen.result.reason) == (0, D(95), "")
    (order,) = m.exchange.latest_orders()
    assert order.order_id == seen.result.order_id
    assert (order.ticket.kind, order.ticket.price, order.ticket.tag, order.ticket.product) == (
        "LIMIT",
        D(94),
        "",
        "CNC",
    )
    assert order.status is BookStatus.COMPLETE
    m.show(3, row(last=94))
    assert len(m.exchange.latest_orders()) == 1


def test_its_order_can_hang_where_the_market_has_fallen_through_its_limit() -> None:
    m = market()
    gtt_id = keep(m, leg(95, price=94))
    m.show(1, row(last=92, bids=((91.9, 100),)))
    result = kept(m, gtt_id).result
    assert result is not None
    assert m.order(result.order_id).status is BookStatus.OPEN


def test_of_two_legs_the_one_that_is_reached_places_its_order_and_ends_the_other() -> None:
    for last, index, price in ((95, 0, 94), (106, 1, 105)):
        m = market()
        gtt_id = keep(m, leg(95, price=94), leg(106, price=105))
        m.show(1, row(last=last, bids=((last - 0.05, 100),)))
        result = kept(m, gtt_id).result
        assert result is not None
        assert result.leg == index
        (order,) = m.exchange.latest_orders()
        assert order.ticket.price == D(price)
        m.show(2, row(last=201 - last))
        assert len(m.exchange.latest_orders()) == 1


def test_a_single_trigger_above_the_last_price_waits_for_a_rise() -> None:
    m = market()
    gtt_id = keep(m, leg(105, price=104.5))
    m.show(1, row(last=90))
    assert kept(m, gtt_id).is_active
    m.show(2, row(last=105.5))
    assert kept(m, gtt_id).status is GttBookStatus.TRIGGERED


def test_a_price_outside_the_session_triggers_nothing() -> None:
    closes = [OPENS_AT + 100 * SECOND, CLOSES_AT, CLOSES_AT]
    m = market(closes=closes)
    gtt_id = keep(m, leg(95))
    m.show(100, row(last=90))  # stamped at the close, when its instrument trades no more
    m.show(101, row(last=90))
    assert kept(m, gtt_id).is_active


def test_a_refused_order_leaves_a_triggered_gtt_with_the_reason() -> None:
    m = market(holdings=())
    gtt_id = keep(m, leg(95))
    m.show(1, row(last=95))
    seen = kept(m, gtt_id)
    assert seen.status is GttBookStatus.TRIGGERED
    assert seen.result is not None
    assert (seen.result.order_id, seen.result.reason) == ("", "10 is more than the 0 that can be sold")
    assert m.exchange.latest_orders() == []


def test_without_authorisation_delivered_shares_are_not_sold_by_a_gtt() -> None:
    m = market(rules=OrderRules(debits_holdings=False))
    gtt_id = keep(m, leg(95))
    m.show(1, row(last=95))
    result = kept(m, gtt_id).result
    assert result is not None
    assert "authorised it at the depository" in result.reason


def test_a_lack_of_funds_shows_in_the_order_that_was_placed() -> None:
    m = market(cash=100)
    gtt_id = keep(m, leg(105, price=106, side="BUY"))
    m.show(1, row(last=105))
    result = kept(m, gtt_id).result
    assert result is not None
    order = m.order(result.order_id)
    assert order.status is BookStatus.REJECTED
    assert order.reason.startswith("Insufficient funds.")


def test_a_gtt_blocks_no_margin_before_it_triggers() -> None:
    m = market(cash=10_000)
    keep(m, leg(105, price=106, side="BUY"))
    assert m.exchange.account.margin_summary().net == 10_000


@pytest.mark.parametrize(
    ("ticket", "code"),
    [
        (gtt(leg(99.75)), RefusalCode.GTT_TOO_CLOSE),  # exactly 0.25%: the broker wants more
        (gtt(leg(95), leg(100.2)), RefusalCode.GTT_TOO_CLOSE),
        (gtt(leg(101), leg(105)), RefusalCode.GTT_FIRST_ABOVE),
        (gtt(leg(90), leg(95)), RefusalCode.GTT_SECOND_BELOW),
        (gtt(leg(105), last=110), RefusalCode.GTT_MET),  # the named last price is out of date: it fell through 105
        (gtt(leg(95.03)), RefusalCode.OFF_TICK),
        (gtt(leg(95, price=94.03)), RefusalCode.OFF_TICK),
        (gtt(leg(95, price=0)), RefusalCode.BAD_PRICE),
        (gtt(leg(95), last=0), RefusalCode.BAD_PRICE),
        (gtt(leg(95, quantity=0)), RefusalCode.BAD_QUANTITY),
        (gtt(leg(95, product="MIS")), RefusalCode.BAD_PRODUCT),
        (gtt(leg(95), symbol="NOPE"), RefusalCode.UNKNOWN_INSTRUMENT),
        (gtt(leg(95), symbol="NIFTY 50"), RefusalCode.NOT_TRADABLE),
    ],
)
def test_what_the_broker_refuses_is_not_kept(ticket: GttTicket, code: RefusalCode) -> None:
    m = market()
    assert refused(m, ticket) is code
    assert m.exchange.gtt_book.listed_gtts() == []


def test_a_trigger_just_beyond_the_distance_is_kept_and_a_cheap_share_has_a_distance_in_paise() -> None:
    assert keep(market(), leg(99.7))
    m = market(opening=[row(i, last=10) for i in range(3)])
    assert refused(m, gtt(leg(9.95, price=9), last=10)) is RefusalCode.GTT_TOO_CLOSE  # 0.5%, and 5 paise alone
    assert keep(m, leg(9.9, price=9), last=10)


def test_only_so_many_may_be_active() -> None:
    m = market(rules=OrderRules(max_gtt=2))
    first = keep(m, leg(95))
    keep(m, leg(94))
    assert refused(m, gtt(leg(93))) is RefusalCode.TOO_MANY_GTT
    m.exchange.gtt_book.delete_gtt(first)
    assert keep(m, leg(93))


def test_a_changed_gtt_triggers_at_its_new_price_and_keeps_its_instrument() -> None:
    m = market()
    book = m.exchange.gtt_book
    gtt_id = keep(m, leg(95))
    book.change_gtt(gtt_id, gtt(leg(90)))
    m.show(1, row(last=94))
    assert kept(m, gtt_id).is_active
    for other in (gtt(leg(90), symbol="TCS"), gtt(leg(90), leg(110))):
        with pytest.raises(ExchangeRefusal, match="keeps its instrument"):
            book.change_gtt(gtt_id, other)
    with pytest.raises(ExchangeRefusal, match="away from the last price"):
        book.change_gtt(gtt_id, gtt(leg(93.9), last=94))
    m.show(2, row(last=90))
    assert kept(m, gtt_id).status is GttBookStatus.TRIGGERED


def test_one_that_has_ended_can_be_neither_changed_nor_deleted_nor_triggered() -> None:
    m = market()
    book = m.exchange.gtt_book
    ends = {
        keep(m, leg(95)): lambda i: book.delete_gtt(i),
        keep(m, leg(95)): lambda i: book.withdraw_gtt(i, GttBookStatus.DISABLED, "split"),
    }
    for gtt_id, end in ends.items():
        end(gtt_id)
        with pytest.raises(ExchangeRefusal, match="cannot be deleted"):
            book.delete_gtt(gtt_id)
        with pytest.raises(ExchangeRefusal, match="cannot be changed"):
            book.change_gtt(gtt_id, gtt(leg(90)))
    m.show(1, row(last=90))
    assert m.exchange.latest_orders() == []
    assert [(g.status, g.reason) for g in book.listed_gtts()] == [("deleted", ""), ("disabled", "split")]
    with pytest.raises(ExchangeRefusal, match="no GTT order 7"):
        book.gtt_of(7)


def test_a_gtt_lives_over_restarts_and_days_and_triggers_on_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "exchange.log"
    with EventLog(path) as log:
        m = market(log=log)
        first, second = keep(m, leg(95, price=94)), keep(m, leg(80))
        m.exchange.gtt_book.delete_gtt(second)
        m.exchange.end_session("stopped")
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + DAY)
        assert [g.status for g in m.exchange.gtt_book.listed_gtts()] == ["active", "deleted"]
        m.show(1, row(last=94.5, bids=((94.4, 100),)))  # a gap: the day opens below the trigger
        result = kept(m, first).result
        assert result is not None
        assert m.order(result.order_id).status is BookStatus.COMPLETE
        m.exchange.end_session("stopped")
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + 2 * DAY)
        assert kept(m, first).result == result
        assert keep(m, leg(90)) == second + 1


def test_ended_ones_leave_the_list_after_a_week_and_active_ones_end_after_a_year(tmp_path: Path) -> None:
    path = tmp_path / "exchange.log"
    with EventLog(path) as log:
        m = market(log=log)
        m.exchange.gtt_book.delete_gtt(keep(m, leg(95)))
        active = keep(m, leg(94))
        m.exchange.end_session("stopped")
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + 8 * DAY)
        assert [g.gtt_id for g in m.exchange.gtt_book.listed_gtts()] == [active]
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + 364 * DAY)
        m.to(1)
        assert kept(m, active).is_active
        assert datetime.fromtimestamp(kept(m, active).expires_at / SECOND, IST).isoformat()[:16] == "2027-09-01T09:15"
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + 365 * DAY)
        m.show(1, row(last=94))
        assert kept(m, active).status is GttBookStatus.EXPIRED
        assert m.exchange.latest_orders() == []


def test_one_in_an_instrument_that_is_not_served_today_waits(tmp_path: Path) -> None:
    path = tmp_path / "exchange.log"
    with EventLog(path) as log:
        m = market(log=log)
        gtt_id = keep(m, leg(95))
        m.exchange.end_session("stopped")
    text = path.read_text().replace('"symbol":"RELIANCE"', '"symbol":"GONE"')
    path.write_text(text)
    with EventLog(path) as log:
        m = Market(log=log, resume=path, opens_at=OPENS_AT + DAY)
        m.show(1, row(last=90))
        assert kept(m, gtt_id).is_active


def test_the_order_of_a_gtt_lapses_with_the_day_as_any_other() -> None:
    m = market()
    gtt_id = keep(m, leg(95, price=94))
    m.show(1, row(last=92, bids=((91.9, 100),)))
    m.to(LAST_SECOND)
    result = kept(m, gtt_id).result
    assert result is not None
    assert m.order(result.order_id).status is BookStatus.CANCELLED
    assert m.exchange.account.sellable_quantity("NSE", "RELIANCE") == Decimal(50)
