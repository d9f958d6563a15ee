"""The poll schedule: a doubt brings polls at growing intervals, and no poll comes more often than it helps."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tradebot.clock import MILLISECOND, SECOND, ManualClock
from tradebot.trading.poll_schedule import PollPace, PollSchedule


def schedule(clock: ManualClock, *, is_live: bool = False, wanted: int | None = None) -> PollSchedule:
    return PollSchedule(clock, PollPace(), is_exposed=lambda: is_live, next_poll_mono=lambda: wanted)


@pytest.mark.parametrize(
    ("is_live", "pauses_s"),
    [(False, [0.1, 0.5, 1, 2, 4, 8, 15, 30]), (True, [0.1, 0.5, 1, 2, 4, 5, 5, 5])],
    ids=["nothing is open", "orders work"],
)
async def test_the_looks_of_a_doubt_come_at_growing_intervals_and_never_rarer_than_without_it(
    is_live: bool, pauses_s: list[float]
) -> None:
    clock, looks = ManualClock(), [0]
    doubtful = schedule(clock, is_live=is_live)
    doubtful.poll_soon()
    for _ in pauses_s:
        await doubtful.wait_for_poll(is_failing=False)
        looks.append(clock.now_ns)
    assert [(b - a) / SECOND for a, b in pairwise(looks)] == pauses_s


async def test_a_doubt_ends_the_pause_before_a_look_and_when_its_looks_are_over_pauses_are_whole_again() -> None:
    clock = ManualClock()
    doubtful = schedule(clock)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(doubtful.wait_for_poll(is_failing=False))
        await asyncio.sleep(0)
        doubtful.poll_soon()
    await doubtful.wait_for_poll(is_failing=False)
    doubtful.poll_soon()
    await doubtful.wait_for_poll(is_failing=False)
    assert clock.now_ns == SECOND // 5, "a tenth of a second each: the second doubt begins the intervals anew"
    for _ in range(7):
        await doubtful.wait_for_poll(is_failing=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await doubtful.wait_for_poll(is_failing=False)


@pytest.mark.parametrize(
    ("is_live", "is_failing", "pause_s"), [(False, False, 30.0), (True, False, 5.0), (False, True, 5.0)]
)
def test_books_are_read_often_while_orders_work_or_none_are_known(
    is_live: bool, is_failing: bool, pause_s: float
) -> None:
    assert schedule(ManualClock(), is_live=is_live).pause_s(is_failing=is_failing) == pause_s


@pytest.mark.parametrize(
    ("left", "pause_s"), [(20 * SECOND, 20.001), (SECOND // 2, 0.501), (SECOND // 10, 0.5), (60 * SECOND, 30.0)]
)
def test_the_pause_lasts_until_a_look_may_end_a_doubt_and_half_a_second_at_least(left: int, pause_s: float) -> None:
    clock = ManualClock(100 * SECOND)
    assert schedule(clock, wanted=clock.now_ns + left).pause_s(is_failing=False) == pause_s


@pytest.mark.parametrize("past", [MILLISECOND, 20 * SECOND, 100 * SECOND - 1, 100 * SECOND])
def test_after_six_looks_that_ended_no_doubt_they_come_as_usual(past: int) -> None:
    clock = ManualClock(100 * SECOND)
    vain = schedule(clock, is_live=True, wanted=clock.now_ns - past)
    assert [vain.pause_s(is_failing=False) for _ in range(8)] == [0.5] * 6 + [5.0] * 2


def test_looks_before_the_moment_that_may_end_a_doubt_are_not_in_vain() -> None:
    early = schedule(ManualClock(), is_live=True, wanted=SECOND * 3 // 4)
    assert [early.pause_s(is_failing=False) for _ in range(20)] == [0.751] * 20


async def test_a_doubt_that_arises_in_a_pause_ends_it_early() -> None:
    wanted = list[int | None]([None])
    clock = ManualClock(100 * SECOND)
    doubtful = PollSchedule(clock, PollPace(), is_exposed=lambda: True, next_poll_mono=lambda: wanted[0])
    async with asyncio.timeout(4), asyncio.TaskGroup() as tasks:  # a whole pause lasts five seconds
        tasks.create_task(doubtful.wait_for_poll(is_failing=False))
        await asyncio.sleep(0.1)
        wanted[0] = clock.now_ns


async def test_a_doubt_that_arises_among_growing_intervals_is_looked_at_when_a_look_may_settle_it() -> None:
    wanted = list[int | None]([None])
    clock = ManualClock(100 * SECOND)
    doubtful = PollSchedule(clock, PollPace(), is_exposed=lambda: True, next_poll_mono=lambda: wanted[0])
    doubtful.poll_soon()
    for _ in range(5):
        await doubtful.wait_for_poll(is_failing=False)
    began = clock.now_ns

    async def arise(_: float) -> None:
        if clock.now_ns >= began + SECOND:
            wanted[0] = began + 2 * SECOND

    clock.on_sleep = arise
    await doubtful.wait_for_poll(is_failing=False)
    assert (clock.now_ns - began) / SECOND == pytest.approx(2.001)
