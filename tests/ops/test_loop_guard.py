"""The guard of the loop: a failure that is not caught ends the run, and a loop that stands still shows where."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.errors import InvariantBroken
from tradebot.ops.events.event import Event
from tradebot.ops.loop_guard import BEAT_S, LoopGuard

pytestmark = pytest.mark.both_loops


class Said:
    """Lines as they were told; `came` is set with each."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.came = threading.Event()

    def __call__(self, event: Event) -> None:
        self.lines.append((event.name, {"level": event.level} | event.log_fields()))
        self.came.set()

    def all(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]


def fails() -> None:
    raise ValueError("a bug in a callback")


async def test_a_callback_that_raises_ends_the_run() -> None:
    said = Said()
    async with LoopGuard(ManualClock(SECOND), tell=said) as guard:
        asyncio.get_running_loop().call_soon(fails)
        async with asyncio.timeout(5):
            with pytest.raises(InvariantBroken, match="a bug in a callback"):
                await guard.wait_for_fault()
    (line,) = said.all("exception_uncaught")
    assert line["level"] == "error"
    assert any("fails" in part for part in line["trace"])


async def test_a_connection_that_breaks_under_its_transport_does_not() -> None:
    said = Said()
    async with LoopGuard(ManualClock(SECOND), tell=said) as guard:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "Fatal write error", "exception": ConnectionResetError()})
        loop.call_exception_handler({"message": "Unclosed connection"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await guard.wait_for_fault()
    assert [line["level"] for line in said.all("connection_broken")] == ["debug", "debug"]


async def test_a_loop_that_stands_still_shows_its_stack_once() -> None:
    said, clock = Said(), ManualClock(SECOND)
    async with LoopGuard(clock, tell=said):
        clock.now_ns += 2 * SECOND  # two seconds in which no callback ran
        assert said.came.wait(10), "the guard's thread looks while the loop cannot"
        (line,) = said.all("loop_stalled")
        assert line["seconds"] == 2.0
        assert any("test_a_loop_that_stands_still" in frame for frame in line["stack"])


async def test_beats_that_come_late_are_told_with_the_worst() -> None:
    said, clock = Said(), ManualClock(100 * SECOND)
    async with LoopGuard(clock, tell=said) as guard:
        guard._beat(clock.now_ns - SECOND // 10)
        guard._beat(clock.now_ns - SECOND // 5)
        guard._beat(clock.now_ns)
        assert [(line["times"], line["worst_ms"]) for line in said.all("loop_delayed")] == [(1, 100)]
        clock.now_ns += 31 * SECOND
        guard._beat(clock.now_ns - SECOND // 10)
        assert [line["worst_ms"] for line in said.all("loop_delayed")] == [100, 200]


async def test_a_callback_that_holds_the_loop_for_a_tenth_of_a_second_is_seen_whenever_it_begins() -> None:
    for fifths in range(5):
        clock, said, came = ManualClock(100 * SECOND), Said(), asyncio.Event()

        def tell(event: Event, said: Said = said, came: asyncio.Event = came) -> None:
            said(event)
            came.set()

        async with LoopGuard(clock, tell=tell):
            clock.now_ns += fifths * int(BEAT_S * SECOND) // 5 + SECOND // 10  # it begins so far into a beat
            async with asyncio.timeout(10):
                await came.wait()
        (line,) = said.all("loop_delayed")
        assert line["worst_ms"] >= 80


async def test_after_its_end_the_loop_is_as_before() -> None:
    async with LoopGuard(ManualClock(SECOND), tell=Said()):
        pass
    assert asyncio.get_running_loop().get_exception_handler() is None
    assert not [t for t in threading.enumerate() if t.name == "loop-guard"]
