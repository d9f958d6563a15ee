"""The poll schedule: when the next account snapshot is read, by what is open and what is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from tradebot.clock import MILLISECOND, SECOND, Clock

REPOLL_S, REPOLL_TIMES = 0.5, 6  # wall seconds between two polls that may settle a doubt, and how many of them
# Wall seconds before each poll after `poll_soon`.
DOUBT_DELAYS_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class PollPace(NamedTuple):
    """Wall seconds between two polls.

    `live_s` holds while an order or a position is open or polls fail, `idle_s` otherwise.
    """

    live_s: float = 5.0
    idle_s: float = 30.0


class PollSchedule:
    """Waits for the next poll.

    `is_exposed` says whether an order or a position is open. `next_poll_mono` returns the monotonic ns from which a
    poll may settle a doubt, None without one.
    """

    def __init__(
        self, clock: Clock, pace: PollPace, *, is_exposed: Callable[[], bool], next_poll_mono: Callable[[], int | None]
    ) -> None:
        self._clock, self._pace, self._is_exposed, self._next_poll_mono = clock, pace, is_exposed, next_poll_mono
        # Index of the next delay in DOUBT_DELAYS_S; its length once all were used, since the last `poll_soon`
        self._next_delay = len(DOUBT_DELAYS_S)
        self._due = asyncio.Event()
        # The last monotonic ns that `next_poll_mono` returned, and how many polls at or after it settled nothing.
        self._wanted = self._futile_polls = 0

    def poll_soon(self) -> None:
        """Poll soon, and again at growing intervals."""
        self._next_delay = 0
        self._due.set()

    async def wait_for_poll(self, *, is_failing: bool) -> None:
        """Wait until the next poll is due. `is_failing` is True when the last poll failed."""
        is_growing = self._next_delay < len(DOUBT_DELAYS_S)
        pause_s, slept_s = self.pause_s(is_failing=is_failing), 0.0
        if is_growing:
            pause_s = min(DOUBT_DELAYS_S[self._next_delay], pause_s)
        while slept_s < pause_s:
            slice_s = min(pause_s - slept_s, REPOLL_S)
            if is_growing:
                await self._clock.sleep(slice_s)
            elif await self._is_due_within(slice_s):
                return
            slept_s += slice_s
            # A doubt that arose during the pause ends it earlier.
            if slept_s < pause_s and not is_failing and self._next_poll_mono() not in (None, self._wanted):
                pause_s = min(pause_s, slept_s + self.pause_s(is_failing=False))
        if is_growing:
            self._next_delay += 1
            self._due.clear()

    async def _is_due_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            return False
        return True

    def pause_s(self, *, is_failing: bool) -> float:
        """Return wall seconds until the next poll, as long as nothing new makes it come earlier."""
        # A doubt makes polls more frequent, but only `REPOLL_TIMES` times if no poll settles it. Without a snapshot
        # nothing is opened, so failing polls are repeated at the fast pace.
        if is_failing:
            return self._pace.live_s
        usual_s = self._pace.live_s if self._is_exposed() else self._pace.idle_s
        due_mono = self._next_poll_mono()
        if due_mono is None:
            return usual_s
        if due_mono != self._wanted:
            self._wanted, self._futile_polls = due_mono, 0
        left_s = (due_mono + MILLISECOND - self._clock.monotonic_ns()) / SECOND
        if left_s <= 0:
            self._futile_polls += 1
        return usual_s if self._futile_polls > REPOLL_TIMES else min(usual_s, max(left_s, REPOLL_S))
