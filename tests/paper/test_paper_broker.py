"""The paper broker: the venue is only read, refusals are those of the venue, our own rate limits hold as in live."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.paper.paper_rig import ADAPTER, UNIVERSE, HandFeed, HandReader, Paper, at, frame, order, quote
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.messages import LinkUp
from tradebot.domain.order import OrderPurpose, Refusal, Validity, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.errors import LoginLost
from tradebot.exchange.latency import Latency
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.paper.broker import PaperBroker, order_limiter
from tradebot.paper.feed import PaperFeed
from tradebot.venues.venue import Accepted, NotSent, Refused, VenueRules

D = Decimal
GOOD = quote(100, bid=99.95, ask=100.05, sizes=(100, 100))


async def test_the_account_is_the_papers_and_the_login_is_the_venues(paper: Paper) -> None:
    fresh = PaperBroker(
        paper.reader, paper.clock, reply_to=ADAPTER.refusal_reply_maker(), name_account=lambda name: f"PAPER-{name}-9",
        wake=paper.count_wake,
    )  # fmt: skip
    assert await fresh.fetch_account_id() == "PAPER-AB1234-9"
    assert await paper.broker.fetch_account_id() == "PAPER-AB1234"
    assert paper.reader.asked == ["account"] * 2

    async def dead() -> str:
        raise LoginLost("the token is dead")

    paper.reader.fetch_account_id = dead  # type: ignore[method-assign]
    with pytest.raises(LoginLost):
        await paper.broker.fetch_account_id()


async def test_books_are_the_paper_accounts_alone(paper: Paper) -> None:
    paper.show(1, GOOD)
    await paper.place(order(kind="MARKET"))
    (listed,), (fill,) = await paper.broker.fetch_orders(), await paper.broker.fetch_fills()
    (position,) = await paper.broker.fetch_positions()
    assert (listed.tag, listed.status, listed.filled) == ("T000001", VenueOrderStatus.FILLED, D(10))
    assert (fill.venue_order_id, fill.netting_key) == (listed.venue_order_id, position.netting_key)
    assert (position.quantity, position.average_price) == (D(10), D("100.05"))
    assert await paper.broker.fetch_holdings() == []
    charged = D(1_000_000) - D("100.05") * 10 / 5
    assert charged - 1 < await paper.broker.fetch_cash() < charged  # a fifth is blocked, and the charges are paid
    assert paper.reader.asked == []


async def test_an_order_without_funds_is_rejected_later_as_a_lack_of_funds(open_paper: Any) -> None:
    paper = await open_paper(cash=100)
    paper.show(1, GOOD)
    number = await paper.place(order(kind="MARKET"))
    (listed,) = await paper.broker.fetch_orders()
    assert (listed.venue_order_id, listed.status, listed.refusal) == (number, VenueOrderStatus.REJECTED, Refusal.FUNDS)


async def test_an_ioc_order_leaves_no_rest(paper: Paper) -> None:
    paper.show(1, quote(100, bid=99.95, ask=100.05, sizes=(5, 6)))
    number = await paper.place(order(price=100.05, validity=Validity.IOC))
    assert await paper.fills() == [(6, D("100.05"))]
    assert await paper.state_of(number) == VenueOrderStatus.CANCELED


async def test_a_change_and_a_cancel_reach_the_working_order(paper: Paper) -> None:
    paper.show(1, GOOD)
    number = await paper.place(order(price=99))
    woken, wish = paper.wakes, order(price=99.5, quantity=20)
    assert await paper.broker.modify(wish, venue_order_id=number) == Accepted(venue_order_id=number)
    assert paper.wakes == woken + 1  # so that its arrival at the exchange is not missed
    paper.to(2)
    (listed,) = await paper.broker.fetch_orders()
    assert (listed.price, listed.quantity, listed.status) == (D("99.5"), D(20), VenueOrderStatus.OPEN)
    market = msgspec.structs.replace(order(kind="MARKET", quantity=20), protection_pct=None)
    assert isinstance(await paper.broker.modify(market, venue_order_id=number), Accepted)
    paper.to(3)
    assert await paper.fills() == [(20, D("100.05"))]
    gone = await paper.broker.cancel(order_id="T000001", venue_order_id=number)
    assert isinstance(gone, Refused)
    assert "complete" in gone.reason
    other = await paper.place(order(2, price=99))
    assert await paper.broker.cancel(order_id="T000002", venue_order_id=other) == Accepted(venue_order_id=other)
    paper.to(4)
    assert await paper.state_of(other) == VenueOrderStatus.CANCELED


async def test_a_change_on_its_way_does_not_show_a_stop_as_triggered_and_its_trigger_does(open_paper: Any) -> None:
    paper = await open_paper(latency=Latency(to_exchange_s=0.5, back_s=0.25))
    paper.show(1, GOOD)
    stop = order(side="SELL", kind="SL", trigger=99, price=98, quantity=10)
    number = await paper.place(stop)
    paper.to(3)
    moved = msgspec.structs.replace(stop, trigger_price=D("99.5"))
    assert isinstance(await paper.broker.modify(moved, venue_order_id=number), Accepted)
    paper.to(5)
    versions = [str(one.status) for one in paper.market.exchange.order_history(number)]
    assert {"checking change", "changing", "changed"} <= set(versions)
    reported = [one.status for one in paper.reports]
    assert VenueOrderStatus.PENDING_TRIGGER in reported
    assert VenueOrderStatus.OPEN not in reported
    paper.show(7, quote(99.4, bid=97, ask=97.1))
    paper.to(9)
    assert await paper.state_of(number) == VenueOrderStatus.OPEN


async def test_a_gtt_order_is_refused_with_a_sentence_and_the_rules_offer_none(paper: Paper) -> None:
    assert ADAPTER.venue_rules.max_gtt > 0
    assert paper.broker.venue_rules == msgspec.structs.replace(ADAPTER.venue_rules, max_gtt=0)
    stop = order(side="SELL", kind="SL", trigger=99, price=98, gtt=GttTerms(last_price=D(100)))
    assert await paper.broker.submit(stop) == Refused(reason="a paper account has no GTT orders")
    assert await paper.broker.fetch_orders() == []


async def test_an_order_whose_number_is_not_known_is_not_sent(paper: Paper) -> None:
    assert isinstance(await paper.broker.cancel(order_id="T1", venue_order_id=""), NotSent)
    assert isinstance(await paper.broker.modify(order(price=99), venue_order_id=""), NotSent)


@pytest.mark.parametrize("code", list(RefusalCode))
def test_every_refusal_has_a_reply_in_the_venues_words(code: RefusalCode) -> None:
    facts = dict.fromkeys(
        ("symbol", "exchange", "reason", "variety", "allowed", "lot", "length", "name", "tick", "limit", "side", "last",
         "quantity", "held", "order_id", "verb", "status", "most", "filled", "product", "kind", "gtt_id", "distance",
         "trigger", "what"), "x",
    ) | {"required": 1, "available": 0}  # fmt: skip
    reply = ADAPTER.refusal_reply_maker()(ExchangeRefusal(code, **facts))
    assert isinstance(reply, Refused)
    assert reply.reason
    assert (reply.refusal is Refusal.FUNDS) is (code is RefusalCode.NO_FUNDS)


async def test_our_own_limits_at_the_venue_hold_on_paper_and_leave_room_for_exits(paper: Paper) -> None:
    paper.show(1, GOOD)
    (_, most, _, reserved), *_ = ADAPTER.venue_rules.client_limits
    sent = [await paper.broker.submit(order(n, price=99)) for n in range(most)]
    began = paper.clock.now_ns
    waited = await paper.broker.submit(order(90, price=99))  # a second later there is room again
    assert [type(one) for one in (*sent, waited)] == [Accepted] * (most + 1)
    assert paper.clock.now_ns - at(1) >= SECOND
    assert began > at(1)  # entries waited, because the last of the second belong to exits
    exit_ = order(91, side="SELL", price=101, purpose=OrderPurpose.EXIT)
    for n in range(reserved):
        assert isinstance(await paper.broker.submit(msgspec.structs.replace(exit_, order_id=f"E{n}")), Accepted)


async def test_the_limit_of_the_day_counts_what_earlier_processes_sent(paper: Paper) -> None:
    paper.show(1, GOOD)
    daily = next(limit for _, limit, span, _ in ADAPTER.venue_rules.client_limits if span is None)
    paper.broker.resume_day(daily)
    assert isinstance(await paper.broker.submit(order(price=99)), NotSent)
    assert await paper.broker.fetch_orders() == []


async def test_a_venue_without_limits_of_our_own_is_asked_no_more_than_it_allows() -> None:
    rules = VenueRules(
        name="x", tag_length=20, orders_per_second=3, orders_per_minute=5, orders_per_day=9, modifications_per_order=1,
        needs_protection=True,
    )  # fmt: skip
    clock = ManualClock(at(0))
    limiter = order_limiter(rules, clock)
    passed = [limiter.try_acquire("order") for _ in range(4)]
    clock.now_ns += 2 * SECOND
    passed += [limiter.try_acquire("order") for _ in range(3)]
    assert passed == [True] * 3 + [False] + [True] * 2 + [False]


async def test_the_feed_gives_quotes_to_the_market_and_to_the_engine_and_keeps_real_orders_out(paper: Paper) -> None:
    feed, heard, orders, fills_then = HandFeed(), list[object](), list[object](), list[int]()
    paper_feed = PaperFeed(feed, paper.market, paper.clock, wake=paper.count_wake)
    paper.show(1, quote(100, bid=99.95, ask=101))
    number = await paper.place(order(price=100.5))

    def on_market(message: object) -> None:
        heard.append(message)
        fills_then.append(len(paper.market.exchange.trade_rows()))

    await paper_feed.run(on_market, orders.append)
    assert feed.deliver is not None
    assert feed.report is not None
    real = paper.reports[0]
    paper.market.on_order = orders.append
    feed.report(real)
    assert orders == []
    up = LinkUp(source="hand", mono=1)
    quotes = frame(quote(100, bid=99.95, ask=100.05, sent_at=at(1)), quote(0, id_=1))
    feed.deliver(up)
    feed.deliver(quotes)
    assert heard == [up, quotes]
    assert fills_then == [0, 1]
    assert [(one.venue_order_id, one.status) for one in orders] == [(number, VenueOrderStatus.FILLED)]  # type: ignore[attr-defined]
    assert paper_feed.dropped_counts == {"malformed": 1, "paper_unpriced": 1}
    await paper_feed.resubscribe([1])
    assert feed.resubscribed == [1]


async def test_the_rest_is_read_at_the_venue(paper: Paper) -> None:
    assert [i.symbol for i in await paper.broker.fetch_instruments(["TCS"])] == ["TCS"]
    assert (await paper.broker.fetch_quotes(UNIVERSE)) is paper.reader.quotes
    await paper.broker.close()
    assert paper.reader.asked == ["quotes", "close"]


def test_a_reader_without_an_order_route_is_all_that_the_broker_holds(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    assert isinstance(paper.reader, HandReader)
    assert not [name for name in ("submit", "modify", "cancel") if hasattr(paper.reader, name)]
