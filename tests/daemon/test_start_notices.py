"""The start as supervisor and operator see it: READY once it waits, fed while it waits, and its status and login."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.login.login_rig import NEW, REQUEST_TOKEN, LoginRig
from tradebot.clock import Clock, ManualClock
from tradebot.config.sources import load_config
from tradebot.daemon.daemon_start import DaemonStart
from tradebot.daemon.login.login_at_start import account_of_login
from tradebot.ops.systemd import Notifier

LIVE = {
    "app": {"mode": "live", "symbols": "TCS"},
    "venue": {"name": "kite"},
    "kite": {"api_key": "k" * 8, "api_secret": "s" * 8, "account_id": "AB1234"},
}
ON_LOOPBACK = {"rest": "http://127.0.0.1:1", "ticker": "ws://127.0.0.1:1"}


class Supervisor:
    """The other end of the supervisor's socket, whose watchdog waits for four seconds."""

    def __init__(self, listening: socket.socket, name: str) -> None:
        self._listening = listening
        self.notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "4000000"})
        self.without_watchdog = Notifier({"NOTIFY_SOCKET": name})

    def heard(self) -> list[str]:
        """Return what came since the last look."""
        found = []
        while True:
            try:
                found.append(self._listening.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield Supervisor(listening, str(tmp_path / "notify"))


def start_of(notifier: Notifier, clock: Clock, *, kite: dict[str, str] | None = None, **other: Any) -> DaemonStart:
    config = load_config(overrides=LIVE | {"kite": LIVE["kite"] | (kite or {})})
    other.setdefault("stopped", lambda: False)
    return DaemonStart(config, "T1", notifier=notifier, clock=clock, **other)


class Beats:
    """A clock by hand whose sleeps end when the test says so; it counts them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.clock.on_sleep = self._slept
        self.slept: list[float] = []
        self._beat, self.began = asyncio.Event(), asyncio.Event()

    async def _slept(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.began.set()
        await self._beat.wait()
        self._beat.clear()

    async def turn(self) -> None:
        """Let one sleep end and wait for the next one."""
        await self.began.wait()
        self.began.clear()
        self._beat.set()
        await self.began.wait()


async def test_ready_is_said_once_the_start_waits_for_a_login_and_the_watchdog_is_fed_from_then_on_alone(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    beats, rig = Beats(), LoginRig(tmp_path)
    start = start_of(supervisor.notifier, beats.clock)
    hooks = start.hooks(may_wait=True)
    async with asyncio.timeout(5), start.beats():
        await beats.turn()
        hooks.on_step()
        assert supervisor.heard() == ["EXTEND_TIMEOUT_USEC=90000000"], "before READY the start may take its time"
        hooks.on_login_needed(rig.login)
        assert supervisor.heard() == ["READY=1\nSTATUS=LIVE, NEED LOGIN: run `tradebot login kite`"]
        for _ in range(3):
            await beats.turn()
        assert supervisor.heard() == ["WATCHDOG=1"] * 3
        start.end_beats()
        await asyncio.sleep(0)
    assert supervisor.heard() == []
    assert set(beats.slept) == {1.0}, "a quarter of the four seconds after which the supervisor ends the daemon"


async def test_where_the_venue_refuses_a_new_login_ready_is_not_said_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    rig = LoginRig(tmp_path)
    start = start_of(supervisor.notifier, rig.clock)
    hooks = start.hooks(may_wait=True)
    hooks.on_login_needed(rig.login)
    hooks.on_login_needed(rig.login)
    assert [line.startswith("READY=1") for line in supervisor.heard()] == [True, False]


async def test_the_beats_end_with_a_start_that_fails_and_are_none_without_a_watchdog(supervisor: Supervisor) -> None:
    for notifier in (supervisor.notifier, supervisor.without_watchdog):
        beats = Beats()
        start = start_of(notifier, beats.clock)
        start.end_beats()
        with pytest.RaisesGroup(ZeroDivisionError):
            async with asyncio.timeout(5), start.beats():
                await asyncio.sleep(0)
                raise ZeroDivisionError
        assert supervisor.heard() == []


async def test_the_hooks_pass_on_what_the_operator_wants_and_whether_the_start_may_wait(supervisor: Supervisor) -> None:
    wish = [False]
    start = start_of(supervisor.notifier, ManualClock(), stopped=lambda: wish[0])
    hooks = start.hooks(may_wait=False)
    assert (hooks.may_wait, hooks.stopped()) == (False, False)
    wish[0] = True
    assert (start.hooks(may_wait=True).may_wait, hooks.stopped()) == (True, True)


async def test_the_operator_sees_what_the_start_waits_for_and_logs_in_there(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    rig, wishes = LoginRig(tmp_path), list[str]()
    start = start_of(supervisor.notifier, rig.clock, stopped=lambda: bool(wishes))
    api = start.create_api(wishes.append)
    run = {"mode": "live", "run_id": "T1", "venue": "kite", "symbols": ["TCS"]}
    assert {name: api.current_status()[name] for name in run} == run
    assert (api.current_status()["state"], api.current_status()["login"]) == ("starting", None)
    seen = list[dict[str, Any]]()

    async def slept(_: float) -> None:
        if not seen:
            seen.append(api.current_status())
            link = start.login_api.current_login()
            await start.login_api.login({"text": rig.back(nonce=link["address"].rpartition("%3D")[2])})

    rig.clock.on_sleep = slept
    reader: Any = rig.reader
    account = await account_of_login(
        reader, rig.login, start_retry=rig.start_retry(), hooks=start.hooks(may_wait=True), clock=rig.clock
    )
    assert (account, rig.route.tokens, rig.credentials["access_token"]) == ("AB1234", [REQUEST_TOKEN], NEW)
    assert (seen[0]["state"], seen[0]["login"]["reason"]) == ("needs login", "there is no login of today yet")
    assert (api.current_status()["state"], api.current_status()["login"]["account"]) == ("starting", "AB1234")
    await api.stop({})
    assert wishes == ["stopped by the operator"]


def test_a_rehearsal_says_so_in_its_status(supervisor: Supervisor, tmp_path: Path) -> None:
    start = start_of(supervisor.notifier, ManualClock(), kite=ON_LOOPBACK)
    assert start.create_api(lambda _: None).current_status()["mode"] == "rehearsal-live"
    start.hooks(may_wait=True).on_login_needed(LoginRig(tmp_path).login)
    assert "STATUS=REHEARSAL-LIVE, NEED LOGIN" in supervisor.heard()[0]
