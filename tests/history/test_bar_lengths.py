"""When a bar is over, and that a last one which was still running is known by the clock or by its own stamp."""

from __future__ import annotations

import pandas as pd
import pytest

from tradebot.clock import DAY
from tradebot.history.bar_lengths import is_complete, is_last_running
from tradebot.history.interval import MONTH, WEEK
from tradebot.history.resample import align_to_calendar

MINUTE, NEVER = 60_000_000_000, 1 << 62


def ns(*stamps: str) -> pd.Index:
    return pd.DatetimeIndex(stamps, tz="Asia/Kolkata").as_unit("ns").asi8


@pytest.mark.parametrize(
    ("interval", "start", "last", "over"),
    [
        (MINUTE, "2025-06-02 09:15", "2025-06-02 09:15:59", "2025-06-02 09:16"),
        (DAY, "2025-06-02", "2025-06-02 15:29", "2025-06-02 15:30"),
        (WEEK, "2025-06-02", "2025-06-06 15:29", "2025-06-06 15:30"),
        (MONTH, "2025-01-01", "2025-01-31 15:29", "2025-01-31 15:30"),  # that is more than 28 days
        (MONTH, "2025-12-01", "2025-12-31 15:29", "2025-12-31 15:30"),
    ],
)
def test_a_bar_is_over_with_its_last_session(interval: int, start: str, last: str, over: str) -> None:
    (start_at,) = ns(start).tolist()
    assert not is_complete(start_at, interval, "NSE", int(ns(last)[0]))
    assert is_complete(start_at, interval, "NSE", int(ns(over)[0]))


@pytest.mark.parametrize(
    ("interval", "stamps", "running"),
    [
        (MINUTE, ("2025-06-02 09:15", "2025-06-02 09:16"), False),
        (MINUTE, ("2025-06-02 09:15", "2025-06-02 09:16", "2025-06-02 09:16:30"), True),
        (WEEK, ("2025-06-02", "2025-06-09", "2025-06-11"), True),
        (WEEK, ("2025-06-03", "2025-06-09"), False),  # a holiday on the first Monday
        (MONTH, ("2025-02-04", "2025-03-03"), False),
        (MONTH, ("2025-02-03", "2025-03-03", "2025-03-12"), True),
    ],
)
def test_a_last_bar_inside_the_one_before_was_running(interval: int, stamps: tuple[str, ...], running: bool) -> None:
    starts = align_to_calendar(ns(*stamps), interval, "NSE")
    assert is_last_running(starts, interval, "NSE", NEVER) is running


def test_the_bar_of_now_is_running_and_one_of_the_future_is_not_ours_to_judge() -> None:
    days, (noon,) = ns("2025-06-02", "2025-06-03"), ns("2025-06-03 12:00").tolist()
    assert is_last_running(days, DAY, "NSE", noon)
    assert not is_last_running(days, DAY, "NSE", noon - DAY)
