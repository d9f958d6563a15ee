"""Sessions of a run: the calendar's hours per instrument, with the operator's times for entries and square-off."""

from __future__ import annotations

from datetime import time, timedelta

import numpy as np

from tradebot.domain.instrument import InstrumentKind, Universe
from tradebot.markets.calendar import TradingCalendar, day_of, moment
from tradebot.markets.indices import has_derivatives
from tradebot.stages.sieve import SessionTimes


class CalendarSessions:
    """Answers `Sessions.at` from a trading calendar.

    Securities with derivatives may close earlier than others. The operator's times hold where they lie inside the
    session; positions are never left open past the calendar's exit time.
    """

    def __init__(
        self, *, calendar: TradingCalendar, universe: Universe, entries_until: time, square_off_at: time
    ) -> None:
        self._calendar = calendar
        self._with_derivatives = np.array(
            [i.kind is not InstrumentKind.INDEX and has_derivatives(i.symbol) for i in universe], dtype=bool
        )
        self._entries_until, self._square_off_at = entries_until, square_off_at

    def at(self, market: int) -> SessionTimes:
        """Return the session of the day of `market`, or of the next trading day if that day has none."""
        day = day_of(market)
        if not self._calendar.is_trading_day(day):
            day = self._calendar.next_trading_day(day)
        plain = self._calendar.session(day)
        early = self._calendar.session(day, has_derivatives=True)
        assert plain is not None, f"{day} is a trading day without a session"
        assert early is not None, f"{day} is a trading day without a session for derivatives"
        closes = np.where(self._with_derivatives, early.closes_at, plain.closes_at).astype(np.int64)
        exit_by = early.exit_by if self._with_derivatives.any() else plain.exit_by

        def inside(at: time) -> int:
            wanted = moment(day, at)
            return min(wanted, exit_by) if wanted > plain.opens_at else exit_by

        square_off_at = inside(self._square_off_at)
        return SessionTimes(
            opens=np.full(len(closes), plain.opens_at, dtype=np.int64),
            closes=closes,
            entries_until=min(inside(self._entries_until), square_off_at),
            square_off_at=square_off_at,
            valid_until=moment(day + timedelta(days=1), time(0)),
        )
