"""The market time of a measurement: always in an open session, on any day and hour."""

from __future__ import annotations

from tradebot.clock import HOUR, Clock, MarketClock
from tradebot.markets.market import HOME_MARKET


def newest_opening(clock: Clock) -> int:
    """Return the opening of today's session, or of the last one before, in market ns."""
    calendar = HOME_MARKET.calendar
    day = HOME_MARKET.date_of(clock.wall_ns())
    session = calendar.session_on(day) or calendar.session_on(calendar.previous_trading_day(day))
    assert session is not None, f"no session on the trading day before {day}"
    return session.opens_at


def clock_in_session(clock: Clock) -> MarketClock:
    """Return a clock whose market time is now one hour after `newest_opening`."""
    return MarketClock(starts_at=newest_opening(clock) + HOUR, anchor_mono=clock.monotonic_ns(), speed=1.0)
