"""The turn of a task: what it finds without waiting is worked on for so long, then the others have theirs."""

from __future__ import annotations

from tradebot.clock import ManualClock, TimeSlice


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
