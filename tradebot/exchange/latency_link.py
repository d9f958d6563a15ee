"""The link between a client and the exchange: requests arrive in the order sent, answers in the order they happened.

Each takes its latency, drawn in wall seconds from a seeded generator and scaled to market time by the clock's speed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tradebot.clock import SECOND, Clock
from tradebot.exchange.latency import Latency
from tradebot.exchange.timer_queue import TimerQueue


class LatencyLink:
    """Requests and answers in transit, by market time. None overtakes an earlier one in the same direction."""

    def __init__(self, latency: Latency, clock: Clock, *, seed: int) -> None:
        self._latency, self._clock = latency, clock
        self._rng = np.random.default_rng(seed)
        self._timers = TimerQueue()
        self._last_arrival = self._last_answer = 0
        self.is_closed = False

    def __bool__(self) -> bool:
        return bool(self._timers)

    @property
    def next_at(self) -> int | None:
        """Return the market ns of the next call in transit, None without one."""
        return self._timers.next_at if self._timers else None

    def send_request(self, now: int, request: Callable[[int], None]) -> None:
        """Deliver `request` at the exchange after its latency.

        All requests share one connection and keep their order.
        """
        at = now + self._latency.draw_request_delay(self._rng, self._clock.speed)
        self._last_arrival = max(self._last_arrival, at)
        self._timers.add_call(self._last_arrival, request)

    def send_answer(self, at: int, call: Callable[[int], None]) -> None:
        """Deliver what happened at `at` (market ns) to the client, after its latency."""
        due = at + self._latency.draw_answer_delay(self._rng, self._clock.speed)
        self._last_answer = max(self._last_answer, due)
        self._timers.add_call(self._last_answer, call)

    def call_after(self, now: int, wall_s: float, call: Callable[[], None]) -> None:
        """Schedule `call` for `wall_s` wall seconds after `now` (market ns)."""
        self._timers.add_call(now + int(wall_s * self._clock.speed * SECOND), lambda _: call())

    def run_until(self, until_at: int) -> None:
        """Make every call due at or before `until_at` (market ns)."""
        self._timers.run_until(until_at)

    def close(self) -> None:
        """Make every call that is left, however late it is due; the session has ended."""
        self.is_closed = True
        while self._timers:
            self._timers.run_until(self._timers.next_at)
