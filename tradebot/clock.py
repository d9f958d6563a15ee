"""The only file that reads the time or sleeps: wall, market and manual clocks, all in integer nanoseconds UTC.

Two times run through the daemon. *Wall* time is this machine's; latencies, deadlines, rate limits and backoff use its
monotonic side. *Market* time is the venue's: bars, sessions and strategies use it. They are equal on a real venue and
differ on a simulated one, which may run a past day at sixty times the speed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Protocol

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR  # of a calendar whose clocks never change, such as India's or UTC
IST = timezone(timedelta(hours=5, minutes=30), "IST")


class Clock(Protocol):
    """A source of time; every component that needs time is given one."""

    def wall_ns(self) -> int:
        """Return wall time, ns since 1970 UTC; may step."""
        ...

    def monotonic_ns(self) -> int:
        """Return ns that never go back; for durations only."""
        ...

    def market_ns(self) -> int:
        """Return the venue's time, ns since 1970 UTC."""
        ...

    @property
    def speed(self) -> float:
        """Market seconds that pass in one wall second."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait wall `seconds`."""
        ...


class WallClock:
    """Real time; market time is wall time."""

    speed = 1.0

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def market_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LoopClock:
    """The time of an event loop; for a loop whose time is not the machine's.

    Wall time is `origin` later; whoever changes `origin` steps the wall clock, as a host that corrects its time does.
    """

    speed = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop, *, wall_offset_ns: int) -> None:
        self._time, self.wall_offset_ns = loop.time, wall_offset_ns

    def wall_ns(self) -> int:
        return self.wall_offset_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(self._time() * SECOND)

    def market_ns(self) -> int:
        return self.wall_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class MarketClock:
    """The time of `wall_ns` with a market time that started at `origin` and runs `speed` times as fast.

    `anchor_mono` is the monotonic instant at which market time was `origin`; monotonic, so that a step of the wall clock
    moves no bar. With None the market stands at `origin` until `start_market`.
    """

    def __init__(self, *, starts_at: int, anchor_mono: int | None, speed: float, wall: Clock | None = None) -> None:
        assert speed > 0, f"speed must be positive, was {speed}"
        self.starts_at, self.anchor_mono, self.speed = starts_at, anchor_mono, speed
        self._clock = wall or WallClock()
        self.wall_ns, self.monotonic_ns, self.sleep = self._clock.wall_ns, self._clock.monotonic_ns, self._clock.sleep

    @property
    def is_held(self) -> bool:
        """True while the market stands still until `start_market`."""
        return self.anchor_mono is None

    def start_market(self) -> None:
        """Let market time run from now; does nothing if it runs already."""
        if self.anchor_mono is None:
            self.anchor_mono = self.monotonic_ns()

    def market_ns(self) -> int:
        if self.anchor_mono is None:
            return self.starts_at
        return self.starts_at + int((self.monotonic_ns() - self.anchor_mono) * self.speed)


class VenueClock:
    """The time of a real venue: the host's wall clock where the two agree, and past its steps the venue's own stamps.

    Market time goes on with the monotonic clock. The wall clock is followed while it keeps to that within `FOLLOW_WITHIN_NS`.
    Where it steps further, `compare_clocks` holds both against what the venue stamps its quotes with: a wall clock that was set
    wrong changes nothing, one that was set right, or a machine that slept, is followed when `VOTES_NEEDED` stamps agree.
    """

    speed = 1.0
    FOLLOW_WITHIN_NS = 2 * SECOND  # a larger step would close bars early or late
    NEAR_STAMP_NS = 5 * SECOND  # a stamp further from both clocks is that of a quiet symbol and says nothing
    VOTES_NEEDED = 3

    def __init__(self, host: Clock) -> None:
        self.wall_ns, self.monotonic_ns, self.sleep = host.wall_ns, host.monotonic_ns, host.sleep
        self._base = host.wall_ns() - host.monotonic_ns()
        self._apart = 0  # how far the wall clock was ahead of the market's time, at the last look
        self._votes = 0

    def market_ns(self) -> int:
        return self._base + self.monotonic_ns()

    @property
    def wall_lead_ns(self) -> int:
        """How far the wall clock is ahead of the market's time, ns, where it is not followed; else 0."""
        return self._apart

    def compare_clocks(self, stamp_at: int | None) -> bool:
        """Compare the clocks; `stamp_at` is the venue's of a quote that came just now. True when market time was set.

        To be called many times a second.
        """
        apart = self.wall_ns() - self.market_ns()
        if abs(apart) <= self.FOLLOW_WITHIN_NS:
            self._base += apart
            self._apart = self._votes = 0
            return False
        if abs(apart - self._apart) > self.FOLLOW_WITHIN_NS:
            self._votes = 0  # another step than that of the last look
        self._apart = apart
        if stamp_at is None:
            return False
        by_wall, by_market = abs(stamp_at - self.wall_ns()), abs(stamp_at - self.market_ns())
        if min(by_wall, by_market) > self.NEAR_STAMP_NS:
            return False
        self._votes = self._votes + 1 if by_wall < by_market else 0
        if self._votes < self.VOTES_NEEDED:
            return False
        self._base += apart
        self._apart = self._votes = 0
        return True


class ManualClock:
    """A clock that a test or a replay moves by hand; sleeping moves it."""

    speed = 1.0

    def __init__(self, start_at: int = 0) -> None:
        self.now_ns = start_at
        self.on_sleep: Callable[[float], Awaitable[None]] | None = None

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def market_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        await (self.on_sleep(seconds) if self.on_sleep else asyncio.sleep(0))


class TimeSlice:
    """How long a task has worked without waiting: `max_ns` ns, then it is over and others should have theirs.

    Taking what is there already does not wait, and a task that always finds something would keep the loop for itself.
    `ends_at` is monotonic ns; whoever has to ask for every message asks it first, and only then for `yield_if_due`.
    """

    def __init__(self, clock: Clock, max_ns: int) -> None:
        self._clock, self._most = clock, max_ns
        self.ends_mono = 0
        self.restart()

    def restart(self) -> None:
        """Count from here: the task has just waited."""
        self.ends_mono = self._clock.monotonic_ns() + self._most

    def expire(self) -> None:
        """Let the turn be over, however short it was."""
        self.ends_mono = -1

    async def yield_if_due(self) -> None:
        """Give the loop to the others, if the turn is over."""
        if self._clock.monotonic_ns() > self.ends_mono:
            await self._clock.sleep(0)
            self.restart()


def market_paced_ns(clock: Clock) -> int:
    """Return monotonic ns at the pace of the market: limits count on it, so that a fast day has those of a slow one."""
    mono = clock.monotonic_ns()
    if clock.speed == 1.0:
        return mono
    over, under = clock.speed.as_integer_ratio()  # exact: a float has not the digits of such a product
    return mono * over // under


def format_iso(ns: int, zone: tzinfo = UTC) -> str:
    """Format `ns` for people, ISO-8601 with microseconds; UTC ends in `Z`."""
    seconds, rest = divmod(ns, SECOND)
    text = datetime.fromtimestamp(seconds, zone).replace(microsecond=rest // 1000).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def parse_iso(text: str, zone: tzinfo = UTC) -> int:
    """Parse ISO-8601 to ns; a time without a zone is taken in `zone`. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + moment.microsecond * 1000
