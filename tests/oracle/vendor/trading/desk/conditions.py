"""The conditions of the moment that every order is judged under: time, session, halts, stale links, stopping."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.halts import Halts
from tradebot.domain.messages import ClockApart, DiskAllows, Ending, Frozen, SessionBegins, SpaceLeft

BLIND_AFTER = 60 * SECOND  # of our time without the venue's books: some ten looks that failed
NEVER = 1 << 62


class Conditions:
    """Plain state of the desk; `now` is market ns, `mono` our monotonic ns."""

    def __init__(self) -> None:
        self.now = 0
        self.mono = 0
        self.session: SessionBegins | None = None
        self.square_off_at = 0  # from when on some position must be closed: the session's own time or an earlier one
        self._entries_until = 0  # from when on no position may be opened in some symbol
        self._endings: dict[str, Ending] = {}  # symbol -> its end of the day, where it is not the session's
        self.down: dict[str, str] = {}  # source -> why its data is stale
        self.halts = Halts()  # until a person resumes
        self.unaccounted: dict[str, str] = {}  # symbol -> what the venue's books do not account for; no entry there
        self.blind_from = NEVER  # mono from which the venue's books are too old to open anything; never where none come
        self.frozen: frozenset[str] = frozenset()  # symbols whose quotes only repeat themselves
        self.session_lost = ""  # why the venue does not know our login any more
        self.orders_refused = False  # and an order route itself said so
        self.stopping = False
        self.clock_apart = ""  # why nothing is opened while the host's clock is not the venue's
        self.disk_short = self.disk_full = ""  # why nothing is opened for want of room on disk; why nothing is closed

    @property
    def is_cut_off(self) -> bool:
        """True while a link or the session is lost: what the venue does not show is no evidence."""
        return bool(self.down) or bool(self.session_lost)

    def freeze(self, told: Frozen) -> None:
        """Take the symbols that are frozen now."""
        self.frozen = frozenset(told.symbols)

    def quote_trouble(self, symbol: str) -> str:
        """Return why nothing may be opened on the quotes of a symbol, empty when something may."""
        return f"the quotes of {symbol} only repeat themselves" if symbol in self.frozen else ""

    def looked(self, asked_at: int) -> None:
        """Note that the venue's books of `asked_at` are known."""
        self.blind_from = asked_at + BLIND_AFTER

    @property
    def blind(self) -> str:
        """Why too little is known of the venue's books to open anything, empty when enough is."""
        if self.mono <= self.blind_from:
            return ""
        return f"the venue's books were not read for {(self.mono - self.blind_from + BLIND_AFTER) // SECOND} s"

    @property
    def halted(self) -> str:
        """Why nothing may be opened anywhere, empty when something may."""
        return self.halts.of_all

    @property
    def has_halts(self) -> bool:
        """True while a halt of anything stands."""
        return bool(self.halts)

    def halt_of(self, symbol: str, strategy: str = "") -> str:
        """Return why `strategy` may open nothing in `symbol`, empty when it may."""
        return self.halts.of(symbol, strategy)

    def begin(self, session: SessionBegins) -> None:
        """Take the times of another session."""
        self.session = session
        self._endings = {symbol: ending for ending in session.endings for symbol in ending.symbols}
        self.square_off_at = min(end.square_off_at for end in session.ends)
        self._entries_until = min(end.entries_until for end in session.ends)

    def closes_at(self, symbol: str) -> int:
        """Return when the session of a symbol ends, market ns; 0 before the first session."""
        end = self._endings.get(symbol, self.session)
        return 0 if end is None else end.closes_at

    def take_clock(self, told: ClockApart) -> None:
        """Note how far the host's clock is from the venue's time."""
        seconds = told.offset / SECOND
        ahead = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"
        self.clock_apart = f"the host's clock is {ahead} the venue's time" if told.offset else ""

    def take_space(self, told: SpaceLeft) -> None:
        """Note what the room of the journal's disk allows."""
        self.disk_short = told.reason if told.allows is not DiskAllows.ALL else ""
        self.disk_full = told.reason if told.allows is DiskAllows.CANCELS else ""

    def squares_off(self, symbol: str) -> bool:
        """True between the square-off and the close of a symbol."""
        end = self._endings.get(symbol, self.session)
        return end is not None and end.square_off_at <= self.now < end.closes_at

    def entries_closed(self, symbol: str) -> str:
        """Return why no position in a symbol may be opened now, empty when it may."""
        if self.stopping:
            return "the daemon is stopping"
        if self.clock_apart:
            return self.clock_apart
        session = self.session
        if session is None or not session.opens_at <= self.now < session.closes_at:
            return "the session is closed"
        if self.now < self._entries_until or self.now < self._endings.get(symbol, session).entries_until:
            return ""
        return "the time for new positions is over"
