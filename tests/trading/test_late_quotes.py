"""Late quotes are told as they come, by symbol, and not more often than a reader of the log can bear."""

from __future__ import annotations

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.trading.late_quotes import TELL_EVERY, LateQuotes

UNIVERSE = Universe(Instrument(symbol=name) for name in ("TCS", "INFY", "SBIN", "ITC", "LT", "HDFC", "ACC"))


def test_nothing_is_told_where_nothing_was_late() -> None:
    assert LateQuotes().news(SECOND, UNIVERSE) is None


def test_the_first_is_told_at_once_by_its_symbol() -> None:
    late = LateQuotes()
    late.add(np.array([1]))

    told = late.news(5, UNIVERSE)

    assert told is not None
    assert (told.quotes, told.symbols, told.worst, told.in_all) == (1, 1, {"INFY": 1}, 1)
    assert "bars.grace_s" in told.action


def test_more_are_gathered_until_a_minute_is_over() -> None:
    late = LateQuotes()
    late.add(np.array([0]))
    assert late.news(0, UNIVERSE) is not None
    late.add(np.array([0, 1, 1]))
    late.add(np.array([1, 2, 3, 4, 5, 6]))

    assert late.news(TELL_EVERY - 1, UNIVERSE) is None
    told = late.news(TELL_EVERY, UNIVERSE)

    assert told is not None
    assert (told.quotes, told.symbols, told.in_all) == (9, 7, 10)
    assert next(iter(told.worst.items())) == ("INFY", 3)
    assert len(told.worst) == 5
    assert late.news(3 * TELL_EVERY, UNIVERSE) is None
