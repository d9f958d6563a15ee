"""The poll schedule: when the venue's books are read next, by what is open and what is in doubt."""

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
        # Index of the next delay in DOUBT_DELAYS_S; at its end there is no doubt
        self._doubts = len(DOUBT_DELAYS_S)
        self._due = asyncio.Event()
        self._wanted = self._in_vain = 0  # monotonic ns of the last wish, and polls in vain since

    def poll_soon(self) -> None:
        """Poll soon, and again at growing intervals."""
        self._doubts = 0
        self._due.set()

    async def wait_for_poll(self, *, is_failing: bool) -> None:
        """Wait until the next poll is due. `is_failing` is True when the last poll failed."""
        pause = self.pause_s(is_failing=is_failing)
        if self._doubts < len(DOUBT_DELAYS_S):
            await self._clock.sleep(min(DOUBT_DELAYS_S[self._doubts], pause))
            self._doubts += 1
            self._due.clear()
            return
        try:
            async with asyncio.timeout(pause):
                await self._due.wait()
        except TimeoutError:
            return

    def pause_s(self, *, is_failing: bool) -> float:
        """Return wall seconds until the next poll, as long as nothing new makes it come earlier."""
        # A doubt never makes polls rarer. A doubt that no poll settles makes them more frequent only for a limited
        # time, and so does a venue that does not answer.
        if is_failing:
            return self._pace.live_s  # without the books nothing is opened, so they are polled at the fast pace
        usual = self._pace.live_s if self._is_exposed() else self._pace.idle_s
        wanted = self._next_poll_mono()
        if wanted is None:
            return usual
        if wanted != self._wanted:
            self._wanted, self._in_vain = wanted, 0
        left = (wanted + MILLISECOND - self._clock.monotonic_ns()) / SECOND
        if left <= 0:
            self._in_vain += 1
        return usual if self._in_vain > REPOLL_TIMES else min(usual, max(left, REPOLL_S))
