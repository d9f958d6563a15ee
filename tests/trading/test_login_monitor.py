"""The login monitor: one route decides whether our login holds; a lost one is a state, told once, over by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.told import Told
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.messages import BrokerSession
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.trading.login_monitor import MAX_RETRY_S, LoginMonitor

DEAD = LoginLost("Incorrect `api_key` or `access_token`.")
SILENCE = LinkLost("HTTP 403 without an envelope")


class Profile:
    """A route that gives its answers in turn, the last one for ever, and keeps when it was asked."""

    def __init__(self, clock: ManualClock, *answers: Exception | None) -> None:
        self.clock, self.answers, self.asked_at = clock, list(answers), list[float]()
        self.asked = asyncio.Event()

    async def until(self, times: int) -> None:
        """Wait until the route was asked so often, and answered."""
        while len(self.asked_at) < times:
            self.asked.clear()
            await self.asked.wait()

    async def __call__(self) -> str:
        self.asked_at.append(self.clock.now_ns / SECOND)
        self.asked.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return "AB1234"


class MonitorRig:
    """A watch over a clock that sleeps at once, and what it said."""

    def __init__(self, *answers: Exception | None) -> None:
        self.clock = ManualClock()
        self.profile = Profile(self.clock, *answers)
        self.posted: list[BrokerSession] = []
        self.restored: list[float] = []  # seconds at which the venue accepted the login again
        self.told = Told()
        self.watch = LoginMonitor(
            check_login=self.profile, clock=self.clock, post=self.posted.append,
            tell=self.told, open_quantities=lambda: {"INFY": Decimal(-10)},
            on_restored=lambda: self.restored.append(self.clock.now_ns / SECOND),
        )  # fmt: skip

    @asynccontextmanager
    async def running(self, asked: int) -> AsyncIterator[None]:
        """Run until the route was asked so often and nothing more is wanted of it."""
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.watch.run_checks())
            await self.profile.until(asked)
            yield
            task.cancel()

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.told]


async def test_a_suspicion_that_the_profile_does_not_share_changes_nothing() -> None:
    rig = MonitorRig(None)
    rig.watch.check_soon()
    async with rig.running(asked=1):
        pass
    assert (rig.posted, rig.told, rig.watch.state.lost_reason) == ([], [], "")


async def test_silence_and_pages_of_gateways_are_asked_again_with_longer_pauses_and_are_no_word_of_the_venues() -> None:
    rig = MonitorRig(*[SILENCE] * 12, None)
    rig.watch.check_soon()
    async with rig.running(asked=13):
        pass
    assert (rig.posted, rig.told) == ([], [])
    pauses = [b - a for a, b in zip(rig.profile.asked_at, rig.profile.asked_at[1:], strict=False)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert max(pauses) == MAX_RETRY_S


async def test_the_venues_own_word_is_a_lost_session_told_once_and_asked_for_ever_more_rarely() -> None:
    rig = MonitorRig(DEAD)
    rig.watch.check_soon()
    async with rig.running(asked=10):
        pass
    assert [bool(state.lost_reason) for state in rig.posted] == [True]
    assert not rig.watch.state.orders_refused
    ((event, fields),) = rig.told
    assert (event, fields["level"], fields["positions"]) == ("session_lost", "error", {"INFY": "-10"})
    assert rig.profile.asked_at[-1] == sum((0.5, 1, 2, 4, 8, 16, 32, 60, 60))


async def test_a_right_that_is_refused_at_the_profile_is_a_lost_session_as_well() -> None:
    rig = MonitorRig(AccessDenied("the address is not registered"))
    rig.watch.check_soon()
    async with rig.running(asked=1):
        pass
    assert rig.watch.state.lost_reason


async def test_an_order_route_that_says_so_ends_the_exits_at_once_and_the_profile_brings_all_back() -> None:
    rig = MonitorRig(DEAD, None)
    rig.watch.on_orders_refused("Incorrect `api_key` or `access_token`.")
    assert rig.watch.state.orders_refused, "before anything is asked"
    rig.watch.on_orders_refused("again")
    async with rig.running(asked=2):
        await asyncio.sleep(0)
    assert [(bool(state.lost_reason), state.orders_refused) for state in rig.posted] == [(True, True), (False, False)]
    assert rig.events == ["session_lost", "exits_refused", "session_restored"]


async def test_a_session_lost_keeps_that_orders_are_refused_until_it_is_back() -> None:
    rig = MonitorRig(DEAD)
    rig.watch.check_soon()
    async with rig.running(asked=1):
        rig.watch.on_orders_refused("dead")
        rig.watch.check_soon()
        await rig.profile.until(4)
    assert rig.watch.state.orders_refused
    assert rig.events == ["session_lost", "exits_refused"]


async def test_new_keys_end_the_pause_and_the_login_is_checked_at_once() -> None:
    rig = MonitorRig(*[DEAD] * 9, None)
    rig.watch.check_soon()

    async def renew(_: float) -> None:
        if len(rig.profile.asked_at) == 9:  # the pause of a minute has begun
            rig.watch.check_renewed()
        await asyncio.sleep(0)

    rig.clock.on_sleep = renew
    async with rig.running(asked=10):
        await asyncio.sleep(0)
    assert rig.profile.asked_at[8] - rig.profile.asked_at[7] == MAX_RETRY_S
    assert rig.profile.asked_at[9] - rig.profile.asked_at[8] <= 0.5
    assert (rig.restored, rig.events[-1]) == ([rig.profile.asked_at[9]], "session_restored")


async def test_new_keys_are_checked_while_nothing_is_suspected_and_that_is_no_restoration() -> None:
    rig = MonitorRig(None)
    rig.watch.check_renewed()
    async with rig.running(asked=1):
        await asyncio.sleep(0)
    assert (rig.restored, rig.posted) == ([], [])


async def test_each_refusal_and_each_change_is_passed_on_with_the_state() -> None:
    rig, seen = MonitorRig(DEAD, SILENCE, DEAD, None), list[str]()
    rig.watch.on_checked = lambda state: seen.append(state.lost_reason)
    rig.watch.check_soon()
    async with rig.running(asked=4):
        await asyncio.sleep(0)
    assert seen[0] == seen[-2] == str(DEAD)
    assert seen[-1] == ""
    assert 3 <= len(seen) <= 4, "silence is no word of the venue and is not passed on"
