"""The market time of a measurement: an open session, whatever day and hour it is."""

from __future__ import annotations

from tradebot.clock import HOUR, Clock, MarketClock
from tradebot.markets.market import HOME


def newest_opening(clock: Clock) -> int:
    """Return the opening of the newest session day, market ns."""
    calendar = HOME.calendar
    day = HOME.day_of(clock.wall())
    session = calendar.session(day) or calendar.session(calendar.previous_trading_day(day))
    assert session is not None, f"no session on the trading day before {day}"
    return session.opens_at


def clock_in_session(clock: Clock) -> MarketClock:
    """Return a clock whose market time is now an hour after that opening."""
    return MarketClock(origin=newest_opening(clock) + HOUR, anchor=clock.monotonic(), speed=1.0)
