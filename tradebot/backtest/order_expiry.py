"""When orders of a backtest expire: with their session, or with the next one if decided at a session's last close.

The exchange's calendar says which session is the next one, and when one closes. It says nothing about bars that mostly
lie outside its sessions: then a day of bars is a session, and the next one follows within the longest break.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tradebot.backtest.job import Job
from tradebot.backtest.session_timetable import NEVER, BacktestDay
from tradebot.clock import DAY
from tradebot.domain.market import Ints
from tradebot.history.exchange_calendar import (
    INDIA,
    NEW_YORK,
    ExchangeCalendar,
    are_in_session,
    calendar_of,
    day_number,
    exchange_days,
    zone_of,
)
from tradebot.markets.calendar import HoursClass
from tradebot.markets.market import market_of

LONGEST_BREAK_NS = 10 * DAY  # more than the longest holidays of any exchange; longer is a hole in the data
# The share of a market's bars that must lie in its sessions, and how many bars are sampled.
IN_SESSION_SHARE, SAMPLE_BARS = 0.5, 5_000


class OrderExpiry(NamedTuple):
    """The first timeline indexes at which orders of a day have expired.

    `inside_k` is for orders decided inside its session, `last_close_k` for those decided at its last close.
    """

    inside_k: int
    last_close_k: int


class OrderExpiries:
    """The expiry of orders by the day on which they are decided; `days` are those of the timeline `starts`."""

    def __init__(self, job: Job, starts: Ints, days: Sequence[BacktestDay]) -> None:
        self._begins = [day.first_k for day in days]
        ends = [*self._begins[1:], NEVER]
        afters = [*ends[1:], NEVER]
        goes_on = [*_goes_on(job, starts, self._begins), True]
        self._found = [
            OrderExpiry(end, after if is_next else end)
            for end, after, is_next in zip(ends, afters, goes_on, strict=False)
        ]

    def expiry_of(self, k: int) -> OrderExpiry:
        """Return the expiry for the day that holds the bar at timeline index `k`."""
        return self._found[max(bisect_right(self._begins, k) - 1, 0)]


def _goes_on(job: Job, starts: Ints, begins: Sequence[int]) -> list[bool]:
    # For each day but the last: does it end at a last close, and is the next day with bars the next session?
    length, lasts = job.interval, starts[[k - 1 for k in begins[1:]]]
    gaps = (starts[begins[1:]] - lasts - length).tolist()
    if length > DAY:
        return [gap < length for gap in gaps]
    near = [gap <= LONGEST_BREAK_NS for gap in gaps]
    exchange = _exchange_of_sessions(job, starts) if gaps else None
    if exchange is None:
        return near
    is_always, days = job.hours.market == "always", exchange_days(starts[begins], exchange).tolist()
    closes = _closes(calendar_of(exchange), days[0], days[-1], only_covered=is_always)
    if is_always and _trade_while_shut(days, closes):
        return near
    # With market hours each symbol has its own last close, which `OrderLifetimes` checks.
    ends_any = length == DAY or not is_always
    return [
        is_near
        and (ends_any or closes.get(day, 0) <= last + length)
        and not any(between in closes for between in range(day + 1, after))
        for day, after, last, is_near in zip(days, days[1:], lasts.tolist(), near, strict=False)
    ]


def _exchange_of_sessions(job: Job, starts: Ints) -> str | None:
    # The one exchange whose sessions these bars follow, if there is one and its calendar is known here.
    exchange, *others = {instrument.exchange for instrument in job.instruments}
    if others or zone_of(exchange) not in (INDIA, NEW_YORK):
        return None
    if job.hours.market == "always" and job.interval < DAY:
        looked_at = starts[:: len(starts) // SAMPLE_BARS + 1]
        return exchange if are_in_session(looked_at, exchange).mean() > IN_SESSION_SHARE else None
    return exchange


def _trade_while_shut(days: Sequence[int], closes: Mapping[int, int]) -> bool:
    return any(min(closes, default=NEVER) <= day <= max(closes) and day not in closes for day in days)


def _closes(calendar: ExchangeCalendar, first: int, last: int, *, only_covered: bool) -> dict[int, int]:
    # Day -> when its first symbols close, for days with a session. With `only_covered`, days of India outside the
    # calendar's known closures are left out.
    if only_covered and calendar.zone == INDIA:
        covered = market_of(calendar.exchange).calendar
        first, last = max(first, day_number(covered.covered_from)), min(last, day_number(covered.covered_through))
    found: dict[int, int] = {}
    for day in range(first, last + 1):
        if calendar.session_hours(day) is not None:
            found[day] = min(
                hours.closes_at for line in HoursClass if (hours := calendar.session_hours(day, line)) is not None
            )
    return found
