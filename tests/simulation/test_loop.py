"""The virtual loop: time jumps, order is drawn from the seed, a killed process never runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tradebot.clock import SECOND, LoopClock
from tradebot.simulation.loop import SimulationStuck, VirtualLoop
from tradebot.simulation.process import Process
from tradebot.simulation.seeded_random import SeededRandom

Work = Callable[[VirtualLoop], Coroutine[Any, Any, Any]]


def run(work: Work, *, seed: int = 1) -> Any:
    loop = VirtualLoop(SeededRandom(seed))
    try:
        return loop.run_until_complete(loop.spawn_process(Process("test"), lambda: work(loop)))
    finally:
        loop.abandon_loop()


def test_an_hour_of_sleep_takes_no_time_and_is_an_hour() -> None:
    async def work(loop: VirtualLoop) -> int:
        clock = LoopClock(loop, wall_offset_ns=1_000 * SECOND)
        await clock.sleep(3600)
        assert clock.wall_ns() == 4_600 * SECOND
        return clock.monotonic_ns()

    assert run(work) == 3600 * SECOND


def test_timeouts_count_virtual_time() -> None:
    async def work(loop: VirtualLoop) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await loop.create_future()
        return loop.time()

    assert run(work) == 5


def test_waiting_for_nobody_is_told_instead_of_hanging() -> None:
    async def work(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(SimulationStuck, match="everybody waits"):
        run(work)


def test_spinning_without_time_is_told_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradebot.simulation.loop.MAX_IDLE_TURNS", 100)

    async def work(loop: VirtualLoop) -> None:
        for _ in range(1_000):
            await asyncio.sleep(0)

    with pytest.raises(SimulationStuck, match="100 turns"):
        run(work)


def started(seed: int) -> list[int]:
    order: list[int] = []

    async def one(n: int) -> None:
        order.append(n)

    async def work(loop: VirtualLoop) -> None:
        async with asyncio.TaskGroup() as tasks:
            for n in range(8):
                tasks.create_task(one(n))

    run(work, seed=seed)
    return order


def test_tasks_that_are_ready_together_run_in_an_order_of_the_seed() -> None:
    assert started(1) == started(1)
    assert len({tuple(started(seed)) for seed in range(5)}) == 5
    assert sorted(started(3)) == list(range(8))


def test_callbacks_keep_the_order_in_which_they_were_asked_for() -> None:
    heard: list[int] = []

    async def work(loop: VirtualLoop) -> None:
        for n in range(20):
            loop.call_soon(heard.append, n)
        await asyncio.sleep(1)

    run(work)
    assert heard == list(range(20))


def test_a_killed_process_runs_no_further_line_not_even_its_finally() -> None:
    said: list[str] = []

    async def child() -> None:
        try:
            while True:
                said.append("alive")
                await asyncio.sleep(1)
        finally:
            said.append("swept")

    async def work(loop: VirtualLoop) -> list[str]:
        process = Process("child")
        loop.spawn_process(process, child)
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(10)
        return list(said)

    assert run(work) == ["alive"] * 3


def test_a_fuse_kills_between_two_events() -> None:
    ran: list[int] = []

    async def work(loop: VirtualLoop) -> bool:
        process = Process("child")

        async def child() -> None:
            for n in range(100):
                ran.append(n)
                await asyncio.sleep(1)

        loop.spawn_process(process, child)
        await asyncio.sleep(0.5)
        process.events_until_kill = 7  # each second of the child is two events: its timer and its step
        await asyncio.sleep(200)
        return process.is_alive

    assert run(work) is False
    assert ran == [0, 1, 2, 3]


def test_work_for_a_thread_is_done_a_little_later_and_its_error_comes_back() -> None:
    async def work(loop: VirtualLoop) -> float:
        assert await asyncio.to_thread(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return loop.time()

    assert 0 < run(work) < 0.01


def test_a_signal_reaches_the_process_it_is_meant_for() -> None:
    heard: list[str] = []

    async def work(loop: VirtualLoop) -> None:
        async def child() -> None:
            loop.add_signal_handler(15, heard.append, "term")
            await asyncio.sleep(5)

        one, other = Process("one"), Process("other")
        loop.spawn_process(one, child)
        loop.spawn_process(other, child)
        await asyncio.sleep(1)
        one.deliver_signal(15)

    run(work)
    assert heard == ["term"]
