"""The sessions of a run: the calendar's hours of each instrument, with the operator's entry and square-off times."""

from __future__ import annotations

from datetime import date, time, timedelta

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.messages import EarlySessionEnd
from tradebot.markets.calendar import HoursClass, Session, TradingCalendar, ist_date, ist_to_ns
from tradebot.markets.hours import hours_class_of
from tradebot.trading.quote_filter import SessionBounds


class CalendarSessions:
    """Looks sessions up in a trading calendar; a `SessionSource`.

    Instruments of different kinds may close at different times. The operator's times apply where they lie inside an
    instrument's session, but its square-off is never later than that in the calendar. A run may pass midnight into a
    day without calendar data: then nothing is opened.
    """

    def __init__(
        self, *, calendar: TradingCalendar, universe: Universe, entries_until: time, square_off_at: time
    ) -> None:
        self._calendar = calendar
        lines = [hours_class_of(instrument) for instrument in universe]
        present = list(dict.fromkeys(lines)) or [HoursClass.SHARE]
        # id -> index of its calendar line
        self._place = np.array([present.index(line) for line in lines], dtype=np.int64)
        self._symbols = {  # line -> its symbols
            line: tuple(i.symbol for i, own in zip(universe, lines, strict=True) if own is line) for line in present
        }
        self._entries_until, self._square_off_at = entries_until, square_off_at

    def session_at(self, market_at: int) -> SessionBounds:
        """Return the session of the day of `market_at` (market ns), or of the next trading day if that day has none."""
        day = ist_date(market_at)
        if not self._calendar.is_trading_day(day):
            day = self._calendar.next_trading_day(day)
        sessions = {line: self._session(day, line) for line in self._symbols}
        endings = {line: self._ending(day, line, session) for line, session in sessions.items()}
        last = max(endings.values(), key=lambda end: (end.closes_at, end.square_off_at))
        opens_at = min(session.opens_at for session in sessions.values())
        return SessionBounds(
            opens_at=np.full(len(self._place), opens_at, dtype=np.int64),
            closes_at=np.array([session.closes_at for session in sessions.values()], dtype=np.int64)[self._place],
            entries_until=last.entries_until,
            square_off_at=last.square_off_at,
            valid_until=ist_to_ns(day + timedelta(days=1), time(0)),
            early_ends=tuple(end for end in endings.values() if _times(end) != _times(last)),
        )

    def _session(self, day: date, line: HoursClass) -> Session:
        session = self._calendar.session_on(day, line)
        assert session is not None, f"{day} is a trading day without a session"
        return session

    def _ending(self, day: date, line: HoursClass, session: Session) -> EarlySessionEnd:
        def inside(at: time) -> int:
            wanted = ist_to_ns(day, at)
            return min(wanted, session.square_off_at) if wanted > session.opens_at else session.square_off_at

        square_off_at = inside(self._square_off_at)
        entries_until = min(inside(self._entries_until), square_off_at)
        return EarlySessionEnd(
            closes_at=session.closes_at,
            entries_until=entries_until if self._calendar.is_covered(day) else session.opens_at,
            square_off_at=square_off_at,
            symbols=self._symbols[line],
        )


def _times(ending: EarlySessionEnd) -> tuple[int, int, int]:
    return ending.closes_at, ending.entries_until, ending.square_off_at
