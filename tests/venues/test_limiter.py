"""The limiter keeps every window, leaves its reserve to exits, waits within its time, and survives clock steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import SECOND, ManualClock, MarketClock, parse_iso
from tradebot.venues.kite.rules import CLIENT_LIMITS, KITE_RULES
from tradebot.venues.limiter import Limiter, rate_windows

START = parse_iso("2026-01-05T10:00:00+05:30")
RULES = rate_windows(("order change", 4, 1.0, 1), ("order", 6, 60.0, 2), ("order", 10, None, 3), ("quote", 1, 1.0, 0))


class SteppedClock(ManualClock):
    """A clock whose wall side can be stepped away from its monotonic side."""

    offset = 0

    def wall_ns(self) -> int:
        return self.now_ns + self.offset


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(START)


@pytest.fixture
def limiter(clock: SteppedClock) -> Limiter:
    return Limiter(RULES, clock)


def taken(limiter: Limiter, kind: str, *, is_exit: bool = False) -> int:
    return sum(limiter.try_acquire(kind, is_exit=is_exit) for _ in range(50))


def test_entries_stop_before_the_reserve_and_exits_use_it(limiter: Limiter) -> None:
    assert taken(limiter, "order") == 3
    assert taken(limiter, "order", is_exit=True) == 1


def test_orders_and_cancels_share_the_second(limiter: Limiter) -> None:
    assert taken(limiter, "order") == 3
    assert taken(limiter, "change", is_exit=True) == 1


def test_the_minute_counts_orders_and_not_cancels(limiter: Limiter, clock: SteppedClock) -> None:
    got = []
    for _ in range(4):
        got.append(taken(limiter, "order"))
        clock.now_ns += SECOND
    assert got == [3, 1, 0, 0]
    assert taken(limiter, "change", is_exit=True) == 4


def test_the_day_keeps_its_reserve_for_exits_and_turns_at_midnight_in_india(clock: SteppedClock) -> None:
    limiter = Limiter(RULES, clock, used_today=6)
    assert taken(limiter, "order") == 1
    assert (limiter.left_today("order"), limiter.left_today("order", is_exit=True)) == (0, 3)
    assert limiter.left_today("change") is None
    clock.now_ns = parse_iso("2026-01-06T00:00:00+05:30")
    assert (limiter.used_today, limiter.left_today("order")) == (0, 7)


def test_a_wall_clock_that_steps_back_hands_out_no_second_quota(clock: SteppedClock) -> None:
    limiter = Limiter(RULES, clock, used_today=10)
    clock.offset = -24 * 3600 * SECOND
    assert taken(limiter, "order", is_exit=True) == 0


@pytest.mark.parametrize("step", [-3600 * SECOND, 3600 * SECOND])
def test_a_step_of_the_wall_clock_opens_no_second(limiter: Limiter, clock: SteppedClock, step: int) -> None:
    taken(limiter, "order")
    clock.offset = step
    assert taken(limiter, "order") == 0


async def test_waiting_takes_the_place_as_soon_as_it_is_free(limiter: Limiter, clock: SteppedClock) -> None:
    assert limiter.try_acquire("quote")
    clock.now_ns += SECOND // 4
    assert await limiter.acquire("quote", within_s=1.0)
    assert clock.now_ns - START == pytest.approx(SECOND, abs=2_000_000)


async def test_a_place_that_cannot_come_in_time_is_refused_without_waiting(
    limiter: Limiter, clock: SteppedClock
) -> None:
    assert limiter.try_acquire("quote")
    assert not await limiter.acquire("quote", within_s=0.5)
    assert clock.now_ns == START


async def test_a_used_up_day_is_refused_at_once(clock: SteppedClock) -> None:
    limiter = Limiter(RULES, clock, used_today=10)
    assert not await limiter.acquire("order", is_exit=True, within_s=1e6)
    assert clock.now_ns == START


async def test_a_crowd_of_waiters_never_shares_a_place(limiter: Limiter, clock: SteppedClock) -> None:
    times: list[int] = []

    async def one() -> None:
        assert await limiter.acquire("quote", within_s=1000.0)
        times.append(clock.now_ns)

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(one())
    assert len(times) == 5
    assert all(late - early >= SECOND for early, late in pairwise(times))


def test_a_kind_without_a_window_is_free(limiter: Limiter) -> None:
    assert taken(limiter, "login") == 50


@given(st.lists(st.tuples(st.integers(0, 900_000_000), st.booleans()), max_size=120), st.integers(0, SECOND))
def test_no_calendar_second_of_any_clock_holds_more_than_the_limit(calls: list[tuple[int, bool]], skew: int) -> None:
    clock = SteppedClock(START)
    limiter = Limiter(RULES, clock)
    seconds: dict[int, int] = {}
    for pause, is_exit in calls:
        clock.now_ns += pause
        if limiter.try_acquire("change", is_exit=is_exit):
            seconds[(clock.now_ns + skew) // SECOND] = seconds.get((clock.now_ns + skew) // SECOND, 0) + 1
    assert max(seconds.values(), default=0) <= 4


def test_the_limits_of_kite_stay_below_those_of_the_venue() -> None:
    def limit(kind: str, test: Callable[[float | None], bool]) -> int:
        return min(w.limit for w in CLIENT_LIMITS if kind in w.kinds and test(w.span_s))

    assert limit("order", lambda span: span == 1.0) < KITE_RULES.orders_per_second
    assert limit("order", lambda span: span == 60.0) < KITE_RULES.orders_per_minute
    assert limit("order", lambda span: span is None) < KITE_RULES.orders_per_day
    assert all(w.reserved > 0 for w in CLIENT_LIMITS if "order" in w.kinds)


def test_on_a_fast_market_its_own_seconds_minutes_and_days_are_counted(clock: SteppedClock) -> None:
    market = MarketClock(starts_at=START, anchor_mono=clock.monotonic_ns(), speed=600.0, wall=clock)
    limiter = Limiter(RULES, market)
    got = []
    for _ in range(3):
        got.append(taken(limiter, "order"))
        clock.now_ns += SECOND // 600 + 1
    assert got == [3, 1, 0]  # four in the minute
    clock.now_ns += SECOND // 10
    assert taken(limiter, "order") == 3  # and seven in the day
    clock.now_ns += SECOND
    assert taken(limiter, "order") == 0
    clock.now_ns += 144 * SECOND
    assert taken(limiter, "order") == 3
    clock.offset = 7 * 86_400 * SECOND
    assert limiter.left_today("order") == 4


async def test_a_wait_on_a_fast_market_is_as_long_as_its_second(clock: SteppedClock) -> None:
    market = MarketClock(starts_at=START, anchor_mono=clock.monotonic_ns(), speed=600.0, wall=clock)
    limiter = Limiter(RULES, market)
    assert taken(limiter, "quote") == 1
    assert await limiter.acquire("quote", within_s=0.01)
    assert clock.now_ns - START <= SECOND // 600 + 2_000_000


def test_what_earlier_processes_of_the_day_sent_is_used_up(limiter: Limiter) -> None:
    limiter.resume_day(6)
    assert taken(limiter, "order") == 1
    assert limiter.used_today == 7
