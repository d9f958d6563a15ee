"""The link retries in one place, waits with jitter, reports a change once, and ends silent connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.errors import LinkLost
from tradebot.venues.link import Backoff, Throttled, read_frames, run_with_reconnect

Session = Callable[[Callable[[], None]], None]


class Enough(Exception):
    """Ends an endless loop of a test; a stand-in for a bug, which `run_with_reconnect` must let through."""


@dataclass
class Script:
    """Plays connections in order, then raises Enough; records what was reported and how long was waited."""

    steps: list[Session]
    clock: ManualClock = field(default_factory=ManualClock)
    reports: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    async def connect(self, up: Callable[[], None]) -> None:
        self.starts.append(self.clock.now_ns)
        if not self.steps:
            raise Enough
        self.steps.pop(0)(up)

    async def run(
        self, backoff: Backoff | None = None, seed: int = 1, keys_version: Callable[[], int] | None = None
    ) -> None:
        async def slept(seconds: float) -> None:
            self.waits.append(seconds)

        self.clock.on_sleep = slept
        await run_with_reconnect(
            self.connect,
            lambda: self.reports.append("up"),
            lambda reason: self.reports.append(f"down: {reason}"),
            clock=self.clock,
            rng=np.random.default_rng(seed),
            backoff=backoff,
            keys_version=keys_version,
        )


def fails(error: Exception) -> Session:
    def session(_up: Callable[[], None]) -> None:
        raise error

    return session


def works_then_fails(reason: str) -> Session:
    def session(up: Callable[[], None]) -> None:
        up()
        up()
        raise LinkLost(reason)

    return session


async def test_each_change_is_reported_once_and_the_first_report_is_whatever_comes_first() -> None:
    script = Script([fails(LinkLost("a")), fails(LinkLost("b")), works_then_fails("c"), fails(LinkLost("d"))])
    with pytest.raises(Enough):
        await script.run()
    assert script.reports == ["down: a", "up", "down: c"]


async def test_a_connection_that_ends_by_itself_is_lost_too() -> None:
    script = Script([lambda up: up()])
    with pytest.raises(Enough):
        await script.run()
    assert script.reports == ["up", "down: the connection ended"]


async def test_a_bug_passes_through_untouched() -> None:
    script = Script([fails(ZeroDivisionError("bug"))])
    with pytest.raises(ZeroDivisionError):
        await script.run()
    assert script.waits == []


async def test_waits_are_jittered_below_a_ceiling_that_doubles_up_to_the_longest() -> None:
    script = Script([fails(LinkLost("x"))] * 40)
    with pytest.raises(Enough):
        await script.run()
    ceilings = [min(60.0, 0.5 * 2**i) for i in range(40)]
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(script.waits, ceilings, strict=True))
    assert max(script.waits) > 30
    assert len(set(script.waits)) == 40


async def test_the_same_seed_waits_the_same_and_another_seed_does_not() -> None:
    runs = []
    for seed in (1, 1, 2):
        script = Script([fails(LinkLost("x"))] * 5)
        with pytest.raises(Enough):
            await script.run(seed=seed)
        runs.append(script.waits)
    assert runs[0] == runs[1] != runs[2]


async def test_a_throttled_connection_waits_long_from_the_first_time() -> None:
    script = Script([fails(Throttled("429"))])
    with pytest.raises(Enough):
        await script.run()
    assert 60 <= script.waits[0] <= 120


async def test_a_throttled_connection_comes_back_when_the_venue_said() -> None:
    script = Script([fails(Throttled("429", after_s=7.0)), fails(Throttled("429", after_s=0.0))])
    with pytest.raises(Enough):
        await script.run()
    assert 7 <= script.waits[0] <= 14
    assert script.waits[1] >= 0.5, "a venue that says 0 is not asked in a circle"


async def test_a_steady_connection_starts_the_backoff_over_and_a_brief_one_does_not() -> None:
    def lasts(seconds: int) -> Session:
        def session(up: Callable[[], None]) -> None:
            up()
            script.clock.now_ns += seconds * SECOND
            raise LinkLost("x")

        return session

    script = Script([*[fails(LinkLost("x"))] * 20, lasts(31), *[lasts(1)] * 20])
    with pytest.raises(Enough):
        await script.run()
    assert script.waits[20] <= 0.5
    assert max(script.waits[21:]) > 15


async def test_the_tries_of_an_hour_are_capped() -> None:
    script = Script([fails(LinkLost("x"))] * 30)
    with pytest.raises(Enough):
        await script.run(Backoff(first_s=0.001, longest_s=0.001, tries_per_hour=10))
    for early, late in zip(script.starts, script.starts[10:], strict=False):
        assert late - early >= 3600 * SECOND


async def test_renewed_keys_end_a_wait_early_and_start_the_backoff_over() -> None:
    script = Script([fails(LinkLost("403"))] * 13)

    def version() -> int:  # keys are renewed while the twelfth wait, one of up to 60 s, goes on
        return int(len(script.starts) >= 12 and script.clock.now_ns > script.starts[11])

    with pytest.raises(Enough):
        await script.run(keys_version=version)
    gaps = [(late - early) / SECOND for early, late in pairwise(script.starts)]
    assert max(gaps[:11]) > 20, "without renewed keys a wait goes on to its end"
    assert gaps[11] == 0.25
    assert gaps[12] <= 0.5, "the next failure counts as the first one"


async def test_keys_renewed_during_a_try_lead_to_the_next_one_at_once() -> None:
    renewed = 0

    def renews(_up: Callable[[], None]) -> None:  # the try was made with the keys of before
        nonlocal renewed
        renewed += 1
        raise LinkLost("x")

    script = Script([*[fails(LinkLost("x"))] * 11, renews, fails(LinkLost("x"))])
    with pytest.raises(Enough):
        await script.run(keys_version=lambda: renewed)
    assert script.starts[12] == script.starts[11]


async def test_a_wait_that_the_venue_asked_for_is_kept_however_new_the_keys_are() -> None:
    script = Script([fails(Throttled("429", after_s=30.0))])
    with pytest.raises(Enough):
        await script.run(keys_version=lambda: script.clock.now_ns)
    assert script.starts[1] - script.starts[0] >= 30 * SECOND


async def test_a_connection_without_a_frame_of_any_kind_is_lost() -> None:
    async def nothing() -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(LinkLost, match=r"no frame for 0\.01 s"):
        await read_frames(nothing, lambda frame: None, silent_after_s=0.01, clock=WallClock())


async def test_every_frame_renews_the_time_limit_and_reaches_the_reader() -> None:
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[bytes] = asyncio.Queue()
    seen: list[str | bytes] = []
    for i in range(6):
        loop.call_later(0.02 * i, frames.put_nowait, bytes([i]))
    with pytest.raises(LinkLost):
        await read_frames(frames.get, seen.append, silent_after_s=0.06, clock=WallClock())
    assert seen == [bytes([i]) for i in range(6)]


async def test_a_reader_that_fails_is_not_taken_for_a_lost_link() -> None:
    async def one() -> bytes:
        return b"x"

    def bad(_frame: str | bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read_frames(one, bad, silent_after_s=1, clock=WallClock())


async def test_frames_without_end_let_the_loop_turn_every_millisecond() -> None:
    clock, taken, turns = ManualClock(), [0], list[int]()

    async def at_once() -> bytes:
        return b"x"

    def work(_frame: str | bytes) -> None:
        taken[0] += 1
        clock.now_ns += SECOND // 5_000  # each takes a fifth of a millisecond
        if taken[0] == 50:
            raise Enough

    async def others() -> None:
        while True:
            turns.append(taken[0])
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    with pytest.raises(Enough):
        await read_frames(at_once, work, silent_after_s=1, clock=clock)
    beside.cancel()
    between = [late - early for early, late in pairwise(turns[1:])]
    assert len(between) >= 6
    assert max(between) <= 6
