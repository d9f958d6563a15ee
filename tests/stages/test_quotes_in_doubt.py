"""The engine's way with quotes in doubt: the venue is asked, its answer comes to bars and desk, a symbol is halted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.stages.test_bars import OPEN, OneDay, quotes
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Command, Tick
from tradebot.engine import Engine
from tradebot.stages.bars import Bars
from tradebot.stages.desk.blotter import Blotter
from tradebot.stages.price_band import PriceBand
from tradebot.stages.watch import FeedWatch, Silences


class Venue:
    """Answers with one price; its stream is subscribed again when somebody asks for that."""

    def __init__(self, price: int) -> None:
        self.price, self.again = price, list[list[int]]()

    async def login(self) -> str:
        return "AB1234"

    async def quotes(self, universe: Universe) -> Quotes:
        assert universe.symbols == ("AAA",)
        return quotes((0, 2.0, self.price, 300), seen_at=90 * SECOND)

    async def resubscribe(self, ids: Sequence[int]) -> None:
        self.again.append(list(ids))


def engine_at(venue: Venue) -> Engine:
    unused: Any = None
    bars = Bars(1, interval=60 * SECOND, grace=0, sessions=OneDay(1), band=PriceBand([5]))
    bars.roll(OPEN)
    desk = SimpleNamespace(
        blotter=Blotter(lambda order, fact: Decimal(0)), sightings=SimpleNamespace(look_wanted_at=lambda: None),
        protection=SimpleNamespace(mask=np.zeros(1, dtype=bool)),
    )  # fmt: skip
    return Engine(
        feed=venue, broker=venue, clock=ManualClock(10**18), bars=bars, analysis=unused, desk=desk, journal=unused,
        watch=FeedWatch(stale_after_s=15.0, speed=1.0), silences=Silences(stale_after_s=15.0, speed=1.0),
        measure=lambda name, ns: None, tell=lambda *args, **fields: None, beat=lambda: None,
        universe=Universe([Instrument(symbol="AAA", token=256)]), poll_every_s=1.0, reconcile_live_s=3600.0,
        reconcile_idle_s=3600.0, order_deadline_s=2.0, durable_within_s=5.0,
    )  # type: ignore[arg-type]  # fmt: skip


async def told_to_the_desk(engine: Engine, *, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        message = await engine.quotes.get()
        if isinstance(message, Quotes):
            found += message.last.tolist()
    return found


async def test_a_far_price_comes_to_the_desk_when_the_venue_says_the_same_and_three_halt_the_symbol() -> None:
    engine = engine_at(Venue(80_000))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(engine._run_bars()), tasks.create_task(engine._inquiry.run())]
        for n, price in enumerate((100_000, 80_000)):
            engine._on_market(quotes((0, 1.0 + n, price, 100 + n), seen_at=(80 + n) * SECOND))
        assert await told_to_the_desk(engine, count=2) == [100_000, 80_000]

        for n, price in enumerate((1_000, 900_000, 10)):
            engine._on_market(quotes((0, 3.0 + n, price, 400 + n), seen_at=(91 + n) * SECOND))
        command = await engine.updates.get()
        assert isinstance(command, Command)
        assert str(command.scope) == "symbol:AAA"
        for task in running:
            task.cancel()


async def test_a_held_symbol_without_quotes_is_subscribed_again_and_asked_for() -> None:
    venue = Venue(100_500)
    engine = engine_at(venue)
    engine._desk.blotter.open["AAA"] = None  # type: ignore[assignment]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(engine._run_bars()), tasks.create_task(engine._inquiry.run())]
        engine._on_market(quotes((0, 1.0, 100_000, 100), seen_at=70 * SECOND))
        assert await told_to_the_desk(engine, count=1) == [100_000]
        engine._watch.fed(86 * SECOND)  # others flow
        await engine.market.put(Tick(at=OPEN + 17 * SECOND, mono=86 * SECOND))
        assert await told_to_the_desk(engine, count=1) == [100_500]
        assert venue.again == [[0]]
        for task in running:
            task.cancel()
