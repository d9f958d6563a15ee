"""Judges bars by their starts: times that are ends, bars of another length among them, a last bar still running."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tradebot.clock import DAY, MINUTE, SECOND
from tradebot.domain.market import Ints
from tradebot.errors import DataError
from tradebot.history.exchange_calendar import UTC_ZONE, calendar_of, exchange_days, zone_of
from tradebot.history.interval import MONTH, WEEK, interval_name, shortest_step
from tradebot.history.resample import period_first_days

# Equal longer steps in a row that prove longer bars: next to bars of the interval, and over a whole day.
FEW_STEPS, MANY_STEPS = 3, 5


def starts_from_ends(stamps: Ints, interval: int, exchange: str) -> Ints:
    """Return the starts (ns UTC) of bars that are stamped at their end, or with their last second.

    A daily bar starts at the midnight before. A shorter bar starts a whole number of bars after the session's open, if
    most stamps fit that, else after midnight. A session may end with a shorter bar; it starts on the same grid. Raises
    DataError for intervals longer than a day.
    """
    if interval > DAY:
        raise DataError(f"bars of {interval_name(interval)} are taken by the time they start at, not by --stamps end")
    last = stamps - 1
    days = exchange_days(last, exchange)
    calendar = calendar_of(exchange)
    found = {day: calendar.midnight_at(day) for day in np.unique(days).tolist()}
    midnights = np.array([found[day] for day in days.tolist()], dtype=np.int64)
    if interval == DAY:
        return midnights
    ends = -(-stamps // MINUTE) * MINUTE if interval % MINUTE == 0 and _are_last_seconds(stamps) else stamps
    opens = calendar.session_opens(days)
    by_open = int(((ends - opens) % interval == 0).sum())
    by_midnight = int(((ends - midnights) % interval == 0).sum())
    zero = opens if by_open >= by_midnight else midnights
    begins: Ints = zero + (ends - 1 - zero) // interval * interval
    return begins


def look_like_end_stamps(starts: Ints, interval: int, exchange: str) -> bool:
    """Return whether bars seem stamped at their ends: with their last second, or first one bar after each open."""
    if interval >= DAY or not len(starts):
        return False
    if interval % MINUTE == 0 and _are_last_seconds(starts):
        return True
    if zone_of(exchange) == UTC_ZONE:
        return False  # no session opens there
    days = exchange_days(starts, exchange)
    firsts = np.flatnonzero(np.append(True, np.diff(days) > 0))
    return bool((starts[firsts] - calendar_of(exchange).session_opens(days[firsts]) == interval).all())


def first_of_other_length(starts: Ints, interval: int, exchange: str) -> tuple[int, int] | None:
    """Return (start of the first bar, length), both in ns, of longer bars among bars of `interval`; None for none.

    A day proves longer bars if all its steps are equal and longer than `interval`, or if its first or second part has
    such steps and the other part has steps of `interval`. Minutes without a trade leave steps of many lengths.
    """
    if interval >= DAY or len(starts) <= FEW_STEPS:
        return None
    days = exchange_days(starts, exchange)
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(starts)]
    steps = np.diff(starts)
    if not ((steps > interval) & (np.diff(days) == 0)).any():
        return None
    for begin, end in pairwise(edges):
        found = _other(steps[begin : end - 1], interval)
        if found is not None:
            return int(starts[begin + found]), int(steps[begin + found - (found > 0)])
    return None


def is_complete(start: int, interval: int, exchange: str, now: int) -> bool:
    """Return whether a bar is complete at `now` (ns UTC); a daily or longer bar is when its last session has closed."""
    if interval not in (DAY, WEEK, MONTH):
        return start + interval <= now
    day = period_first_days(exchange_days(np.array([start], dtype=np.int64), exchange), interval)
    after = period_first_days(day + (31 if interval == MONTH else interval // DAY), interval)
    calendar = calendar_of(exchange)
    sessions = (calendar.session_hours(one) for one in range(int(day[0]), int(after[0])))
    closes = [hours.closes_at for hours in sessions if hours is not None]
    return max(closes, default=calendar.midnight_at(int(after[0]))) <= now


def is_last_running(starts: Ints, interval: int, exchange: str, now: int) -> bool:
    """Return whether the last bar was still running when it was read, judged by `now` (ns UTC) or by its start.

    Some programs stamp a running bar with its newest trade. That time is before the end of the bar before, or inside
    the same week or month. `starts` are aligned by `align_to_calendar`.
    """
    if not len(starts):
        return False
    if len(starts) > 1 and 0 <= int(starts[-1] - starts[-2]) < shortest_step(interval):
        return True
    last = int(starts[-1])
    return last <= now and not is_complete(last, interval, exchange, now)


def _other(steps: Ints, interval: int) -> int | None:
    # Returns the index of the first longer bar of a day, None for none. The other steps are all `interval`.
    if len(steps) < FEW_STEPS:
        return None
    edges = np.flatnonzero(np.diff(steps)) + 1  # where the step changes: only no change or one change is proof
    if not len(edges):
        return 0 if steps[0] > interval and len(steps) >= MANY_STEPS else None
    if len(edges) > 1:
        return None
    edge, (first, last) = int(edges[0]), (int(steps[0]), int(steps[-1]))
    if first == interval and last > interval and min(edge, len(steps) - edge) >= FEW_STEPS:
        return edge + 1
    return 0 if last == interval and first > interval and min(edge, len(steps) - edge) >= FEW_STEPS else None


def _are_last_seconds(stamps: Ints) -> bool:
    return bool((stamps // SECOND % 60 == 59).all())
