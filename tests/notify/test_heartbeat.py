"""The heartbeat: one GET a minute while the daemon lives, none while a part is stalled; failures are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.notify.chat_rig import PausingClock
from tests.notify.http_receiver import HttpReceiver, http_receiver
from tests.told import Told
from tests.until import until
from tradebot.clock import SECOND
from tradebot.notify import heartbeat
from tradebot.notify.heartbeat import Heartbeat

CANARY = "canary-check-uuid-01"


@asynccontextmanager
async def beating(
    stall_reason: Callable[[], str | None] = lambda: "", *, status: int = 200
) -> AsyncIterator[tuple[HttpReceiver, PausingClock, Told]]:
    async with http_receiver() as http, aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        http.status = status
        clock, told = PausingClock(0), Told()
        address = f"http://127.0.0.1:{http.port}/{CANARY}"
        beats = Heartbeat(session, address, stall_reason=stall_reason, clock=clock, tell=told)
        task = tasks.create_task(beats.send_heartbeats())
        try:
            yield http, clock, told
        finally:
            task.cancel()


async def test_a_daemon_that_lives_sends_one_a_minute() -> None:
    async with beating() as (http, clock, told):
        await until(lambda: clock.now_ns >= 600 * SECOND)
        assert 10 <= http.gets <= 11
        assert not told


async def test_a_start_sends_none_and_misses_none_and_the_first_comes_soon_after() -> None:
    reason: list[str | None] = [None]
    async with beating(lambda: reason[0]) as (http, clock, told):
        await until(lambda: clock.now_ns >= 330 * SECOND)
        assert http.gets == 0
        reason[0] = ""
        began = clock.now_ns
        await until(lambda: http.gets == 1)
        assert clock.now_ns - began <= 20 * SECOND
        assert not told


async def test_a_part_that_stalls_keeps_them_back_and_says_so_with_growing_pauses() -> None:
    reason = ["desk"]
    async with beating(lambda: reason[0]) as (http, clock, told):
        await until(lambda: clock.now_ns >= 3600 * SECOND)
        assert http.gets == 0
        assert told.of("heartbeat_withheld")[0] == {"level": "warning", "stuck": "desk", "times": 1}
        assert len(told) <= 4
        reason[0] = ""
        await until(lambda: http.gets > 0)
        assert told.of("heartbeat_restored")[0]["missed"] >= 60


async def test_a_failure_is_counted_and_shows_no_address() -> None:
    async with beating(status=503) as (http, clock, told):
        await until(lambda: clock.now_ns >= 1300 * SECOND)
        assert [row["reason"] for row in told.of("heartbeat_missed")][:1] == ["the address answered 503"]
        assert 2 <= len(told) <= 3
        http.status = 200
        await until(lambda: "heartbeat_restored" in told.names)
        assert CANARY not in str(told)


async def test_an_address_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "ANSWER_WITHIN_S", 0.05)
    async with beating() as (http, _, told):
        http.hangs = True
        await until(lambda: "heartbeat_missed" in told.names)
        assert "no answer within 0.05 s" in str(told)
