"""The adapter and the embedded exchange, two programs written from the same facts, agree over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradebot.clock import IST, SECOND, ManualClock, parse_iso
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import LinkDown, LinkUp, MarketMessage
from tradebot.domain.order import OrderKind, OrderRequest, Side, VenueOrder, VenueOrderStatus
from tradebot.errors import LoginLost
from tradebot.exchange.account import OpeningBalance
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import NO_LATENCY
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.server import ExchangeAddresses, serve_exchange
from tradebot.markets.calendar import TradingCalendar, ist_date
from tradebot.markets.hours import closing_times
from tradebot.markets.listing import universe_for
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.server.kite_server import KiteServer
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.venue import LOGIN_LOST, Accepted, Refused

OPENS_AT = parse_iso("2026-11-23T09:15:00", IST)
CLOSES_AT = parse_iso("2026-11-23T15:30:00", IST)
SYMBOLS = ("RELIANCE", "TCS", "NIFTY 50")


class Day:
    """A venue connected to an exchange whose time the test moves."""

    def __init__(self, exchange: Exchange, clock: ManualClock, venue: KiteVenue) -> None:
        self.exchange, self.clock, self.venue = exchange, clock, venue

    def step_bar(self, seconds: float = 1.0) -> None:
        self.clock.now_ns += int(seconds * SECOND)
        self.exchange.advance_to(self.clock.now_ns)


@asynccontextmanager
async def day(access_token: str | None = None) -> AsyncIterator[Day]:
    clock = ManualClock(OPENS_AT)
    source = SyntheticPrices(universe_for(SYMBOLS), seed=7, opens_at=OPENS_AT, closes_at=CLOSES_AT)
    exchange = Exchange(
        source, clock, seed=7, balance=OpeningBalance(cash=Decimal(50_000)), latency=NO_LATENCY, log=None
    )
    exchange.advance_to(clock.now_ns)
    async with serve_exchange(exchange, clock, KiteServer) as at:
        token = access_token or at.entry["access_token"]
        async with KiteVenue(
            **keys(at, access_token=token),
            clock=clock,
        ) as venue:
            yield Day(exchange, clock, venue)


def keys(at: ExchangeAddresses, **other: str) -> dict[str, Any]:
    held = {name: at.entry[name] for name in ("api_key", "access_token")} | other
    return {"rest": at.entry["rest"], "ticker": at.entry["ticker"], "credentials": Credentials(**held)}


def order(order_id: str, side: Side, **fields: object) -> OrderRequest:
    plain = {"symbol": "TCS", "exchange": "NSE", "kind": OrderKind.MARKET, "quantity": Decimal(1)}
    return OrderRequest(order_id=order_id, side=side, **(plain | fields))  # type: ignore[arg-type]


async def test_an_order_is_placed_filled_and_found_again_in_every_book() -> None:
    async with day() as today:
        broker = today.venue.broker
        assert await broker.fetch_account_id()
        reply = await broker.submit(order("tb1", Side.BUY))
        assert isinstance(reply, Accepted)
        today.step_bar(5)
        (seen,) = [o for o in await broker.fetch_orders() if o.tag == "tb1"]
        assert (seen.venue_order_id, seen.status, seen.filled) == (
            reply.venue_order_id,
            VenueOrderStatus.FILLED,
            Decimal(1),
        )
        (fill,) = await broker.fetch_fills()
        assert (fill.venue_order_id, fill.quantity, fill.side) == (reply.venue_order_id, Decimal(1), Side.BUY)
        (position,) = await broker.fetch_positions()
        assert (position.symbol, position.quantity, position.average_price) == ("TCS", Decimal(1), fill.price)
        assert await broker.fetch_cash() < Decimal(50_000)


async def test_a_resting_order_is_cancelled_and_a_bad_one_refused() -> None:
    async with day() as today:
        broker = today.venue.broker
        (tcs,) = await broker.fetch_instruments(["TCS"])
        quotes = await broker.fetch_quotes(Universe([tcs]))
        low = tcs.round_price(tcs.price_from_units(int(quotes.last[0])) * Decimal("0.97"), up=False)
        reply = await broker.submit(order("tb2", Side.BUY, kind=OrderKind.LIMIT, price=low))
        assert isinstance(reply, Accepted)
        today.step_bar(2)
        canceled = await broker.cancel(order_id="tb2", venue_order_id=reply.venue_order_id)
        assert canceled == reply
        today.step_bar(2)
        assert [o.status for o in await broker.fetch_orders()] == [VenueOrderStatus.CANCELED]
        odd = await broker.submit(order("tb3", Side.BUY, kind=OrderKind.LIMIT, price=low + Decimal("0.01")))
        assert isinstance(odd, Refused)
        assert odd.code == "InputException"


async def test_a_resting_order_is_changed_in_price_and_a_filled_one_cannot_be() -> None:
    async with day() as today:
        broker = today.venue.broker
        (tcs,) = await broker.fetch_instruments(["TCS"])
        last = tcs.price_from_units(int((await broker.fetch_quotes(Universe([tcs]))).last[0]))
        low, high = (tcs.round_price(last * Decimal(factor), up=False) for factor in ("0.97", "1.01"))
        asked = order("tb5", Side.BUY, kind=OrderKind.LIMIT, price=low, quantity=Decimal(2))
        reply = await broker.submit(asked)
        assert isinstance(reply, Accepted)
        today.step_bar(2)
        better = msgspec.structs.replace(asked, price=high, quantity=Decimal(3))
        assert await broker.modify(better, venue_order_id=reply.venue_order_id) == reply
        today.step_bar(5)
        (seen,) = await broker.fetch_orders()
        assert (seen.price, seen.quantity, seen.status) == (high, Decimal(3), VenueOrderStatus.FILLED)
        again = await broker.modify(asked, venue_order_id=reply.venue_order_id)
        assert isinstance(again, Refused)
        assert "complete" in again.reason


async def test_quotes_and_order_updates_stream_to_the_feed() -> None:
    async with day() as today:
        instruments = await today.venue.broker.fetch_instruments(SYMBOLS)
        market: list[MarketMessage] = []
        orders: list[VenueOrder] = []
        changed = asyncio.Event()

        def on_market(message: MarketMessage) -> None:
            market.append(message)
            changed.set()

        def on_order(seen: VenueOrder) -> None:
            orders.append(seen)
            changed.set()

        def is_done() -> bool:
            ids = {int(i) for m in market if isinstance(m, Quotes) for i in m.ids}
            return ids == {0, 1, 2} and any(o.status is VenueOrderStatus.FILLED for o in orders)

        feed = today.venue.create_feed(Universe(instruments))
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            task = group.create_task(feed.run(on_market, on_order))
            await changed.wait()
            assert isinstance(await today.venue.broker.submit(order("tb4", Side.BUY)), Accepted)
            while not is_done():
                today.step_bar()
                changed.clear()
                await changed.wait()
            task.cancel()
        assert isinstance(market[0], LinkUp)
        assert feed.frame_counts.malformed == feed.frame_counts.odd_lengths == feed.frame_counts.unknown_tokens == 0
        assert {o.tag for o in orders} == {"tb4"}
        stamps = [int(at) for m in market if isinstance(m, Quotes) for at in m.sent_at]
        assert all(OPENS_AT - SECOND <= at <= today.clock.now_ns for at in stamps)


async def test_history_of_the_exchange_is_complete_and_in_paise() -> None:
    async with day() as today:
        today.step_bar(10 * 60 + 30)
        (tcs,) = await today.venue.broker.fetch_instruments(["TCS"])
        minute = 60 * SECOND
        series = await today.venue.broker.fetch_history(tcs, interval=minute, start=OPENS_AT, end=CLOSES_AT)
        assert series.starts.tolist() == [OPENS_AT + i * minute for i in range(10)]
        assert (series.low <= series.close).all()
        assert (series.close <= series.high).all()


async def test_a_wrong_token_is_a_lost_session_on_rest_and_a_stream_that_is_tried_again() -> None:
    async with day(access_token="stale") as today:
        broker = today.venue.broker
        for read in (
            broker.fetch_account_id,
            broker.fetch_orders,
            broker.fetch_fills,
            broker.fetch_positions,
            broker.fetch_cash,
        ):
            with pytest.raises(LoginLost):
                await read()
        for write in (broker.submit(order("tb6", Side.BUY)), broker.cancel(order_id="tb6", venue_order_id="1")):
            refused = await write
            assert isinstance(refused, Refused)
            assert refused.code == LOGIN_LOST
        down = asyncio.Queue[MarketMessage]()
        async with asyncio.TaskGroup() as group:
            feed = today.venue.create_feed(Universe(universe_for(SYMBOLS)))
            task = group.create_task(feed.run(down.put_nowait, lambda _: None))
            async with asyncio.timeout(10):
                lost = await down.get()
            assert isinstance(lost, LinkDown)
            assert "HTTP 403" in lost.reason
            assert not task.done()
            task.cancel()


async def test_the_exchange_s_list_of_contracts_tells_whose_day_ends_early_as_the_exchange_itself_ends_it() -> None:
    names = ("TCS", "SYM0001", "NIFTY 50", "INDIA VIX")
    clock = ManualClock(OPENS_AT)
    source = SyntheticPrices(universe_for(names), seed=7, opens_at=OPENS_AT, closes_at=CLOSES_AT)
    exchange = Exchange(
        source, clock, seed=7, balance=OpeningBalance(cash=Decimal(50_000)), latency=NO_LATENCY, log=None
    )
    async with (
        serve_exchange(exchange, clock, KiteServer) as at,
        KiteVenue(
            **keys(at),
            clock=clock,
        ) as venue,
    ):
        found = await venue.broker.fetch_instruments(names)

    assert [i.has_derivatives for i in found] == [True, False, True, False]
    theirs = closing_times(Universe(found), ist_date(OPENS_AT), TradingCalendar(), latest=CLOSES_AT)
    assert theirs.tolist() == source.instrument_closes_at.tolist()
    assert len(set(theirs.tolist())) == 2
