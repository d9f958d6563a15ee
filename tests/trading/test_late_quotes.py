"""Late quotes are told as they come, by symbol, and not more often than a reader of the log can bear."""

from __future__ import annotations

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.trading.late_quotes import WARN_EVERY_NS, LateQuotes

UNIVERSE = Universe(Instrument(symbol=name) for name in ("TCS", "INFY", "SBIN", "ITC", "LT", "HDFC", "ACC"))


def test_nothing_is_told_where_nothing_was_late() -> None:
    assert LateQuotes().take_warning(SECOND, UNIVERSE) is None


def test_the_first_is_told_at_once_by_its_symbol() -> None:
    late = LateQuotes()
    late.count_late(np.array([1]))

    told = late.take_warning(5, UNIVERSE)

    assert told is not None
    assert (told.quotes, told.symbols, told.worst, told.in_all) == (1, 1, {"INFY": 1}, 1)
    assert "bars.grace_s" in told.action


def test_more_are_gathered_until_a_minute_is_over() -> None:
    late = LateQuotes()
    late.count_late(np.array([0]))
    assert late.take_warning(0, UNIVERSE) is not None
    late.count_late(np.array([0, 1, 1]))
    late.count_late(np.array([1, 2, 3, 4, 5, 6]))

    assert late.take_warning(WARN_EVERY_NS - 1, UNIVERSE) is None
    told = late.take_warning(WARN_EVERY_NS, UNIVERSE)

    assert told is not None
    assert (told.quotes, told.symbols, told.in_all) == (9, 7, 10)
    assert next(iter(told.worst.items())) == ("INFY", 3)
    assert len(told.worst) == 5
    assert late.take_warning(3 * WARN_EVERY_NS, UNIVERSE) is None
