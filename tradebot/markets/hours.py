"""The closing times of instruments: their hours class, and the closes of a universe on a day; for exchange and desk."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import Ints
from tradebot.markets.calendar import HoursClass, TradingCalendar

NEVER = 1 << 62


def hours_class_of(instrument: Instrument) -> HoursClass:
    """Return the hours class of an instrument.

    If it is unknown whether the instrument has derivatives, it counts as one that has them. Its positions are then
    closed in time in either case, at the cost of the last quarter of an hour.
    """
    if instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION):
        return HoursClass.CONTRACT
    return HoursClass.SHARE if instrument.has_derivatives is False else HoursClass.UNDERLYING


def closing_times(universe: Universe, day: date, calendar: TradingCalendar, *, latest: int = NEVER) -> Ints:
    """Return the closing time of each instrument on `day`, capped at `latest`: int64 market ns of shape (n,).

    An instrument no longer trades at its closing time. Raises ValueError if `day` is no trading day.
    """
    closes: dict[HoursClass, int] = {}
    for line in HoursClass:
        session = calendar.session_on(day, line)
        if session is None:
            raise ValueError(f"{day} is no trading day")
        closes[line] = session.closes_at
    return np.array([min(closes[hours_class_of(instrument)], latest) for instrument in universe], dtype=np.int64)
