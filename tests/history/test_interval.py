"""Intervals in words: what people, pandas and brokers write, and what is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tradebot.clock import SECOND
from tradebot.errors import DataError
from tradebot.history.interval import common_step, interval_name, parse_interval


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m", 60), ("5min", 300), ("minute", 60), ("60minute", 3600), ("1h", 3600), ("2 hours", 7200), ("day", 86_400),
     ("1D", 86_400), ("30s", 30), ("15T", 900), ("1w", 604_800), ("week", 604_800), ("1wk", 604_800),
     ("1mo", 2_419_200), ("month", 2_419_200)],
)  # fmt: skip
def test_the_usual_words_are_understood(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "0m", "5", "5ms", "1 fortnight", "-1m", "1.5h", "1y", "mm"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="such as 1m or 1d"):
        parse_interval(text)


@pytest.mark.parametrize("name", ["1s", "90s", "1m", "5m", "1h", "1d", "2d", "1w", "1mo"])
def test_a_name_is_read_back(name: str) -> None:
    assert interval_name(parse_interval(name)) == name


def test_a_capital_m_is_neither_minutes_nor_months() -> None:
    with pytest.raises(DataError, match="1m is a minute, 1mo a month"):
        parse_interval("1M")


@pytest.mark.parametrize("text", ["2w", "3mo", "4 weeks"])
def test_there_is_one_week_and_one_month(text: str) -> None:
    with pytest.raises(DataError, match="of weeks and months there are 1w and 1mo alone"):
        parse_interval(text)


def steps(*stamps: str, zone: str = "Asia/Kolkata") -> np.ndarray:
    return np.diff(pd.DatetimeIndex(stamps, tz=zone).as_unit("ns").asi8)


@pytest.mark.parametrize(
    ("stamps", "name"),
    [
        (("2024-01-02", "2024-01-04"), "1d"),  # the row between them was dropped
        (("2024-01-05", "2024-01-08"), "1d"),  # over a weekend
        (("2024-01-01", "2024-01-02", "2024-01-05", "2024-01-08", "2024-01-12"), "1d"),
        (("2024-01-01", "2024-01-08", "2024-01-15", "2024-01-29"), "1w"),
        (("2024-01-01", "2024-01-09", "2024-01-15", "2024-01-22"), "1w"),  # the first day of trading of each
        (("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-06-03"), "1mo"),
        (("2024-01-01 09:15", "2024-01-01 09:16", "2024-01-01 09:17", "2024-01-02 09:15"), "1m"),
        (("2024-01-01", "2024-04-01", "2024-07-01"), "91d"),
        (("2024-01-01",), "0s"),
    ],
)
def test_bars_are_as_long_as_the_commonest_step_of_the_calendar(stamps: tuple[str, ...], name: str) -> None:
    assert interval_name(common_step(steps(*stamps))) == name or (name == "0s" and common_step(steps(*stamps)) == 0)


def test_a_day_is_a_day_where_clocks_change() -> None:
    days = steps("2024-03-08", "2024-03-11", "2024-03-12", zone="America/New_York")
    assert interval_name(common_step(days)) == "1d"
