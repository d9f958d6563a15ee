"""The times of the session and its day, per symbol where they differ, in market ns."""

from __future__ import annotations

from tradebot.domain.messages import EarlySessionEnd, SessionBegins


class SessionTimes:
    """When entries end, when positions are closed, and when trading in a symbol ends."""

    def __init__(self) -> None:
        self.session: SessionBegins | None = None
        self.day_opens_at = 0  # opening of the session whose day this is
        self.closed_at = 0  # when the last session that is over closed
        self.square_off_at = 0  # earliest square-off time of any symbol
        self._entries_until = 0  # earliest end of entries of any symbol
        # symbol -> its own end of the session, where that is earlier than for the others
        self._endings: dict[str, EarlySessionEnd] = {}

    def begin_session(self, session: SessionBegins, now: int) -> bool:
        """Take the times of another session; return whether another day begins with it.

        `now` is market ns.
        """
        self.end_if_over(now)
        self.session = session
        self._endings = {symbol: ending for ending in session.early_ends for symbol in ending.symbols}
        self.square_off_at = min(end.square_off_at for end in session.session_ends)
        self._entries_until = min(end.entries_until for end in session.session_ends)
        return self.begin_trading_day(session.opens_at)

    def begin_trading_day(self, opens_at: int) -> bool:
        """Take the day whose session opens at `opens_at` (market ns); return whether it differs from the day before."""
        is_another, self.day_opens_at = opens_at != self.day_opens_at, opens_at
        return is_another

    def end_if_over(self, now: int) -> None:
        """Note the close of the session if it is over at `now` (market ns)."""
        if self.session is not None and self.session.closes_at <= now:
            self.closed_at = max(self.closed_at, self.session.closes_at)

    def closes_at(self, symbol: str) -> int:
        """Return the market ns at which the session of a symbol ends, 0 before the first session."""
        end = self._endings.get(symbol, self.session)
        return 0 if end is None else end.closes_at

    def in_square_off(self, symbol: str, now: int) -> bool:
        """Return whether `now` (market ns) is between the square-off time and the close of a symbol."""
        end = self._endings.get(symbol, self.session)
        return end is not None and end.square_off_at <= now < end.closes_at

    def entries_closed(self, symbol: str, now: int) -> str:
        """Return why the time of day blocks entries in a symbol at `now` (market ns), empty where it does not."""
        session = self.session
        if session is None or not session.is_open(now):
            return "the session is closed"
        # The first test decides for all symbols at once, on most of the day.
        if now < self._entries_until or now < self._endings.get(symbol, session).entries_until:
            return ""
        return "the time for new positions is over"
