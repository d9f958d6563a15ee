"""The engine's way with quotes in doubt: the venue is asked, its answer comes to bars and desk, a symbol is halted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tests.trading.quotes_by_hand import OPEN, OneDay, quotes
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import ClockTick, Command
from tradebot.ops.events.event import drop_event
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.settings import DeskSettings
from tradebot.trading.engine import Engine, EngineSettings, EngineStages, Telemetry
from tradebot.trading.order_sender import SendRules
from tradebot.trading.poll_schedule import PollPace
from tradebot.trading.price_band import PriceBand


class Venue:
    """Answers with one price; its stream is subscribed again when it is asked for."""

    def __init__(self, price: int) -> None:
        self.price, self.again = price, list[list[int]]()

    async def fetch_account_id(self) -> str:
        return "AB1234"

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        assert universe.symbols == ("AAA",)
        return quotes((0, 2.0, self.price, 300), seen_at=90 * SECOND)

    async def resubscribe(self, ids: Sequence[int]) -> None:
        self.again.append(list(ids))


def engine_at(venue: Venue, *, held: Sequence[str] = ()) -> Engine:
    unused: Any = None
    bars = BarBuilder(2, interval_ns=60 * SECOND, grace_ns=0, sessions=OneDay(2), price_band=PriceBand([5, 5]))
    bars.roll_session(OPEN)
    universe = Universe([Instrument(symbol="AAA", token=256), Instrument(symbol="BBB", token=512)])
    book = Book(universe, DeskSettings(order_notional=Decimal(1)), lambda order, fill: Decimal(0))
    for symbol in held:
        book.blotter.adopt_position(book.position_key(symbol), Decimal(1), Decimal(100))
    desk = build_desk(book, gate=Gate([]), id_prefix="T", absent_after_s=60.0)
    return Engine(
        feed=venue, broker=venue, clock=ManualClock(10**18),
        universe=universe,
        stages=EngineStages(bars=bars, analysis=unused, desk=desk), journal=unused,
        telemetry=Telemetry(measure=lambda name, ns: None, tell=drop_event, beat=lambda: None),
        settings=EngineSettings(stale_after_s=15.0, poll_every_s=1.0, poll_pace=PollPace(), send_rules=SendRules()),
    )  # type: ignore[arg-type]  # fmt: skip


async def told_to_the_desk(engine: Engine, *, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        message = await engine.queues.quotes.get()
        if isinstance(message, Quotes):
            found += message.last.tolist()
    return found


async def test_a_far_price_comes_to_the_desk_when_the_venue_says_the_same_and_three_halt_the_symbol() -> None:
    engine = engine_at(Venue(80_000))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(engine.market_stage.process_messages()),
            tasks.create_task(engine.quote_requester.send_requests()),
        ]
        for n, price in enumerate((100_000, 80_000)):
            engine.feed_intake.on_market(quotes((0, 1.0 + n, price, 100 + n), seen_at=(80 + n) * SECOND))
        assert await told_to_the_desk(engine, count=2) == [100_000, 80_000]

        for n, price in enumerate((1_000, 900_000, 10)):
            engine.feed_intake.on_market(quotes((0, 3.0 + n, price, 400 + n), seen_at=(91 + n) * SECOND))
        command = await engine.queues.updates.get()
        assert isinstance(command, Command)
        assert str(command.scope) == "symbol:AAA"
        for task in running:
            task.cancel()


async def test_a_held_symbol_without_quotes_is_subscribed_again_and_asked_for() -> None:
    venue = Venue(100_500)
    engine = engine_at(venue, held=["AAA"])
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(engine.market_stage.process_messages()),
            tasks.create_task(engine.quote_requester.send_requests()),
        ]
        engine.feed_intake.on_market(quotes((0, 1.0, 100_000, 100), seen_at=70 * SECOND))
        assert await told_to_the_desk(engine, count=1) == [100_000]
        engine.feed_intake.on_market(quotes((1, 16.0, 50_000, 100), seen_at=86 * SECOND))  # others flow
        assert await told_to_the_desk(engine, count=1) == [50_000]
        await engine.queues.market.put(ClockTick(at=OPEN + 17 * SECOND, mono=86 * SECOND))
        assert await told_to_the_desk(engine, count=1) == [100_500]
        assert venue.again == [[0]]
        for task in running:
            task.cancel()
