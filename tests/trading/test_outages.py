"""Which bars an outage spoiled: those that it touches, unless it lies within one bar or out of the session.

From when on they wait for their repair: from the end of the outage, the first close after a hole, or a leap of time.
"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.trading.quotes_by_hand import LENGTH, OPEN, OneDay
from tradebot.clock import SECOND
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import LinkDown, LinkUp
from tradebot.trading.analysis.repaired_bars import SpoiledBars
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.outages import MAX_OUTAGES, Outage, OutageLog

MINUTE = 60 * SECOND
TICK = SECOND // 20
NOTHING_LEFT = SpoiledBars(until=None, bars=0)


def log(*, joined: int = OPEN) -> OutageLog:
    bars = BarBuilder(3, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(3))
    bars.roll_session(joined)
    return OutageLog(bars, leap_ns=5 * SECOND)


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


# ---- from when on bars wait for their repair


def expecting(*, joined: int = OPEN) -> OutageLog:
    outages = log(joined=joined)
    outages.expect_repairs()
    return outages


def at(minute: float) -> int:
    return OPEN + int(minute * MINUTE)


def down(outages: OutageLog, minute: float) -> SpoiledBars | None:
    return outages.on_link(LinkDown(source="a", mono=0, reason="cut"), at(minute))


def up(outages: OutageLog, minute: float) -> SpoiledBars | None:
    return outages.on_link(LinkUp(source="a", mono=0), at(minute))


def closed(outages: OutageLog, minute: int) -> SpoiledBars | None:
    """Close the bar that starts at `minute`."""
    ids = np.arange(3)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume", "ticks"), ids)
    return outages.on_close(
        BarBatch(interval=MINUTE, ends_at=at(minute + 1), seen_at=0, quoted_at=0, ids=ids, **columns)
    )


def ticks(outages: OutageLog, since: float, until: float) -> list[SpoiledBars]:
    """Let the clock tick from one minute to another."""
    found = [outages.on_tick(instant) for instant in range(at(since), at(until), TICK)]
    return [one for one in found if one is not None]


def test_the_end_of_an_outage_says_which_bars_wait() -> None:
    outages = expecting()
    assert down(outages, 5.5) is None
    assert up(outages, 8.2) == SpoiledBars(until=at(9), bars=4)
    assert down(outages, 9.1) is None
    assert up(outages, 9.9) is None  # within one bar


def test_without_repairs_none_waits() -> None:
    outages = log()
    down(outages, 5.5)
    assert closed(outages, 7) is None
    assert up(outages, 8.2) is None
    assert ticks(outages, 8.5, 8.6) + ticks(outages, 100, 100.1) == []


def test_the_first_close_after_a_hole_finds_it_though_the_stream_is_still_away() -> None:
    outages = expecting()
    assert closed(outages, 4) is None
    down(outages, 5.5)
    assert closed(outages, 5) is None  # of the quotes before the outage
    assert closed(outages, 6) is None  # of fetched quotes
    assert closed(outages, 9) == SpoiledBars(until=None, bars=2)
    assert closed(outages, 12) is None  # they wait already
    assert up(outages, 13.5) == SpoiledBars(until=at(14), bars=9)
    assert closed(outages, 20) is None  # with every link up a bar without a trade is no hole


@pytest.mark.parametrize(("joined", "first", "bars"), [(OPEN, 0, None), (OPEN, 2, 2), (OPEN + 2 * MINUTE + 1, 3, None)])
def test_a_stream_that_is_away_from_before_the_open_has_a_hole_from_the_first_bar_on(
    joined: int, first: int, bars: int | None
) -> None:
    outages = expecting(joined=joined)
    down(outages, -20)
    assert closed(outages, first) == (None if bars is None else SpoiledBars(until=None, bars=bars))


def test_a_hole_that_reaches_over_the_close_waits_for_no_repair_that_never_comes() -> None:
    outages = expecting()
    down(outages, LENGTH / MINUTE - 9)
    assert closed(outages, LENGTH // MINUTE - 3) is not None
    outages._bars.roll_session(OPEN)
    outages._since = at(LENGTH / MINUTE + 1)  # as of the session after it
    assert up(outages, LENGTH / MINUTE + 2) == NOTHING_LEFT


async def test_a_leap_of_time_is_an_outage_and_holds_before_the_closes_of_its_tick() -> None:
    outages = expecting()
    assert ticks(outages, 5, 5.5) == []
    assert outages.on_tick(at(30.2)) == SpoiledBars(until=None, bars=26)
    assert closed(outages, 5) is None
    assert outages.on_tick(at(30.2) + TICK) == SpoiledBars(until=at(31), bars=26)
    assert await taken(outages) == [(5, 30)]
    assert ticks(outages, 30.21, 33) == []


async def test_a_leap_that_is_found_as_a_silence_too_is_one_outage() -> None:
    outages = expecting()
    ticks(outages, 5, 5.5)
    assert outages.on_tick(at(30.2)) is not None
    down(outages, 5.4)  # of the same tick
    assert outages.on_tick(at(30.2) + TICK) is None
    assert up(outages, 30.4) == SpoiledBars(until=at(31), bars=26)
    assert await taken(outages) == [(5, 30)]


async def test_a_pause_of_the_loop_or_one_within_a_bar_is_no_leap() -> None:
    outages = expecting()
    assert ticks(outages, 5, 5.5) + ticks(outages, 5.9, 5.99) == []
    assert ticks(outages, 6.01, 7) == []
    assert await taken(outages) == []


def test_a_leap_from_the_night_into_the_day_spoils_the_bars_since_the_open() -> None:
    outages = expecting()
    assert ticks(outages, -600, -599.9) + ticks(outages, -20, -19.9) == []
    assert outages.on_tick(at(5.5)) == SpoiledBars(until=None, bars=6)
    assert ticks(expecting(), LENGTH / MINUTE + 1, LENGTH / MINUTE + 2) == []
