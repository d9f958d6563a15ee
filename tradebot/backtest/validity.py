"""How long an order of a backtest lives: its session; one decided at its session's last close, the next session.

India's calendar says which session is the next one. Around the clock a day of bars is a session; the next day with bars
is the next one, unless bars of a covered Indian session are missing in between or no market is shut for so long.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tradebot.backtest.hours import DAY, NEVER, Day
from tradebot.backtest.job import Job
from tradebot.domain.market import Ints
from tradebot.history.market import INDIA, as_date, days_of, zone_of
from tradebot.markets.calendar import TradingCalendar

LONGEST_BREAK = 10 * DAY  # more than the longest holidays of any exchange; longer is a hole in the data


class Validity(NamedTuple):
    """The first `k` at which orders of a day are no more: those decided inside its session, those of its last close."""

    inside: int
    last_close: int


class Validities:
    """The validity of orders by the day that they are decided in; `days` are those of the timeline `starts`."""

    def __init__(self, job: Job, starts: Ints, days: Sequence[Day]) -> None:
        self._begins = [day.k for day in days]
        ends = [*self._begins[1:], NEVER]
        afters = [*ends[1:], NEVER]
        are_next = [*_are_next(job, starts, self._begins), True]
        self._found = [
            Validity(end, after if is_next else end)
            for end, after, is_next in zip(ends, afters, are_next, strict=False)
        ]

    def of(self, k: int) -> Validity:
        """Return that of the day which holds the bar `k`."""
        return self._found[max(bisect_right(self._begins, k) - 1, 0)]


def _are_next(job: Job, starts: Ints, begins: Sequence[int]) -> list[bool]:
    # Of each day but the last: whether the next day with bars is the market's next session.
    length = job.interval
    gaps = (starts[begins[1:]] - starts[[k - 1 for k in begins[1:]]] - length).tolist()
    if length > DAY:
        return [gap < length for gap in gaps]
    near = [gap <= LONGEST_BREAK for gap in gaps]
    exchanges = {instrument.exchange for instrument in job.instruments}
    if any(zone_of(exchange) != INDIA for exchange in exchanges):
        return near
    calendar = TradingCalendar()
    days = [as_date(number) for number in days_of(starts[begins], min(exchanges)).tolist()] if begins else []
    if job.hours.market == "always":
        # Bars around the clock of an Indian exchange are daily ones, or no bars of it at all, which their days tell.
        known = [calendar.covered_from <= day <= calendar.covered_through for day in days]
        if job.currency != "INR" or not all(
            calendar.is_trading_day(day) for day, is_known in zip(days, known, strict=True) if is_known
        ):
            return near
    else:
        known = [True] * len(days)
    return [
        calendar.next_trading_day(day) >= after if is_known else is_near
        for day, after, is_known, is_near in zip(days, days[1:], known, near, strict=False)
    ]
