"""The clocks: the turn of a task, and the time of a rehearsal, which follows an exchange over its restarts."""

from __future__ import annotations

import pytest

from tradebot.clock import HOUR, SECOND, ManualClock, RehearsalClock, TimeSlice

OPENS_AT = 1_000 * HOUR  # market ns at which a rehearsal of these tests begins


class Sleeps:
    """A clock by hand that counts how often the loop was given away."""

    def __init__(self) -> None:
        self.clock, self.given = ManualClock(1_000), 0
        self.clock.on_sleep = self._slept

    async def _slept(self, seconds: float) -> None:
        assert seconds == 0
        self.given += 1


async def test_a_turn_is_kept_while_it_lasts_and_given_once_when_it_is_over() -> None:
    sleeps = Sleeps()
    turn = TimeSlice(sleeps.clock, 100)
    sleeps.clock.now_ns += 100
    await turn.yield_if_due()
    assert sleeps.given == 0
    sleeps.clock.now_ns += 1
    await turn.yield_if_due()
    await turn.yield_if_due()
    assert sleeps.given == 1


async def test_a_task_that_waited_has_a_whole_turn_again() -> None:
    sleeps = Sleeps()
    turn = TimeSlice(sleeps.clock, 100)
    sleeps.clock.now_ns += 90
    turn.restart()
    sleeps.clock.now_ns += 90
    await turn.yield_if_due()
    assert sleeps.given == 0


async def test_a_turn_that_is_ended_is_given_however_short_it_was() -> None:
    sleeps = Sleeps()
    turn = TimeSlice(sleeps.clock, 100)
    turn.expire()
    await turn.yield_if_due()
    await turn.yield_if_due()
    assert sleeps.given == 1


def rehearsal(speed: float = 60.0) -> tuple[RehearsalClock, ManualClock]:
    """Return the clock of an exchange that was at `OPENS_AT` at the monotonic instant 5 s, which is now."""
    host = ManualClock(5 * SECOND)
    return RehearsalClock(host, market_at=OPENS_AT, mono=5 * SECOND, speed=speed), host


@pytest.mark.parametrize("speed", [1.0, 60.0, 0.5])
def test_between_two_readings_the_market_moves_with_the_monotonic_clock_at_the_speed_of_the_exchange(
    speed: float,
) -> None:
    clock, host = rehearsal(speed)
    assert (clock.market_ns(), clock.speed) == (OPENS_AT, speed)
    host.now_ns += 10 * SECOND
    assert clock.market_ns() == OPENS_AT + int(10 * SECOND * speed)


def test_a_reading_of_some_time_ago_counts_from_its_own_instant() -> None:
    clock, host = rehearsal()
    host.now_ns += 4 * SECOND
    assert clock.follow_exchange(market_at=OPENS_AT + 60 * SECOND, mono=6 * SECOND) == 0
    assert clock.market_ns() == OPENS_AT + 240 * SECOND


def test_an_exchange_that_does_not_answer_holds_the_market_and_the_first_hold_counts() -> None:
    clock, host = rehearsal()
    clock.hold_market()
    host.now_ns += 10 * SECOND
    clock.hold_market()
    assert (clock.market_ns(), clock.monotonic_ns(), clock.wall_ns()) == (OPENS_AT, 15 * SECOND, 15 * SECOND)


def test_an_exchange_that_is_ahead_is_followed_at_once_and_the_jump_is_told() -> None:
    clock, host = rehearsal()
    clock.hold_market()
    host.now_ns += 10 * SECOND
    night = 18 * HOUR
    assert clock.follow_exchange(market_at=OPENS_AT + night, mono=15 * SECOND) == night
    host.now_ns += SECOND
    assert clock.market_ns() == OPENS_AT + night + 60 * SECOND


def test_an_exchange_that_began_again_at_an_earlier_time_is_waited_for_and_time_never_goes_back() -> None:
    clock, host = rehearsal()
    host.now_ns += 10 * SECOND
    reached = OPENS_AT + 600 * SECOND
    assert clock.follow_exchange(market_at=OPENS_AT, mono=15 * SECOND) == 0
    seen = []
    for _ in range(4):
        host.now_ns += 4 * SECOND
        clock.follow_exchange(market_at=OPENS_AT + (host.now_ns - 15 * SECOND) * 60, mono=host.now_ns)
        seen.append(clock.market_ns())
    assert seen == [reached, reached, OPENS_AT + 720 * SECOND, OPENS_AT + 960 * SECOND]
