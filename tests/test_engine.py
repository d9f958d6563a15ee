"""The engine's own decisions: what it asks the venue for, and when."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np

from tradebot.clock import ManualClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.listed import Listed
from tradebot.domain.messages import Cancel, LinkDown, LinkUp, Tick
from tradebot.domain.order import OrderEvent, OrderFact
from tradebot.engine import Engine
from tradebot.stages.desk.blotter import Blotter
from tradebot.stages.late_quotes import LateQuotes


class Books:
    """A venue whose books are empty; it counts how often they are read, and says so."""

    def __init__(self) -> None:
        self.reads = 0
        self.was_read = asyncio.Event()

    async def orders(self) -> Listed[Any]:
        self.reads += 1
        self.was_read.set()
        return Listed()

    async def executions(self) -> Listed[Any]:
        return Listed()

    positions = holdings = executions

    async def login(self) -> str:
        return "AB1234"

    async def cash(self) -> Decimal:
        return Decimal(0)


class DeskWithoutOrders:
    blotter = Blotter(lambda order, fact: Decimal(0))
    sightings = SimpleNamespace(look_wanted_at=lambda: None)


def engine_at(venue: Books) -> Engine:
    unused: Any = None
    return Engine(
        feed=unused, broker=venue, clock=ManualClock(10**18), bars=unused, analysis=unused,
        desk=DeskWithoutOrders(), journal=unused, watch=unused, silences=unused, measure=lambda name, ns: None,
        tell=lambda *args, **fields: None, beat=lambda: None, universe=Universe([Instrument(symbol="AAA", token=256)]),
        poll_every_s=1.0, reconcile_live_s=3600.0, reconcile_idle_s=3600.0, order_deadline_s=2.0, durable_within_s=5.0,
    )  # type: ignore[arg-type]  # fmt: skip


async def test_a_link_that_comes_back_leads_to_a_look_at_the_books_and_one_that_breaks_does_not() -> None:
    venue = Books()
    engine = engine_at(venue)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(engine.reconciliation.run())
        engine._on_market(LinkDown(source="kite", mono=1, reason="cut"))
        await asyncio.sleep(0)
        assert venue.reads == 0
        engine._on_market(LinkUp(source="kite", mono=2))
        await venue.was_read.wait()
        looking.cancel()


async def test_quotes_that_came_after_their_bar_are_told_with_the_next_tick() -> None:
    engine, told = engine_at(Books()), []
    engine._tell = lambda event, level, **fields: told.append((event, level, fields["worst"]))  # type: ignore[method-assign]
    engine._bars = SimpleNamespace(  # type: ignore[assignment]
        roll=lambda at: None, close=lambda at, mono: [], is_open=lambda at: True, late=LateQuotes()
    )  # fmt: skip
    engine._watch = SimpleNamespace(step=lambda mono, is_open: [], is_stale=True)  # type: ignore[assignment]
    engine._bars.late.add(np.array([0]))

    await engine._on_tick(Tick(at=1, mono=1))

    assert told == [("quotes_late", "warning", {"AAA": 1})]


async def test_what_the_first_tick_of_a_start_leads_to_is_written_down_and_leaves() -> None:
    # An order that the run before left hanging is taken back at once, an exit that it owed is sent again.
    engine, written = engine_at(Books()), []
    fact = OrderFact(order_id="T1", event=OrderEvent.CANCEL_SENT, at=1, mono=1, reason="not filled in time")
    cancel = Cancel(order_id="T1", venue_order_id="V1", reason="not filled in time")
    said: Any = {"apply": lambda message: [fact, cancel], "adopt": lambda books: []}
    engine._desk = SimpleNamespace(blotter=DeskWithoutOrders.blotter, **said)  # type: ignore[assignment]
    journal = {"append": lambda kind, message, at: written.append((kind, message)), "durable": lambda: asyncio.sleep(0)}
    engine._journal = SimpleNamespace(**journal)  # type: ignore[assignment]

    await engine.reconcile()

    assert written == [("order", fact)]
    assert engine.execution.pending == 1
