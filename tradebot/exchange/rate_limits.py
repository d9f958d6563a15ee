"""How often a client may call: counters per calendar second, minute and market day, checked before a server acts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tradebot.clock import MINUTE, SECOND, Clock, market_paced_ns
from tradebot.domain.message import Message
from tradebot.markets.market import HOME_MARKET, Market


class LimitSpan(StrEnum):
    """The calendar unit in which requests are counted."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"


class RequestLimit(Message, frozen=True):
    """At most `count` requests within one calendar `span`."""

    count: int
    span: LimitSpan


class RateLimits:
    """Counts requests per group; each client of a server has its own.

    Seconds and minutes are the market's and start on the full second, as the rule counts them: a client may send ten
    requests at the end of one second and ten at the start of the next. They pass while the market stands still, too,
    and a step of the wall clock does not affect them. The day is the market's, so a fast run of many days gets a fresh
    quota each day. A refused request does not count.
    """

    def __init__(
        self, clock: Clock, limits: Mapping[str, tuple[RequestLimit, ...]], *, market: Market = HOME_MARKET
    ) -> None:
        self._clock, self._limits, self._market = clock, limits, market
        self._used: dict[tuple[str, LimitSpan], tuple[int, int]] = {}  # (group, span) -> (window, requests in it)

    def count_request(self, *groups: str) -> RequestLimit | None:
        """Count one request in all `groups`, or count none and return the limit that it would exceed."""
        now = [
            (group, limit, self._window(limit.span), self._used.get((group, limit.span), (-1, 0)))
            for group in groups
            for limit in self._limits[group]
        ]
        for _, limit, window, (seen, used) in now:
            if window == seen and used >= limit.count:
                return limit
        for group, limit, window, (seen, used) in now:
            self._used[group, limit.span] = (window, used + 1 if window == seen else 1)
        return None

    def _window(self, span: LimitSpan) -> int:
        if span is LimitSpan.DAY:
            return self._market.day_number(self._clock.market_ns())
        return market_paced_ns(self._clock) // (SECOND if span is LimitSpan.SECOND else MINUTE)
