"""A start that waits: told at once and now and then, in time for the supervisor, ended by an answer or the operator."""

from __future__ import annotations

import pytest

from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.daemon.start_retry import StartRetry
from tradebot.errors import AccessDenied, LinkLost, LoginLost, StoppedEarly, VenueUnavailable
from tradebot.ops.events.venue import LoginFailed


class Venue:
    """Answers from second `back_at` on; `word` is what it says then."""

    def __init__(self, clock: ManualClock, back_at: float, word: Exception | None = None) -> None:
        self.clock, self.back_at, self.word, self.asked = clock, back_at, word, list[float]()

    async def __call__(self) -> str:
        self.asked.append(self.clock.now_ns / SECOND)
        if self.clock.now_ns < self.back_at * SECOND:
            raise LinkLost("Name or service not known")
        if self.word is not None:
            raise self.word
        return "AB1234"


class Rig:
    def __init__(self, back_at: float, *, within_s: float = 3600.0, word: Exception | None = None) -> None:
        self.clock = ManualClock()
        self.venue = Venue(self.clock, back_at, word)
        self.told = Told()
        self.extended: list[float] = []
        self.stop_at = 1e9
        self.start_retry = StartRetry(
            within_s=within_s, clock=self.clock, tell=self.told,
            extend=lambda: self.extended.append(self.clock.now_ns / SECOND),
            stopped=lambda: self.clock.now_ns >= self.stop_at * SECOND,
        )  # fmt: skip

    async def ask(self) -> str:
        return await self.start_retry.retry_until_answered(
            self.venue, failed=LoginFailed, gave_up="the venue did not answer"
        )


async def test_a_venue_that_is_away_for_a_while_is_waited_for_and_the_supervisor_is_asked_for_time() -> None:
    rig = Rig(back_at=70)
    assert await rig.ask() == "AB1234"
    assert 70 <= rig.clock.now_ns / SECOND <= 90
    assert rig.told[0] == (
        "login_failed",
        {"level": "warning", "tries": 1, "reason": "Name or service not known", "waits_s": 3600},
    )
    assert 2 <= len(rig.told) <= 4
    gaps = [b - a for a, b in zip(rig.extended, rig.extended[1:], strict=False)]
    assert max(gaps) <= 20, "a supervisor that is told nothing for 90 s ends the start"


async def test_an_hour_of_silence_is_told_a_few_times_and_asked_for_no_more_than_every_fifteen_seconds() -> None:
    rig = Rig(back_at=1e9)
    with pytest.raises(VenueUnavailable, match=r"did not answer \(\d+ tries in 36\d\d s\): Name or service not known"):
        await rig.ask()
    assert len(rig.venue.asked) < 260
    assert 10 < len(rig.told) < 25


async def test_a_definite_refusal_ends_at_once_also_after_a_silence() -> None:
    for back_at in (0, 20):
        rig = Rig(back_at, word=AccessDenied("log in again"))
        with pytest.raises(AccessDenied):
            await rig.ask()
        assert rig.clock.now_ns / SECOND <= back_at + 15


async def test_the_operator_does_not_wait() -> None:
    rig = Rig(back_at=1e9)
    rig.stop_at = 40.0
    with pytest.raises(StoppedEarly):
        await rig.ask()
    assert rig.clock.now_ns / SECOND <= 40.5


async def test_no_patience_is_one_try() -> None:
    rig = Rig(back_at=1, within_s=0)
    with pytest.raises(VenueUnavailable):
        await rig.ask()
    assert len(rig.venue.asked) == 1


class Keys:
    """A question that the venue refuses for `lost` times as one of an ended login; `waits` says what a wait finds."""

    def __init__(self, rig: Rig, lost: int, *, waits: bool) -> None:
        self.rig, self.lost, self.waits, self.reasons = rig, lost, waits, list[str]()
        rig.start_retry.await_login = self.wait

    async def __call__(self) -> str:
        if self.lost:
            self.lost -= 1
            raise LoginLost("the login has ended")
        return await self.rig.venue()

    async def wait(self, reason: str) -> bool:
        self.reasons.append(reason)
        self.rig.clock.now_ns += int(3 * 3600 * SECOND) if self.waits else 0
        return self.waits

    async def ask(self) -> str:
        return await self.rig.start_retry.retry_until_answered(self, failed=LoginFailed, gave_up="no answer")


async def test_a_login_that_ends_in_the_middle_of_a_start_is_waited_for_and_the_question_asked_again() -> None:
    rig = Rig(back_at=2 * 3 * 3600 + 30, within_s=60)
    keys = Keys(rig, 2, waits=True)
    assert await keys.ask() == "AB1234"
    assert keys.reasons == ["the login has ended"] * 2
    assert len(rig.venue.asked) > 3, "the hours of the person leave the venue its whole time"


async def test_a_route_that_refuses_a_login_which_the_venue_accepts_ends_the_start_after_its_time() -> None:
    rig = Rig(back_at=0, within_s=60)
    assert await Keys(rig, 3, waits=False).ask() == "AB1234"
    keys = Keys(rig, 10_000, waits=False)
    with pytest.raises(LoginLost):
        await keys.ask()
    assert 60 <= rig.clock.now_ns / SECOND < 90
    assert len(keys.reasons) < 20, "it is not asked without a pause"


async def test_a_start_without_a_login_of_ours_ends_when_the_venue_refuses_it() -> None:
    rig = Rig(back_at=0, word=LoginLost("the login has ended"))
    with pytest.raises(LoginLost):
        await rig.ask()
    assert len(rig.venue.asked) == 1
