"""The look schedule: when the venue's books are read next, by what is open and what is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from tradebot.clock import MILLISECOND, SECOND, Clock

REPOLL_S, REPOLL_TIMES = 0.5, 6  # between two looks that are to end a doubt, and how many of them
DOUBT_DELAYS_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class PollPace(NamedTuple):
    """Wall seconds between two looks while orders work or the books are missing, and otherwise."""

    live_s: float = 5.0
    idle_s: float = 30.0


class PollSchedule:
    """Waits for the next look. `is_exposed` tells whether an order or a position is open, `next_poll_mono` from when on
    (monotonic) a look may end a doubt.
    """

    def __init__(
        self, clock: Clock, pace: PollPace, *, is_exposed: Callable[[], bool], next_poll_mono: Callable[[], int | None]
    ) -> None:
        self._clock, self._pace, self._has_live, self._wanted_at = clock, pace, is_exposed, next_poll_mono
        self._doubts = len(DOUBT_DELAYS_S)  # position in DOUBT_S; at its end there is no doubt
        self._due = asyncio.Event()
        self._wanted = self._in_vain = 0  # what a look was wanted for last, and how many that brought no end to it

    def poll_soon(self) -> None:
        """Look soon, and again at growing intervals."""
        self._doubts = 0
        self._due.set()

    async def wait_for_poll(self, *, is_failing: bool) -> None:
        """Wait until the next look is due; `is_failing` says that the last one was not answered."""
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
        """Return the wall seconds until the next look where nothing new brings it about."""
        # A doubt never makes the looks rarer than they are without one, and one that no look ends, or a venue that does
        # not answer, not more frequent for long.
        if is_failing:
            return self._pace.live_s  # without books nothing is opened: they are looked for as often as ever
        usual = self._pace.live_s if self._has_live() else self._pace.idle_s
        wanted = self._wanted_at()
        if wanted is None:
            return usual
        if wanted != self._wanted:
            self._wanted, self._in_vain = wanted, 0
        left = (wanted + MILLISECOND - self._clock.monotonic_ns()) / SECOND
        if left <= 0:
            self._in_vain += 1
        return usual if self._in_vain > REPOLL_TIMES else min(usual, max(left, REPOLL_S))
