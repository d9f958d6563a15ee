"""The closing times of instruments: their hours class, the closes of a universe on a day, and its closing auctions."""

from __future__ import annotations

from datetime import date

import numpy as np

from tradebot.clock import MINUTE
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import Ints
from tradebot.markets.calendar import HoursClass, TradingCalendar
from tradebot.markets.market import Market

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
    closes = _closes_by_class(day, calendar)
    return np.array([min(closes[hours_class_of(instrument)], latest) for instrument in universe], dtype=np.int64)


def risk_desk_times(universe: Universe, day: date, calendar: TradingCalendar) -> Ints:
    """Return when the broker's risk desk squares off each instrument on `day`: int64 market ns of shape (n,).

    Raises ValueError if `day` is no trading day.
    """
    times = {
        line: closes_at - calendar.risk_desk_minutes(day, line) * MINUTE
        for line, closes_at in _closes_by_class(day, calendar).items()
    }
    return np.array([times[hours_class_of(instrument)] for instrument in universe], dtype=np.int64)


def auction_starts(universe: Universe, day: date, market: Market) -> Ints:
    """Return when the continuous session of each instrument gives way to a closing auction: int64 ns of shape (n,).

    `NEVER` for an instrument without one, in a market whose sessions are not known, and on a day without a session.
    """
    starts = np.full(len(universe), NEVER, dtype=np.int64)
    if not market.has_calendar:
        return starts
    whole, short = (market.calendar.session_on(day, line) for line in (HoursClass.SHARE, HoursClass.UNDERLYING))
    if whole is None or short is None or short.closes_at >= whole.closes_at:
        return starts
    for id_, instrument in enumerate(universe):
        if instrument.is_tradable and hours_class_of(instrument) is HoursClass.UNDERLYING:
            starts[id_] = short.closes_at
    return starts


def _closes_by_class(day: date, calendar: TradingCalendar) -> dict[HoursClass, int]:
    closes: dict[HoursClass, int] = {}
    for line in HoursClass:
        session = calendar.session_on(day, line)
        if session is None:
            raise ValueError(f"{day} is no trading day")
        closes[line] = session.closes_at
    return closes
