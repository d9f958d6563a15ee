"""GTT orders of our client at the simulated exchange, over real sockets: they rest, are changed, trigger and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec

from tests.exchange.market_by_hand import OPENS_AT, HandSource, row
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side, VenueOrder, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.exchange.account import DematHolding, OpeningBalance
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import NO_LATENCY
from tradebot.exchange.server import serve_exchange
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.server.kite_server import KiteServer
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.venue import Accepted, Refused

D = Decimal
HELD = DematHolding(symbol="RELIANCE", exchange="NSE", quantity=D(5), average_price=D(90))


class Day:
    """A broker at an exchange whose time and prices the test moves."""

    def __init__(self, exchange: Exchange, clock: ManualClock, source: Any, broker: KiteBroker) -> None:
        self.exchange, self.clock, self.source, self.broker = exchange, clock, source, broker

    def show(self, last: float) -> None:
        """Let the last price of RELIANCE be `last` in five seconds, and let ten pass."""
        bids, asks = ((last - 0.05, 100),), ((last + 0.05, 100),)
        self.source.show(self.clock.now_ns + 5 * SECOND, row(0, last=last, bids=bids, asks=asks))
        self.clock.now_ns += 10 * SECOND
        self.exchange.advance_to(self.clock.now_ns)

    async def orders(self) -> dict[str, VenueOrder]:
        return {order.venue_order_id: order for order in await self.broker.fetch_orders()}


@asynccontextmanager
async def day(*holdings: DematHolding) -> AsyncIterator[Day]:
    clock, source = ManualClock(OPENS_AT), HandSource()
    balance = OpeningBalance(cash=D(50_000), holdings=holdings)
    exchange = Exchange(source, clock, seed=7, balance=balance, latency=NO_LATENCY, log=None)
    exchange.advance_to(clock.now_ns)
    async with serve_exchange(exchange, clock, KiteServer) as at:
        keys = Credentials(api_key=at.entry["api_key"], access_token=at.entry["access_token"])
        async with KiteVenue(rest=at.entry["rest"], ticker=at.entry["ticker"], credentials=keys, clock=clock) as venue:
            today = Day(exchange, clock, source, venue.broker)
            today.show(100)
            yield today


def stop(**changes: Any) -> OrderRequest:
    """Return the request for the stop of the shares that are held: 95 with a limit of 94.5."""
    request = OrderRequest(
        order_id="tb26abc0007",
        symbol="RELIANCE",
        exchange="NSE",
        side=Side.SELL,
        kind=OrderKind.STOP_LIMIT,
        quantity=D(5),
        price=D("94.5"),
        trigger_price=D(95),
        product="CNC",
        purpose=OrderPurpose.RESTING_STOP,
        gtt=GttTerms(last_price=D(100)),
    )
    return msgspec.structs.replace(request, **changes)


PAIR = GttTerms(last_price=D(100), target_trigger=D(105), target_price=D("104.5"))


async def test_a_gtt_rests_is_changed_and_is_deleted_under_one_id() -> None:
    async with day(HELD) as today:
        reply = await today.broker.submit(stop(gtt=PAIR))
        assert isinstance(reply, Accepted)
        ((id_, rests),) = (await today.orders()).items()
        assert (id_, rests.status, rests.quantity) == (reply.venue_order_id, VenueOrderStatus.PENDING_TRIGGER, 5)
        assert (rests.trigger_price, rests.price, rests.product) == (D(95), D("94.5"), "CNC")
        assert rests.gtt is not None
        assert (rests.gtt.target_trigger, rests.gtt.target_price) == (D(105), D("104.5"))
        assert abs(rests.gtt.created_at - today.clock.now_ns) <= SECOND
        moved = stop(gtt=PAIR, trigger_price=D(96), price=D("95.5"))
        assert await today.broker.modify(moved, venue_order_id=id_) == reply
        assert (await today.orders())[id_].trigger_price == D(96)
        assert await today.broker.cancel(order_id=moved.order_id, venue_order_id=id_) == reply
        deleted = (await today.orders())[id_]
        assert deleted.status is VenueOrderStatus.CANCELED
        assert deleted.reason.startswith("the GTT is deleted")
        assert isinstance(await today.broker.cancel(order_id=moved.order_id, venue_order_id=id_), Refused)


async def test_a_gtt_that_triggers_names_the_order_that_is_listed_with_it_and_fills() -> None:
    async with day(HELD) as today:
        reply = await today.broker.submit(stop())
        assert isinstance(reply, Accepted)
        today.show(94.8)
        listed = await today.orders()
        triggered = listed[reply.venue_order_id]
        assert triggered.status is VenueOrderStatus.OPEN
        assert triggered.gtt is not None
        placed = listed[triggered.gtt.placed_order_id]
        assert (placed.tag, placed.kind, placed.price, placed.quantity) == ("", OrderKind.LIMIT, D("94.5"), D(5))
        assert (placed.status, placed.side) == (VenueOrderStatus.FILLED, Side.SELL)
        assert {fill.venue_order_id for fill in await today.broker.fetch_fills()} == {placed.venue_order_id}


async def test_the_target_of_a_pair_places_the_order_at_its_own_limit() -> None:
    async with day(HELD) as today:
        reply = await today.broker.submit(stop(gtt=PAIR))
        assert isinstance(reply, Accepted)
        today.show(105.2)
        listed = await today.orders()
        triggered = listed[reply.venue_order_id]
        assert triggered.gtt is not None
        placed = listed[triggered.gtt.placed_order_id]
        assert (triggered.status, triggered.trigger_price) == (VenueOrderStatus.OPEN, D(95))
        assert placed.price == D("104.5")


async def test_a_gtt_whose_order_is_refused_when_it_triggers_is_rejected_with_the_sentence() -> None:
    async with day() as today:
        reply = await today.broker.submit(stop())  # nothing is held, which only the trigger finds out
        assert isinstance(reply, Accepted)
        today.show(94.8)
        ((id_, rejected),) = (await today.orders()).items()
        assert (id_, rejected.status) == (reply.venue_order_id, VenueOrderStatus.REJECTED)
        assert rejected.reason
        assert rejected.gtt is not None
        assert rejected.gtt.placed_order_id == ""


async def test_a_trigger_too_near_the_last_price_is_refused_with_a_sentence() -> None:
    async with day(HELD) as today:
        near = await today.broker.submit(stop(trigger_price=D("99.9"), price=D(99)))
        assert isinstance(near, Refused)
        assert "too close" in near.reason
        assert await today.orders() == {}
