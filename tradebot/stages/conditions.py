"""The conditions of the moment that every order is judged under: time, session, halts, stale links, stopping."""

from __future__ import annotations

from tradebot.domain.halts import Halts
from tradebot.domain.messages import SessionBegins


class Conditions:
    """Plain state of the desk; `now` is market ns, `mono` our monotonic ns."""

    def __init__(self) -> None:
        self.now = 0
        self.mono = 0
        self.session: SessionBegins | None = None
        self.down: dict[str, str] = {}  # source -> why its data is stale
        self.halts = Halts()  # until a person resumes
        self.halted_symbols: dict[str, str] = {}  # symbol -> why no entry, while the venue's position differs
        self.stopping = False

    @property
    def halted(self) -> str:
        """Why nothing may be opened anywhere, empty when something may."""
        return self.halts.of_all

    @property
    def has_halts(self) -> bool:
        """True while a halt of anything stands."""
        return bool(self.halted_symbols) or bool(self.halts)

    def halt_of(self, symbol: str, strategy: str = "") -> str:
        """Return why `strategy` may open nothing in `symbol`, empty when it may."""
        return self.halts.of(symbol, strategy) or self.halted_symbols.get(symbol, "")

    def entries_closed(self) -> str:
        """Return why no position may be opened now, empty when it may."""
        if self.stopping:
            return "the daemon is stopping"
        session = self.session
        if session is None or not session.opens_at <= self.now < session.closes_at:
            return "the session is closed"
        return "" if self.now < session.entries_until else "the time for new positions is over"
