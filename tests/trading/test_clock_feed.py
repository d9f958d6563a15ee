"""The clock as a feed: when its ticks come, and when the workers are woken for a close."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tradebot.clock import MILLISECOND, SECOND, ManualClock
from tradebot.domain.messages import ClockTick
from tradebot.trading.clock_feed import ClockFeed
from tradebot.trading.queues import BoundedQueue

START = 10**18


class Workers:
    """An analysis that notes when it was woken."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self.woken_at = clock, list[int]()

    def prewarm_workers(self) -> None:
        self.woken_at.append(self._clock.now_ns - START)


async def beats(count: int, *, close_every: int | None) -> tuple[list[int], list[int], list[int]]:
    """The first ticks after START, when the workers were woken, and how late the ticks were; all in ns."""
    clock, queue, lags = ManualClock(START), BoundedQueue("market", 2_000), list[int]()
    workers = Workers(clock)
    bars: Any = SimpleNamespace(
        quote_filter=SimpleNamespace(session_bounds=None if close_every is None else "a session"),
        next_close_at=lambda at: at - (at - START) % (close_every or 1) + (close_every or 1),
    )
    clock_feed = ClockFeed(
        queue, clock=clock, bars=bars, analysis=workers, measure=lambda name, ns: lags.append(ns)  # type: ignore[arg-type]
    )  # fmt: skip
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(clock_feed.emit_ticks())
        ticks: list[ClockTick] = [await queue.get() for _ in range(count)]
        beating.cancel()
    return [tick.at - START for tick in ticks], workers.woken_at, lags[:count]


async def test_without_a_session_it_ticks_every_fifty_milliseconds_and_wakes_nobody() -> None:
    ticks, woken_at, lags = await beats(4, close_every=None)
    assert ticks == [n * 50 * MILLISECOND for n in range(4)]
    assert (woken_at, lags) == ([], [0, 0, 0, 0])


async def test_a_tick_comes_just_when_a_bar_is_due_and_the_workers_are_woken_before_it() -> None:
    ticks, woken_at, _ = await beats(5, close_every=120 * MILLISECOND)
    due = ticks[3]
    assert ticks[:3] == [0, 50 * MILLISECOND, 100 * MILLISECOND]
    assert due == pytest.approx(121 * MILLISECOND, abs=1_000), "a timer may end a millisecond early"
    assert woken_at[0] == pytest.approx(due - 2 * MILLISECOND, abs=1_000)
    assert ticks[4] == pytest.approx(due + 50 * MILLISECOND, abs=1_000)
    assert ticks[4] < SECOND
