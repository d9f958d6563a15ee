"""The trading days of a backtest on its timeline: what the desk learns about each day before its first bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tradebot.backtest.job import TradingHours
from tradebot.clock import DAY
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Ints
from tradebot.domain.messages import SessionBegins
from tradebot.markets.market import HOME_MARKET, common_market
from tradebot.trading.calendar_sessions import CalendarSessions

NEVER = 1 << 62


class BacktestDay(NamedTuple):
    """A session that begins before bar `first_k`.

    `square_off_ks` has, for each time of square-off, the first bar whose end calls for flat positions.
    """

    first_k: int
    session: SessionBegins
    square_off_ks: tuple[int, ...]


class SessionTimetable:
    """The days of a timeline, for a run that begins at index `first_k`; the clock has to tick at each of `tick_ks`.

    A run that begins in the middle of a day begins that day's session too.
    """

    def __init__(self, days: Sequence[BacktestDay], first_k: int) -> None:
        begun, to_come = [day for day in days if day.first_k <= first_k], [day for day in days if day.first_k > first_k]
        walked = [(max(day.first_k, first_k), day) for day in (*begun[-1:], *to_come)]
        self.first_k, self.days = first_k, days
        self.sessions = {k: day.session for k, day in walked}  # k -> the session that begins there
        # The same k -> the first close from which on a tick squares off positions that a late order opened.
        self.square_offs = {k: min(day.square_off_ks, default=NEVER) for k, day in walked}
        self.tick_ks = {k for day in days for k in day.square_off_ks if k >= first_k} | set(self.sessions)

    @property
    def days_begun(self) -> int:
        """Return how many of the days have begun at `first_k`."""
        return sum(day.first_k <= self.first_k for day in self.days)


def timeline_days(
    hours: TradingHours, instruments: Sequence[Instrument], starts: Ints, interval_ns: int
) -> list[BacktestDay]:
    """Return the sessions of a timeline of bar starts (market ns), oldest first; each begins with its first bar."""
    if not len(starts):
        return []
    is_nse = hours.market == "nse"
    numbers = (starts + (HOME_MARKET.utc_offset_ns(0) if is_nse else 0)) // DAY
    firsts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    if not is_nse:
        return [BacktestDay(k, _always(int(numbers[k]) * DAY), ()) for k in firsts.tolist()]
    calendar = CalendarSessions(
        calendar=common_market(i.exchange for i in instruments).calendar,
        universe=Universe(instruments),
        entries_until=hours.entries_until,
        square_off_at=hours.square_off_at,
    )
    ends = starts + interval_ns
    found: list[BacktestDay] = []
    for k, until in zip(firsts.tolist(), [*firsts[1:].tolist(), len(starts)], strict=True):
        session = calendar.session_at(int(starts[k])).as_message
        # A square-off counts only if its bar is on this day and ends before the close: after that nothing could trade.
        offs = (
            (end.closes_at, k + int(np.searchsorted(ends[k:until], end.square_off_at))) for end in session.session_ends
        )
        found.append(
            BacktestDay(k, session, tuple(off for closes_at, off in offs if off < until and ends[off] < closes_at))
        )
    return found


def _always(opens_at: int) -> SessionBegins:
    return SessionBegins(opens_at=opens_at, closes_at=NEVER, entries_until=NEVER, square_off_at=NEVER)
