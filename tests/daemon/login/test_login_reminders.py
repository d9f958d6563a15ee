"""The watch over a login in a run: its end is announced once, checked when it is reached, and a person is reminded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.daemon.login.login_rig import MONDAY, NEW, REQUEST_TOKEN, LoginRig, ist
from tradebot.clock import HOUR, MINUTE, SECOND, format_iso
from tradebot.markets.market import HOME_MARKET


class Watched:
    """A watch that runs to a time of the market; each look moves the clock by `step_ns`, as at a high speed."""

    def __init__(self, rig: LoginRig, *, step_ns: int = SECOND) -> None:
        self.rig, self._step_ns = rig, step_ns
        self.checked: list[str] = []  # the market's time at each check
        self.told_at: list[tuple[str, str]] = []  # (time, event)

    def _check(self) -> None:
        self.checked.append(self._shown())

    def _shown(self) -> str:
        return format_iso(self.rig.clock.now_ns, HOME_MARKET.tzinfo)[:16]

    async def run_to(self, until: str) -> None:
        """Watch until a time of the market."""
        over, seen = asyncio.Event(), len(self.rig.told)

        async def slept(seconds: float) -> None:
            nonlocal seen
            for name in self.rig.told.names[seen:]:
                self.told_at.append((self._shown(), name))
            seen = len(self.rig.told)
            self.rig.clock.now_ns += self._step_ns - round(seconds * SECOND)
            if self.rig.clock.now_ns >= ist(until):
                over.set()
                await asyncio.Event().wait()

        self.rig.clock.on_sleep = slept
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self.rig.login.watch_state(self._check))
            await over.wait()
            watching.cancel()

    def times_of(self, name: str) -> list[str]:
        """Return when an event was told."""
        return [at for at, one in self.told_at if one == name]


async def test_the_end_is_announced_once_twelve_hours_before_it_and_the_login_is_checked_at_it(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(REQUEST_TOKEN)
    watched = Watched(rig, step_ns=MINUTE)
    await watched.run_to("2026-01-06T06:02:30")
    assert watched.times_of("login_end_announced") == ["2026-01-05T18:00"]
    assert rig.told.of("login_end_announced") == [{"level": "warning", "venue": "kite", "ends": "2026-01-06T06:00"}]
    assert watched.checked == ["2026-01-06T06:00", "2026-01-06T06:01", "2026-01-06T06:02"]
    assert "login_needed" not in rig.told.names, "the venue has not refused it yet"


async def test_each_login_has_its_own_announcement(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    await rig.login.log_in(REQUEST_TOKEN)
    watched = Watched(rig, step_ns=MINUTE)
    await watched.run_to("2026-01-05T20:00:00")
    await rig.login.log_in(REQUEST_TOKEN)  # once more, with the same end
    await watched.run_to("2026-01-06T05:00:00")
    rig.clock.now_ns = ist("2026-01-06T08:00:00")
    await rig.login.log_in(REQUEST_TOKEN)
    await watched.run_to("2026-01-06T20:00:00")
    assert [one["ends"] for one in rig.told.of("login_end_announced")] == ["2026-01-06T06:00", "2026-01-07T06:00"]


async def test_a_lost_login_is_told_at_once_and_again_from_eight_each_quarter_of_an_hour_until_a_login(
    tmp_path: Path,
) -> None:
    rig = LoginRig(tmp_path, at=ist("2026-01-06T06:00:00"))
    rig.login.on_lost("ended")
    rig.login.on_lost("ended, said another check")
    assert rig.told == [
        (
            "login_needed",
            {
                "level": "warning", "venue": "kite", "reason": "ended",
                "action": "opens nothing until a login; goes on by itself afterwards",
            },
        )
    ]  # fmt: skip
    watched = Watched(rig, step_ns=10 * SECOND)
    await watched.run_to("2026-01-06T08:40:00")
    assert watched.times_of("login_needed") == [f"2026-01-06T08:{minute}" for minute in ("00", "15", "30")]
    await rig.login.log_in(REQUEST_TOKEN)
    assert rig.credentials["access_token"] == NEW
    await watched.run_to("2026-01-06T12:00:00")
    assert len(watched.times_of("login_needed")) == 3


@pytest.mark.parametrize(
    ("day", "is_reminded"),
    [
        ("2026-01-06", True),
        ("2026-01-10", False),  # a Saturday
        ("2026-01-11", False),
        ("2026-01-26", False),  # a holiday
    ],
)
def test_reminders_come_on_trading_days_alone(day: str, is_reminded: bool, tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, at=ist(f"{day}T06:00:00"))
    rig.login.on_lost("ended")
    rig.clock.now_ns = ist(f"{day}T07:59:59")
    rig.login.remind_if_due()
    assert len(rig.told) == 1
    rig.clock.now_ns = ist(f"{day}T08:00:00")
    rig.login.remind_if_due()
    rig.login.remind_if_due()
    assert len(rig.told) == 1 + is_reminded


def test_a_login_that_is_lost_after_eight_is_reminded_of_a_quarter_of_an_hour_later(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, at=MONDAY + HOUR)
    rig.login.on_lost("a login from elsewhere")
    for minutes, told in ((14, 1), (15, 2), (29, 2), (30, 3)):
        rig.clock.now_ns = MONDAY + HOUR + minutes * MINUTE
        rig.login.remind_if_due()
        assert len(rig.told) == told, minutes
