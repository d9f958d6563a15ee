"""The times of the session and of its day, symbol by symbol where they differ; market ns."""

from __future__ import annotations

from tradebot.domain.messages import EarlySessionEnd, SessionBegins


class SessionTimes:
    """When entries end, when positions are closed, when a symbol's trading is over."""

    def __init__(self) -> None:
        self.session: SessionBegins | None = None
        self.day_opens_at = 0  # of the session whose day this is
        self.closed_at = 0  # of the newest close that is over
        self.square_off_at = 0  # from when on some position must be closed: the session's own time or an earlier one
        self._entries_until = 0  # from when on no position may be opened in some symbol
        self._endings: dict[str, EarlySessionEnd] = {}  # symbol -> its end of the day, where it is not the session's

    def begin_session(self, session: SessionBegins, now: int) -> bool:
        """Take the times of another session; returns whether another day begins with it."""
        self.end_if_over(now)
        self.session = session
        self._endings = {symbol: ending for ending in session.early_ends for symbol in ending.symbols}
        self.square_off_at = min(end.square_off_at for end in session.session_ends)
        self._entries_until = min(end.entries_until for end in session.session_ends)
        return self.begin_trading_day(session.opens_at)

    def begin_trading_day(self, opens_at: int) -> bool:
        """Take the day of the session that opens at `opens_at`; returns whether it is another one than before."""
        is_another, self.day_opens_at = opens_at != self.day_opens_at, opens_at
        return is_another

    def end_if_over(self, now: int) -> None:
        """Note the end of a session that is over at `now`."""
        if self.session is not None and self.session.closes_at <= now:
            self.closed_at = max(self.closed_at, self.session.closes_at)

    def closes_at(self, symbol: str) -> int:
        """Return when the session of a symbol ends; 0 before the first session."""
        end = self._endings.get(symbol, self.session)
        return 0 if end is None else end.closes_at

    def in_square_off(self, symbol: str, now: int) -> bool:
        """True between the square-off and the close of a symbol."""
        end = self._endings.get(symbol, self.session)
        return end is not None and end.square_off_at <= now < end.closes_at

    def entries_closed(self, symbol: str, now: int) -> str:
        """Return why the time of day lets no position in a symbol be opened, empty when it does."""
        session = self.session
        if session is None or not session.opens_at <= now < session.closes_at:
            return "the session is closed"
        if now < self._entries_until or now < self._endings.get(symbol, session).entries_until:
            return ""
        return "the time for new positions is over"
