"""How many requests a listener of the operator's API answers in a second: a bucket of tokens on the monotonic clock."""

from __future__ import annotations

import math

from tradebot.clock import SECOND, Clock


class RequestBucket:
    """Holds up to `burst` tokens and gains `per_second` of them; each request takes one."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock, self._per_second, self._burst = clock, per_second, burst
        self._tokens, self._at = float(burst), clock.monotonic_ns()

    def take_token(self) -> int:
        """Take a token and return 0; without one return the whole seconds after which to ask again."""
        now = self._clock.monotonic_ns()
        gained = (now - self._at) / SECOND * self._per_second
        self._tokens, self._at = min(self._burst, self._tokens + gained), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return math.ceil((1 - self._tokens) / self._per_second)
