"""Hints of fills: each fetches the day's list, of which only what is new is posted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tradebot.clock import WallClock
from tradebot.domain.messages import FillReport
from tradebot.domain.order import Fill, Side
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import LinkLost
from tradebot.ops.events.event import drop_event
from tradebot.trading.reconciliation import Reconciliation


def fill(number: int, *, price: int = 100) -> Fill:
    return Fill(
        execution_id=f"E{number}",
        venue_order_id="V1",
        symbol="AAA",
        exchange="NSE",
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(price),
        traded_at=number,
    )


class Day:
    """A venue's list of fills that grows; `asked` counts the looks at it."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.asked = asyncio.Queue[int]()
        self.is_down = False

    async def fetch_fills(self) -> VenueRows[Fill]:
        self.asked.put_nowait(len(self.fills))
        if self.is_down:
            raise LinkLost("down")
        return VenueRows(self.fills)


@asynccontextmanager
async def following(day: Day, posted: list[Any]) -> AsyncIterator[Reconciliation]:
    reconciliation = Reconciliation(
        broker=day,  # type: ignore[arg-type]
        clock=WallClock(),
        post=posted.append,
        is_exposed=lambda: False,
        tell=drop_event,
    )
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reconciliation.run_fill_fetches())
        yield reconciliation
        task.cancel()


def told(posted: list[Any]) -> list[tuple[str, Decimal]]:
    assert all(isinstance(message, FillReport) for message in posted)
    return [(message.fill.execution_id, message.fill.price) for message in posted]


async def test_of_the_days_list_only_new_fills_and_changed_ones_are_posted() -> None:
    day, posted = Day(), list[Any]()
    async with following(day, posted) as reconciliation:
        for fills in ([fill(1)], [fill(1), fill(2)], [fill(1), fill(2)], [fill(1, price=101), fill(2), fill(3)]):
            day.fills = fills
            reconciliation.hint_fill()
            await day.asked.get()
        await asyncio.sleep(0)
    assert told(posted) == [("E1", 100), ("E2", 100), ("E1", 101), ("E3", 100)]


async def test_a_look_that_fails_leaves_the_fills_to_the_next_one() -> None:
    day, posted = Day(), list[Any]()
    async with following(day, posted) as reconciliation:
        day.fills, day.is_down = [fill(1)], True
        reconciliation.hint_fill()
        await day.asked.get()
        day.is_down = False
        reconciliation.hint_fill()
        await day.asked.get()
        await asyncio.sleep(0)
    assert told(posted) == [("E1", 100)]
