"""Which bars an outage spoiled: those that it touches, unless it lies within one bar or out of the session."""

from __future__ import annotations

import asyncio

import pytest

from tests.trading.quotes_by_hand import LENGTH, OPEN, OneDay
from tradebot.clock import SECOND
from tradebot.domain.messages import LinkDown, LinkUp
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.outages import MAX_OUTAGES, Outage, OutageLog

MINUTE = 60 * SECOND


def log(*, joined: int = OPEN) -> OutageLog:
    bars = BarBuilder(3, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(3))
    bars.roll_session(joined)
    return OutageLog(bars)


def cut(outages: OutageLog, begins: float, ends: float, source: str = "a") -> None:
    outages.on_link(LinkDown(source=source, mono=0, reason="cut"), OPEN + int(begins * MINUTE))
    outages.on_link(LinkUp(source=source, mono=0), OPEN + int(ends * MINUTE))


async def taken(outages: OutageLog) -> list[tuple[int, int]]:
    found = []
    try:
        while True:
            async with asyncio.timeout(0.01):
                outage = await outages.wait_outage()
            found.append(((outage.first_at - OPEN) // MINUTE, (outage.last_at - OPEN) // MINUTE))
    except TimeoutError:
        return found


@pytest.mark.parametrize(
    ("begins", "ends", "bars"),
    [
        (5.5, 8.2, [(5, 8)]),
        (5.1, 5.9, []),  # within one bar
        (5.9, 6.1, [(5, 6)]),
        (-20, -5, []),  # before the open
        (-20, 2.5, [(0, 2)]),
        (LENGTH / MINUTE + 1, LENGTH / MINUTE + 9, []),  # after the close
        (LENGTH / MINUTE - 2.5, LENGTH / MINUTE + 9, [(LENGTH // MINUTE - 3, LENGTH // MINUTE - 1)]),
    ],
)
async def test_an_outage_spoils_the_bars_that_it_touches(
    begins: float, ends: float, bars: list[tuple[int, int]]
) -> None:
    outages = log()
    cut(outages, begins, ends)
    assert await taken(outages) == bars


async def test_bars_that_began_before_the_run_are_no_part_of_it() -> None:
    outages = log(joined=OPEN + 10 * MINUTE + SECOND)
    cut(outages, 3, 12.5)
    assert await taken(outages) == [(11, 12)]


async def test_links_that_are_down_at_once_make_one_outage() -> None:
    outages = log()
    outages.on_link(LinkUp(source="b", mono=0), OPEN)  # the first connection of the day
    outages.on_link(LinkDown(source="b", mono=0, reason="cut"), OPEN + 2 * MINUTE)
    cut(outages, 3, 6.5)
    assert await taken(outages) == []
    outages.on_link(LinkUp(source="b", mono=0), OPEN + 9 * MINUTE)
    assert await taken(outages) == [(2, 9)]


async def test_outages_that_wait_are_bounded_and_none_is_forgotten() -> None:
    outages = log()
    for n in range(MAX_OUTAGES + 3):
        cut(outages, 4 * n, 4 * n + 1.5)
    found = await taken(outages)
    assert len(found) == MAX_OUTAGES
    assert (found[0], found[-1]) == ((0, 13), (4 * (MAX_OUTAGES + 2), 4 * (MAX_OUTAGES + 2) + 1))


async def test_an_outage_is_waited_for() -> None:
    outages = log()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waits = tasks.create_task(outages.wait_outage())
        await asyncio.sleep(0)
        cut(outages, 1, 3)
    assert waits.result() == Outage(OPEN + MINUTE, OPEN + 3 * MINUTE)
