"""Intervals in words: what people, pandas and brokers write, and what is none."""

from __future__ import annotations

import pytest

from tradebot.clock import SECOND
from tradebot.errors import DataError
from tradebot.history.interval import name_of, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m", 60), ("5min", 300), ("minute", 60), ("60minute", 3600), ("1h", 3600), ("2 hours", 7200), ("day", 86_400),
     ("1D", 86_400), ("30s", 30), ("15T", 900)],
)  # fmt: skip
def test_the_usual_words_are_understood(text: str, seconds: int) -> None:
    assert parse(text) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "0m", "5", "5ms", "1 fortnight", "-1m", "1.5h", "month"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="such as 1m or 1d"):
        parse(text)


@pytest.mark.parametrize("name", ["1s", "90s", "1m", "5m", "1h", "1d", "7d"])
def test_a_name_is_read_back(name: str) -> None:
    assert name_of(parse(name)) == name
