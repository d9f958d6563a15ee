"""A paper account on an exchange served over real sockets: the same ticket has the same outcome there and on paper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.exchange.market_by_hand import Market, row
from tests.paper.paper_rig import ADAPTER, order
from tradebot.clock import SECOND, ManualClock
from tradebot.daemon.venue.embedded_exchange import exchange_rules
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import OrderKind, OrderRequest, Validity, VenueOrder
from tradebot.exchange.event_log import EventLog, read_event_log
from tradebot.exchange.server import serve_exchange
from tradebot.ops.events.event import Event
from tradebot.paper.settings import PAPER_LOG, PaperSettings
from tradebot.paper.venue import PaperVenue, open_paper_venue
from tradebot.venues.kite.settings import KiteSection
from tradebot.venues.venue import Broker, Refused, Reply

D = Decimal
GOOD = row(last=100, bids=((99.95, 100),), asks=((100.05, 100),))


class Sides(NamedTuple):
    """The exchange behind sockets with a broker that trades there, and a paper account on its quotes."""

    market: Market
    live: Broker
    paper: PaperVenue
    log: Path
    days: asyncio.Queue[Event]

    @property
    def clock(self) -> ManualClock:
        return self.market.clock

    async def pass_time(self, seconds: float = 2.0) -> None:
        """Let time pass for both, and let the paper market see the venue's quotes."""
        self.market.to((self.clock.now_ns - self.market.source.opens_at) / SECOND + seconds)
        await self.paper.broker.fetch_quotes(self.market.exchange.universe)

    async def show(self, *rows: Any) -> None:
        """Publish rows at the exchange."""
        self.market.source.show(self.clock.now_ns + SECOND, *rows)
        await self.pass_time()


@asynccontextmanager
async def both_sides(folder: Path, *, cash: int) -> AsyncIterator[Sides]:
    log, days = EventLog(folder / "exchange.jsonl"), asyncio.Queue[Event]()
    market = Market(cash=cash, log=log, rules=exchange_rules(ADAPTER.venue_rules))
    settings: Any = KiteSection()
    async with AsyncExitStack() as stack:
        stack.callback(log.close_file)
        served = serve_exchange(market.exchange, market.clock, ADAPTER.protocol_server_class(), log=log)
        entry = (await stack.enter_async_context(served)).entry
        access = ADAPTER.access_from_entry(entry)
        live = ADAPTER.build_trading_venue(access, market.clock, settings, silent_after_s=10)
        await stack.enter_async_context(live)
        paper = await stack.enter_async_context(
            open_paper_venue(
                ADAPTER.build_streaming_reader(access, market.clock, settings, silent_after_s=10),
                market.clock,
                PaperSettings(
                    cash=D(cash),
                    log=folder / PAPER_LOG,
                    rules=exchange_rules(ADAPTER.venue_rules),
                    tell=days.put_nowait,
                ),
                reply_to=ADAPTER.refusal_reply_maker(),
            )
        )
        account = await paper.broker.fetch_account_id()
        listed = await paper.broker.fetch_instruments(["RELIANCE", "TCS"])
        assert (account, [one.symbol for one in listed]) == ("PAPER-SIM001", ["RELIANCE", "TCS"])
        await stack.enter_async_context(paper.open_account(account, market.exchange.universe))
        sides = Sides(market, live.broker, paper, folder / "exchange.jsonl", days)
        await sides.show(GOOD)
        yield sides


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[Sides]:
    async with both_sides(tmp_path, cash=1_000_000) as found:
        yield found


def outcome(reply: Reply) -> tuple[Any, ...]:
    """Return what the desk learns from a reply; venue numbers differ from one exchange to another."""
    if isinstance(reply, Refused):
        return ("Refused", reply.reason, reply.code, reply.refusal)
    return (type(reply).__name__,)


def as_listed(one: VenueOrder) -> dict[str, Any]:
    """Return what an order says but for its number and for times, which the wire cuts to seconds."""
    return {k: v for k, v in msgspec.structs.asdict(one).items() if k not in ("venue_order_id", "changed_at")}


TICKETS = {
    "market": order(kind="MARKET"),
    "market, protection left to the broker": order(kind="MARKET", protection_pct=None),
    "a limit that rests": order(price=99.9),
    "a limit that fills": order(price=100.05),
    "a limit that fills and ends": order(price=100.05, quantity=150, validity=Validity.IOC),
    "a short sale": order(side="SELL", kind="MARKET"),
    "a stop": order(side="SELL", kind="SL-M", trigger=99.5),
    "a stop with a limit": order(side="SELL", kind="SL", trigger=99.5, price=99),
    "no such symbol": order(price=100, symbol="WIPRO"),
    "an index": order(price=100, symbol="NIFTY 50"),
    "off the tick": order(price=100.02),
    "a tag with a dash": order(price=100, order_id="T-1"),
    "a trigger on the wrong side": order(side="SELL", kind="SL-M", trigger=101),
    "a trigger beyond its limit": order(kind="SL", trigger=102, price=101),
    "shares that are not held": order(side="SELL", price=100, product="CNC"),
    "a product of contracts": order(price=100, product="NRML"),
    "more than the funds": order(price=100.05, quantity=90_000),
}
NOT_SENT = ("a tag with a dash",)  # our client refuses these itself, before a byte leaves


@pytest.mark.parametrize("name", TICKETS)
async def test_the_same_ticket_has_the_same_outcome_live_and_on_paper(name: str, sides: Sides) -> None:
    replies, books, money = [], [], []
    for broker in (sides.live, sides.paper.broker):
        replies.append(await broker.submit(TICKETS[name]))
    await sides.pass_time()
    for broker in (sides.live, sides.paper.broker):
        books.append([as_listed(one) for one in await broker.fetch_orders()])
        money.append(round(await broker.fetch_cash(), 2))
    if name in NOT_SENT:
        assert {outcome(reply)[0] for reply in replies} == {"NotSent", "Refused"}
        assert books == [[], []]
        return
    assert outcome(replies[0]) == outcome(replies[1])
    assert books[0] == books[1]
    assert money[0] == money[1]
    fills = [
        [(fill.quantity, fill.price, fill.side, fill.netting_key) for fill in await broker.fetch_fills()]
        for broker in (sides.live, sides.paper.broker)
    ]
    assert fills[0] == fills[1]
    positions = [await broker.fetch_positions() for broker in (sides.live, sides.paper.broker)]
    assert positions[0] == positions[1]


async def test_changes_and_cancels_have_the_same_outcome(sides: Sides) -> None:
    said: list[list[Any]] = []
    for broker in (sides.live, sides.paper.broker):
        replies: list[Any] = [await broker.submit(order(price=99))]
        number = replies[0].venue_order_id
        for request in changes():
            replies.append(await broker.modify(request, venue_order_id=number))
            await sides.pass_time()
        for which in (number, number, "999"):
            replies.append(await broker.cancel(order_id="T000001", venue_order_id=which))
            await sides.pass_time()
        said.append([outcome(reply) for reply in replies] + [as_listed(one) for one in await broker.fetch_orders()])
    assert said[0] == said[1]
    assert [kind[0] for kind in said[0][:-1]] == ["Accepted"] * 3 + ["Refused", "Accepted", "Refused", "Refused"]


def changes() -> list[OrderRequest]:
    return [
        order(price=99.5, quantity=20), order(kind="SL", side="BUY", trigger=101, price=101.5, quantity=20),
        order(price=99.52, quantity=20),
    ]  # fmt: skip


async def test_a_price_beyond_the_days_range_is_refused_by_the_venue_alone(sides: Sides) -> None:
    # The one difference of a refusal that is known: the stream tells no circuit limits.
    live, paper = [await b.submit(order(price=111)) for b in (sides.live, sides.paper.broker)]
    assert (outcome(live)[0], outcome(paper)[0]) == ("Refused", "Accepted")


async def test_the_stream_fills_paper_orders_and_no_write_reaches_the_venue(sides: Sides) -> None:
    heard, orders = asyncio.Event(), list[VenueOrder]()
    feed = sides.paper.create_feed(sides.market.exchange.universe)

    def on_market(message: MarketMessage) -> None:
        heard.set()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed.run(on_market, orders.append))
        async with asyncio.timeout(10):
            await heard.wait()
            reply = await sides.paper.broker.submit(order(kind="LIMIT", price=99))
            assert outcome(reply) == ("Accepted",)
            await sides.paper.broker.modify(order(price=99.5), venue_order_id=reply.venue_order_id)  # type: ignore[union-attr]
            await sides.paper.broker.submit(order(2, price=98))
            while not any(one.filled for one in orders):
                sides.market.source.show(
                    sides.clock.now_ns + SECOND, row(last=99.4, traded=500, bids=((99.35, 50),), asks=((99.45, 60),))
                )
                sides.market.to((sides.clock.now_ns - sides.market.source.opens_at) / SECOND + 1)
                await asyncio.sleep(0)
            for one in await sides.paper.broker.fetch_orders():
                await sides.paper.broker.cancel(order_id=one.tag, venue_order_id=one.venue_order_id)
        running.cancel()
    assert sides.market.exchange.latest_orders() == []
    asked = [line for line in read_event_log(sides.log) if line["kind"] == "request"]
    assert {line["method"] for line in asked} == {"GET"}
    assert {one.kind for one in orders} == {OrderKind.LIMIT}


async def test_the_venues_own_orders_are_not_the_paper_accounts(sides: Sides) -> None:
    await sides.live.submit(order(kind="MARKET"))
    await sides.pass_time()
    assert await sides.paper.broker.fetch_orders() == []
    assert await sides.paper.broker.fetch_positions() == []


async def test_the_market_moves_by_the_clock_without_quotes(sides: Sides) -> None:
    filled = asyncio.Event()
    sides.paper.broker.market.on_order = lambda one: filled.set() if one.filled else None
    await sides.paper.broker.submit(order(kind="MARKET"))
    sides.clock.now_ns += SECOND
    async with asyncio.timeout(5):
        await filled.wait()


async def test_a_night_passes_and_the_next_day_begins_by_the_clock(sides: Sides) -> None:
    async with asyncio.timeout(5):
        opened = [await sides.days.get()]
        await sides.paper.broker.submit(order(price=99))
        sides.clock.now_ns += 24 * 3600 * SECOND
        opened.append(await sides.days.get())
    assert [str(getattr(one, "day", "")) for one in opened] == ["2026-09-01", "2026-09-02"]
    (ended,) = sides.paper.broker.market.exchange.latest_orders()
    assert (ended.status, await sides.paper.broker.fetch_orders()) == ("cancelled", [])
