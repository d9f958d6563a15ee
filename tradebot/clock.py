"""The only file that reads the time or sleeps: wall, market and manual clocks, all in integer nanoseconds UTC.

The daemon uses two times. *Wall* time is this machine's; latencies, deadlines, rate limits and backoff use its
monotonic clock. *Market* time is the venue's; bars, sessions and strategies use it. The two are equal on a real venue
and differ on a simulated one, which may run a past day at sixty times the speed.
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
DAY = 24 * HOUR  # valid only without daylight saving time, as in India and in UTC
IST = timezone(timedelta(hours=5, minutes=30), "IST")


class Clock(Protocol):
    """A source of time. Every component that needs time receives one."""

    def wall_ns(self) -> int:
        """Return wall time in ns since 1970 UTC; it may jump in both directions."""
        ...

    def monotonic_ns(self) -> int:
        """Return monotonic ns: they never go back and are for durations only."""
        ...

    def market_ns(self) -> int:
        """Return the venue's time in ns since 1970 UTC."""
        ...

    @property
    def speed(self) -> float:
        """Return the number of market seconds in one wall second."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of wall time."""
        ...


class WallClock:
    """The real time. Market time is wall time."""

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
    """The time of an event loop that does not run on the machine's time.

    Wall time is loop time plus `wall_offset_ns`. A new value of it steps the wall clock, as a host does that corrects
    its time.
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
    """The time of `wall` with a market time that starts at `starts_at` and runs `speed` times as fast.

    `anchor_mono` is the monotonic ns at which market time was `starts_at`. It is monotonic so that a step of the wall
    clock moves no bar. While it is None, market time stays at `starts_at` until `start_market`.
    """

    def __init__(self, *, starts_at: int, anchor_mono: int | None, speed: float, wall: Clock | None = None) -> None:
        assert speed > 0, f"speed must be positive, was {speed}"
        self.starts_at, self.anchor_mono, self.speed = starts_at, anchor_mono, speed
        self._clock = wall or WallClock()
        self.wall_ns, self.monotonic_ns, self.sleep = self._clock.wall_ns, self._clock.monotonic_ns, self._clock.sleep

    @property
    def is_held(self) -> bool:
        """Return True while market time stands still, before `start_market`."""
        return self.anchor_mono is None

    def start_market(self) -> None:
        """Start market time now. Has no effect if it already runs."""
        if self.anchor_mono is None:
            self.anchor_mono = self.monotonic_ns()

    def market_ns(self) -> int:
        if self.anchor_mono is None:
            return self.starts_at
        return self.starts_at + int((self.monotonic_ns() - self.anchor_mono) * self.speed)


class VenueClock:
    """The time of a real venue: the host's wall clock, checked against the venue's timestamps when it jumps.

    Market time advances with the monotonic clock. It follows the wall clock as long as the two differ by at most
    `FOLLOW_WITHIN_NS`. After a larger step of the wall clock, `compare_clocks` compares both with the timestamps of the
    venue's quotes. A wall clock that was set wrong changes nothing. One that was set right, or a machine that slept,
    is followed once `VOTES_NEEDED` timestamps agree with it.
    """

    speed = 1.0
    FOLLOW_WITHIN_NS = 2 * SECOND  # a larger step would close bars early or late
    NEAR_STAMP_NS = 5 * SECOND  # a stamp further from both clocks belongs to a quiet symbol and decides nothing
    VOTES_NEEDED = 3

    def __init__(self, host: Clock) -> None:
        self.wall_ns, self.monotonic_ns, self.sleep = host.wall_ns, host.monotonic_ns, host.sleep
        self._base = host.wall_ns() - host.monotonic_ns()
        self._apart = 0  # ns by which the wall clock was ahead of market time at the last comparison
        self._votes = 0

    def market_ns(self) -> int:
        return self._base + self.monotonic_ns()

    @property
    def wall_lead_ns(self) -> int:
        """Return by how many ns the wall clock is ahead of market time; 0 while market time follows it."""
        return self._apart

    def compare_clocks(self, stamp_at: int | None) -> bool:
        """Compare the clocks and return True if market time was set to the wall clock.

        `stamp_at` is the venue's timestamp of a quote that arrived just now. Call this many times a second.
        """
        apart = self.wall_ns() - self.market_ns()
        if abs(apart) <= self.FOLLOW_WITHIN_NS:
            self._base += apart
            self._apart = self._votes = 0
            return False
        if abs(apart - self._apart) > self.FOLLOW_WITHIN_NS:
            self._votes = 0  # a different step from the one at the last comparison
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


class RehearsalClock:
    """The time of an exchange in another process of this machine, followed over its restarts.

    `follow_exchange` takes its readings. Between two readings market time moves `speed` times as fast as the monotonic
    clock, which both processes share. It stands still while the exchange does not answer (`hold_market`) and never goes
    back: it waits for an exchange that was started again at an earlier time.
    """

    def __init__(self, host: Clock, *, market_at: int, mono: int, speed: float) -> None:
        self.wall_ns, self.monotonic_ns, self.sleep = host.wall_ns, host.monotonic_ns, host.sleep
        self.speed = speed
        self._reading = (market_at, mono)
        self._held_at: int | None = None  # market ns at which time stands still, None while it moves

    def market_ns(self) -> int:
        held = self._held_at
        return self._moving_at(self.monotonic_ns()) if held is None else held

    def hold_market(self) -> None:
        """Let market time stand still: the exchange does not answer."""
        if self._held_at is None:
            self._held_at = self.market_ns()

    def follow_exchange(self, *, market_at: int, mono: int) -> int:
        """Take a reading of the exchange's clock; return the market ns by which time jumps forward now.

        Market time stands still as long as the reading is behind it.
        """
        before = self.market_ns()
        self._reading = (market_at, mono)
        ahead = self._moving_at(self.monotonic_ns()) - before
        self._held_at = before if ahead < 0 else None
        return max(ahead, 0)

    def _moving_at(self, mono: int) -> int:
        market_at, read_at_mono = self._reading
        return market_at + int((mono - read_at_mono) * self.speed)


class ManualClock:
    """A clock that a test or a replay sets; `sleep` advances it."""

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
    """Limits a task to `max_ns` of work before it yields to the event loop.

    Taking a message that has already arrived does not wait, so a task that always finds one would block the loop.
    `ends_mono` is monotonic ns. A caller that checks after every message compares it first and calls `yield_if_due`
    only when it has passed.
    """

    def __init__(self, clock: Clock, max_ns: int) -> None:
        self._clock, self._max_ns = clock, max_ns
        self.ends_mono = 0
        self.restart()

    def restart(self) -> None:
        """Start a new slice: the task has just waited."""
        self.ends_mono = self._clock.monotonic_ns() + self._max_ns

    def expire(self) -> None:
        """End the slice now, so that the next `yield_if_due` yields."""
        self.ends_mono = -1

    async def yield_if_due(self) -> None:
        """Yield to the event loop if the slice is used up, and start a new one."""
        if self._clock.monotonic_ns() > self.ends_mono:
            await self._clock.sleep(0)
            self.restart()


def market_paced_ns(clock: Clock) -> int:
    """Return monotonic ns scaled to the market's speed. Rate limits count in it, so they do not depend on the speed."""
    mono = clock.monotonic_ns()
    if clock.speed == 1.0:
        return mono
    over, under = clock.speed.as_integer_ratio()  # exact: a float cannot hold all digits of the product
    return mono * over // under


def format_iso(ns: int, zone: tzinfo = UTC) -> str:
    """Return `ns` as ISO-8601 text with microseconds; UTC ends in `Z`."""
    seconds, rest = divmod(ns, SECOND)
    text = datetime.fromtimestamp(seconds, zone).replace(microsecond=rest // 1000).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def parse_iso(text: str, zone: tzinfo = UTC) -> int:
    """Return ISO-8601 text as ns; a time without a zone is taken in `zone`. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + moment.microsecond * 1000
