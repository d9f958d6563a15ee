"""Keeps our requests below a venue's rate limits, with a share reserved for exits; called before each request.

A venue counts in the seconds and minutes of its own wall clock. A sliding window on our monotonic clock is stricter
than any such grid, and a step of the wall clock does not affect it. On a simulated venue whose market clock runs faster
than ours, market seconds are counted. Only the day is a calendar day, that of the market.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from tradebot.clock import MILLISECOND, SECOND, Clock, market_paced_ns
from tradebot.domain.message import Message
from tradebot.markets.market import HOME_MARKET, Market


class RateWindow(Message, frozen=True):
    """A limit of `limit` requests of `kinds` in any `span_s` seconds, or in a calendar day where `span_s` is None.

    The last `reserved` of them are reserved for exits.
    """

    kinds: frozenset[str]
    limit: int
    span_s: float | None
    reserved: int = 0


class Limiter:
    """Counts requests by kind against windows. A request passes when every window of its kind allows one more.

    `used_today` is the count of the calendar-day windows when an earlier process of the same day stopped.
    Memory is bounded by the sum of the limits.
    """

    def __init__(
        self, windows: Sequence[RateWindow], clock: Clock, *, used_today: int = 0, market: Market = HOME_MARKET
    ) -> None:
        self._clock, self._market = clock, market
        self._sliding = [(w, int(w.span_s * SECOND), deque[int]()) for w in windows if w.span_s is not None]
        self._daily = [w for w in windows if w.span_s is None]
        self._day = self._today()
        self._used = dict.fromkeys(range(len(self._daily)), used_today)  # number of the daily window -> count

    def resume_day(self, used: int) -> None:
        """Add the requests that earlier processes of this market day counted against the calendar-day windows."""
        self._turn_day()
        self._used = {i: count + used for i, count in self._used.items()}

    @property
    def used_today(self) -> int:
        """Return the count of the calendar-day windows since the market's midnight, to be kept over a restart."""
        self._turn_day()
        return max(self._used.values(), default=0)

    def left_today(self, kind: str, *, is_exit: bool = False) -> int | None:
        """Return how many requests of `kind` the day still allows, or None where it has no daily limit."""
        self._turn_day()
        left = [w.limit - (0 if is_exit else w.reserved) - self._used[i] for i, w in self._days(kind)]
        return max(min(left), 0) if left else None

    def try_acquire(self, kind: str, *, is_exit: bool = False) -> bool:
        """Count one request and return True, or count nothing and return False where a window is full."""
        return self._wait_ns(kind, is_exit=is_exit) == 0 and self._take(kind)

    async def acquire(self, kind: str, *, is_exit: bool = False, within_s: float = 1.0) -> bool:
        """Count one request, waiting at most `within_s` wall seconds for it; return False if the windows stay full."""
        deadline = self._clock.monotonic_ns() + int(within_s * SECOND)
        while (wait := self._wait_ns(kind, is_exit=is_exit)) != 0:
            if wait is None or self._clock.monotonic_ns() + wait > deadline:
                return False
            # One millisecond extra: a sleep may end slightly early, and the venue's clock differs from ours.
            await self._clock.sleep((wait + MILLISECOND) / SECOND)
        return self._take(kind)

    def _wait_ns(self, kind: str, *, is_exit: bool) -> int | None:
        # The wait in ns of our own time, 0 for none. None means that waiting does not help.
        if self.left_today(kind, is_exit=is_exit) == 0:
            return None
        now, wait = market_paced_ns(self._clock), 0
        for window, span, taken in self._sliding:
            if kind not in window.kinds:
                continue
            while taken and taken[0] <= now - span:
                taken.popleft()
            allowed = window.limit - (0 if is_exit else window.reserved)
            if allowed <= 0:
                return None
            if len(taken) >= allowed:
                # One more is allowed once the oldest of the last `allowed` requests has left the window.
                wait = max(wait, taken[len(taken) - allowed] + span - now)
        return wait if self._clock.speed == 1.0 else math.ceil(wait / self._clock.speed)

    def _take(self, kind: str) -> bool:
        now = market_paced_ns(self._clock)
        for window, _, taken in self._sliding:
            if kind in window.kinds:
                taken.append(now)
        for i, _ in self._days(kind):
            self._used[i] += 1
        return True

    def _days(self, kind: str) -> list[tuple[int, RateWindow]]:
        return [(i, w) for i, w in enumerate(self._daily) if kind in w.kinds]

    def _turn_day(self) -> None:
        # Only forwards: a clock that steps back over midnight must not allow the day's requests twice.
        if (today := self._today()) > self._day:
            self._day, self._used = today, dict.fromkeys(self._used, 0)

    def _today(self) -> int:
        return self._market.day_number(self._clock.market_ns())


def rate_windows(*windows: tuple[str, int, float | None, int]) -> tuple[RateWindow, ...]:
    """Return windows from rows of (kinds separated by spaces, limit, span in s or None for a day, reserved count)."""
    return tuple(
        RateWindow(kinds=frozenset(kinds.split()), limit=limit, span_s=span, reserved=reserved)
        for kinds, limit, span, reserved in windows
    )
