"""The shadow of a live run: each request at the time it was sent, and no failure of it that reaches the live side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.paper.paper_rig import ADAPTER, UNIVERSE, HandFeed, HandReader, at, frame, order, quote
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import OrderRequest, VenueOrder, VenueOrderStatus
from tradebot.domain.order_request import GttTerms
from tradebot.errors import OutcomeUnknown
from tradebot.exchange.latency import NO_LATENCY, Latency
from tradebot.ops.events.event import Event
from tradebot.ops.events.paper import ShadowOrderRefused, ShadowRowsDropped, ShadowStopped
from tradebot.paper import shadow as shadow_module
from tradebot.paper.settings import SHADOW_LOG, PaperSettings
from tradebot.paper.shadow import LAG_S, SHADOW_CASH, STEP_S, Shadow
from tradebot.paper.shadow_venue import ShadowBroker, ShadowFeed, open_shadow_venue
from tradebot.venues.venue import Accepted, NotSent, Refused, Reply

D = Decimal
GOOD = quote(100, bid=99.95, ask=100.05, sizes=(100, 100))
LATER = quote(101, bid=100.95, ask=101.05, sizes=(100, 100))


class LiveBroker(HandReader):
    """A live broker that gives the replies that a test set, each `takes_s` after the request."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock, self.takes_s = clock, 0.0
        self.reply: Reply | OutcomeUnknown = Accepted(venue_order_id="L1")
        self.got: list[str] = []

    def answer(self, name: str) -> Reply:
        self.got.append(name)
        self.clock.now_ns += int(self.takes_s * SECOND)
        if isinstance(self.reply, OutcomeUnknown):
            raise self.reply
        return self.reply

    async def submit(self, request: OrderRequest) -> Reply:
        return self.answer("submit")

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        return self.answer("modify")

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        return self.answer("cancel")


class Beside:
    """A live broker and feed with a shadow; the test moves the time and lets the shadow play."""

    def __init__(self, folder: Path, latency: Latency = NO_LATENCY) -> None:
        self.clock, self.told = ManualClock(at(0)), list[Event]()
        self.live, self.feed = LiveBroker(self.clock), HandFeed()
        settings = PaperSettings(cash=D(5), log=folder / SHADOW_LOG, latency=latency, tell=self.told.append)
        self.shadow = Shadow(UNIVERSE, self.clock, settings, live_account="AB1234")
        self.broker = ShadowBroker(self.live, self.shadow, self.clock)
        self.shadow_feed = ShadowFeed(self.feed, self.shadow, self.clock)
        self.market: list[MarketMessage] = []
        self.orders: list[VenueOrder] = []

    async def open(self) -> Beside:
        await self.shadow_feed.run(self.market.append, self.orders.append)
        return self

    def show(self, second: float, *rows: Any) -> None:
        self.clock.now_ns = at(second)
        assert self.feed.deliver is not None
        self.feed.deliver(frame(*rows))

    async def played(self, second: float) -> list[tuple[str, Decimal, int]]:
        """Play up to a second and return the shadow's fills: our order id, price, second."""
        await self.shadow.play_until(at(second))
        exchange = self.shadow.market.exchange
        tags = {one.order_id: one.ticket.tag for one in exchange.latest_orders()}
        return [(tags[t.order_id], t.price, round((t.traded_at - at(0)) / SECOND)) for t in exchange.trade_rows()]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    one = Beside(tmp_path)
    yield await one.open()
    one.shadow.close_shadow()


async def test_an_order_is_played_at_the_time_it_was_sent_however_late_the_venue_answers(beside: Beside) -> None:
    beside.show(1, GOOD)
    beside.clock.now_ns, beside.live.takes_s = at(2), 5
    assert await beside.broker.submit(order(kind="MARKET")) == Accepted(venue_order_id="L1")
    beside.shadow.note_quotes(frame(LATER), at(4))  # came while the venue had not answered
    assert await beside.played(10) == [("T000001", D("100.05"), 2)]


async def test_a_gtt_order_of_the_live_side_is_not_played_and_told(beside: Beside) -> None:
    beside.show(1, GOOD)
    stop = order(side="SELL", kind="SL", trigger=101, price=98, gtt=GttTerms(last_price=D(100)))
    assert await beside.broker.submit(stop) == Accepted(venue_order_id="L1")
    await beside.broker.modify(stop, venue_order_id="L1")
    await beside.broker.cancel(order_id=stop.order_id, venue_order_id="L1")
    assert await beside.played(5) == []
    (said,) = beside.of(ShadowOrderRefused)
    assert (said.order_id, said.reason) == (stop.order_id, "a paper account has no GTT orders")
    assert not beside.shadow.is_off


async def test_the_engine_has_each_message_before_the_shadow_notes_it(beside: Beside) -> None:
    beside.show(1, GOOD)
    assert [type(one) for one in beside.market] == [Quotes]
    await beside.broker.submit(order(kind="MARKET"))
    assert await beside.played(0.5) == []  # nothing is played before its time
    assert await beside.played(1) == [("T000001", D("100.05"), 1)]


@pytest.mark.parametrize(
    ("reply", "is_played"),
    [
        (Accepted(venue_order_id="L1"), True), (Refused(reason="no funds"), True), (OutcomeUnknown("reset"), True),
        (NotSent(reason="no room"), False),
    ],
)  # fmt: skip
async def test_what_was_sent_is_repeated_and_what_was_not_is_not(
    reply: Reply | OutcomeUnknown, is_played: bool, beside: Beside
) -> None:
    beside.show(1, GOOD)
    beside.live.reply = reply
    if isinstance(reply, OutcomeUnknown):
        with pytest.raises(OutcomeUnknown):
            await beside.broker.submit(order(kind="MARKET"))
    else:
        assert await beside.broker.submit(order(kind="MARKET")) is reply
    assert bool(await beside.played(2)) is is_played
    assert beside.live.got == ["submit"]


async def test_changes_and_cancels_are_repeated_under_the_same_order_id(beside: Beside) -> None:
    beside.show(1, GOOD)
    await beside.broker.submit(order(price=99))
    await beside.broker.submit(order(2, price=99))
    beside.clock.now_ns = at(2)
    await beside.broker.modify(order(price=100.05), venue_order_id="L1")
    await beside.broker.cancel(order_id="T000002", venue_order_id="L2")
    assert await beside.played(5) == [("T000001", D("100.05"), 2)]
    assert [one.status for one in beside.shadow.market.exchange.latest_orders()] == ["filled", "cancelled"]
    assert beside.live.got == ["submit", "submit", "modify", "cancel"]


@pytest.mark.parametrize("kind", ["modify", "cancel"])
async def test_a_change_or_cancel_of_unknown_outcome_is_repeated_too(kind: str, beside: Beside) -> None:
    beside.show(1, GOOD)
    await beside.broker.submit(order(price=99))
    beside.live.reply = OutcomeUnknown("reset")
    broker = beside.broker
    asking = (
        broker.modify(order(price=98), venue_order_id="L1")
        if kind == "modify"
        else broker.cancel(order_id="T000001", venue_order_id="L1")
    )
    with pytest.raises(OutcomeUnknown):
        await asking
    await beside.played(2)
    (one,) = beside.shadow.market.exchange.latest_orders()
    assert (one.ticket.price, one.status) == ((D(98), "open") if kind == "modify" else (D(99), "cancelled"))


async def test_a_live_order_that_ends_unfilled_ends_its_shadow(beside: Beside) -> None:
    beside.show(1, GOOD)
    await beside.broker.submit(order(price=99))
    await beside.broker.submit(order(2, price=99))
    assert beside.feed.report is not None
    beside.clock.now_ns = at(3)
    for number, status in ((1, VenueOrderStatus.CANCELED), (2, VenueOrderStatus.FILLED)):
        said = VenueOrder(
            venue_order_id="L", tag=f"T{number:06}", symbol="RELIANCE", exchange="NSE", side=order().side,
            kind=order().kind, status=status, quantity=D(10), filled=D(0),
        )  # fmt: skip
        beside.feed.report(said)
    assert len(beside.orders) == 2
    await beside.played(4)
    assert [one.status for one in beside.shadow.market.exchange.latest_orders()] == ["cancelled", "open"]
    assert beside.shadow.market.exchange.latest_orders()[0].reason == "the live order is canceled"


async def test_a_refusal_by_the_shadows_exchange_is_told_and_changes_nothing(beside: Beside) -> None:
    beside.show(1, GOOD)
    for number in (1, 2):
        assert isinstance(await beside.broker.submit(order(number, price=99.02)), Accepted)
    assert await beside.played(2) == []
    (said,) = beside.of(ShadowOrderRefused)  # of the same reason once, not for each order
    assert (said.order_id, said.reason) == ("T000001", "the price should be a multiple of 0.05")
    beside.clock.now_ns = at(3)
    await beside.broker.submit(order(3, kind="MARKET"))
    assert await beside.played(3) == [("T000003", D("100.05"), 3)]


async def test_the_shadow_does_not_run_out_of_funds(beside: Beside) -> None:
    beside.show(1, quote(100, bid=99.95, ask=100.05, sizes=(10**6, 10**6)))
    await beside.broker.submit(order(kind="MARKET", quantity=100_000))
    assert [fill[0] for fill in await beside.played(2)] == ["T000001"]
    assert beside.shadow.market.exchange.account.opening_funds == SHADOW_CASH


async def test_a_log_that_cannot_be_used_ends_the_shadow_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / SHADOW_LOG).write_text("no json\n")
    beside = await Beside(tmp_path).open()
    beside.show(1, GOOD)
    assert await beside.broker.submit(order(kind="MARKET")) == Accepted(venue_order_id="L1")
    await beside.shadow.play_until(at(2))
    (said,) = beside.of(ShadowStopped)
    assert "shadow.jsonl:1: not a line of an exchange log" in said.reason
    beside.show(3, LATER)
    assert await beside.broker.submit(order(2, kind="MARKET")) == Accepted(venue_order_id="L1")
    await beside.shadow.play_until(at(9))
    assert len(beside.of(ShadowStopped)) == 1
    beside.shadow.close_shadow()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), AssertionError("a bug"), KeyError("a bug")])
async def test_a_full_disk_or_a_bug_in_the_shadow_does_not_reach_the_live_side(
    error: Exception, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kw: Any) -> Any:
        raise error

    beside.show(1, GOOD)
    await beside.shadow.play_until(at(1))
    monkeypatch.setattr(beside.shadow.market.exchange, "place_order", fail)
    reply = await beside.broker.submit(order(kind="MARKET"))
    assert reply == Accepted(venue_order_id="L1")
    await beside.shadow.play_until(at(2))
    assert beside.shadow.is_off
    assert type(error).__name__ in beside.of(ShadowStopped)[0].reason


async def test_what_finds_no_room_is_dropped_counted_and_told(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_module, "MAX_FRAMES", 2)
    monkeypatch.setattr(shadow_module, "MAX_REQUESTS", 1)
    for second in range(4):
        beside.show(second, GOOD)
    for number in range(3):
        await beside.broker.submit(order(number, kind="MARKET"))
    assert [fill[0] for fill in await beside.played(5)] == ["T000000"]
    assert beside.of(ShadowRowsDropped)[0].dropped == beside.shadow.dropped_count == 4


async def test_the_venues_books_are_the_live_ones(beside: Beside) -> None:
    assert await beside.broker.fetch_account_id() == "AB1234"
    with pytest.raises(AssertionError, match="the venue's own orders"):
        await beside.broker.fetch_orders()
    beside.live.quotes = frame(GOOD)
    assert await beside.broker.fetch_quotes(UNIVERSE) is beside.live.quotes
    await beside.broker.submit(order(kind="MARKET"))
    assert len(await beside.played(1)) == 1
    assert beside.shadow_feed.dropped_counts == {"malformed": 1}


async def test_quotes_of_a_few_instruments_reach_the_shadows_orders_in_those(beside: Beside) -> None:
    beside.show(1, GOOD, quote(50, id_=1, bid=49.95, ask=51))
    await beside.broker.submit(order(price=50.5, symbol="TCS"))
    beside.clock.now_ns = at(2)
    beside.live.quotes = frame(quote(50, bid=49.95, ask=50.05))
    await beside.broker.fetch_quotes(Universe([UNIVERSE.instrument_of("TCS")]))
    assert await beside.played(3) == [("T000001", D("50.05"), 2)]


class LiveVenue:
    """A live venue of hand-written parts."""

    def __init__(self, clock: ManualClock) -> None:
        self.venue_rules, self.broker, self.feed, self.resumed = ADAPTER.venue_rules, LiveBroker(clock), HandFeed(), 0

    def resume_day(self, sent_before: int) -> None:
        self.resumed = sent_before

    def create_feed(self, universe: Any, *, tell: Any = None) -> HandFeed:
        return self.feed


@asynccontextmanager
async def opened(folder: Path, clock: ManualClock, tell: Callable[[Event], None]) -> AsyncIterator[tuple[Any, Any]]:
    live = LiveVenue(clock)
    settings = PaperSettings(cash=D(5), log=folder / SHADOW_LOG, tell=tell)
    async with open_shadow_venue(live, clock, settings, live_account="AB1234", universe=UNIVERSE) as venue:
        yield live, venue


async def test_a_shadow_follows_its_live_venue_and_catches_up_at_the_end(tmp_path: Path) -> None:
    clock, told = ManualClock(at(0)), list[Event]()
    async with opened(tmp_path, clock, told.append) as (live, venue):
        venue.resume_day(7)
        assert live.resumed == 7
        feed = venue.create_feed(UNIVERSE)
        await feed.run(lambda _: None, lambda _: None)
        live.feed.deliver(frame(GOOD))
        await venue.broker.submit(order(kind="MARKET"))
        for _ in range(round((LAG_S + 1) / STEP_S)):  # a hand-moved clock moves with each step of the shadow
            await asyncio.sleep(0)
        await venue.broker.submit(order(2, kind="MARKET"))
    text = (tmp_path / SHADOW_LOG).read_text()
    assert [line.count('"kind":"fill"') for line in text.splitlines()].count(1) == 2
    assert '"account":"SHADOW-AB1234"' in text
    assert not [event for event in told if isinstance(event, ShadowStopped)]
