"""Until when each instrument trades: its line, and the closes of a universe on a day; exchange and desk ask here."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market_data import Ints
from tradebot.markets.calendar import HoursClass, TradingCalendar

NEVER = 1 << 62


def hours_class_of(instrument: Instrument) -> HoursClass:
    """Return whose hours an instrument has.

    One of which nobody said whether it has derivatives is taken for one that has: its positions are closed in time
    either way, and all that is lost is the last quarter of an hour.
    """
    if instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION):
        return HoursClass.CONTRACT
    return HoursClass.SHARE if instrument.has_derivatives is False else HoursClass.UNDERLYING


def closing_times(universe: Universe, day: date, calendar: TradingCalendar, *, latest: int = NEVER) -> Ints:
    """Return the first market ns at which each instrument trades no more on `day`, none after `latest`.

    Raises ValueError for a day off.
    """
    closes: dict[HoursClass, int] = {}
    for line in HoursClass:
        session = calendar.session_on(day, line)
        if session is None:
            raise ValueError(f"{day} is no trading day")
        closes[line] = session.closes_at
    return np.array([min(closes[hours_class_of(instrument)], latest) for instrument in universe], dtype=np.int64)
