"""The conditions of the moment that every order is judged under: time, session, halts, stale links, stopping."""

from __future__ import annotations

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.halts import Halts
from tradebot.domain.messages import (
    BrokerSession,
    ClockOffset,
    DiskAllowance,
    FrozenSymbols,
    LinkDown,
    LinkUp,
    SessionBegins,
    DiskSpaceState,
)
from tests.oracle.vendor.trading.desk.book.links import Links
from tests.oracle.vendor.trading.desk.book.session_times import SessionTimes

BLIND_AFTER = MINUTE  # of our time without the venue's books: some ten looks that failed
NEVER = 1 << 62


class Conditions:
    """Plain state of the desk; `now` is market ns, `mono` our monotonic ns."""

    def __init__(self) -> None:
        self.now = 0
        self.mono = 0
        self.times = SessionTimes()
        self.links = Links()
        self.halts = Halts()  # until a person resumes
        self.unaccounted: dict[str, str] = {}  # symbol -> what the venue's books do not account for; no entry there
        self.blind_from = NEVER  # mono from which the venue's books are too old to open anything; never where none come
        self.frozen: frozenset[str] = frozenset()  # symbols whose quotes only repeat themselves
        self.stopping = False
        self.clock_apart = ""  # why nothing is opened while the host's clock is not the venue's
        self.disk_short = self.disk_full = ""  # why nothing is opened for want of room on disk; why nothing is closed

    # ---- what comes in

    def move_to(self, at: int, mono: int) -> None:
        """Let it be market ns `at`, and monotonic `mono` unless it was later already."""
        self.now = at
        if mono > self.mono:
            self.mono = mono

    def begin(self, session: SessionBegins) -> bool:
        """Take the times of another session; returns whether another day begins with it."""
        return self.times.begin(session, self.now)

    def lose_link(self, link: LinkDown) -> None:
        """Note that the data of a source is stale."""
        self.links.lose(link)

    def regain_link(self, link: LinkUp) -> None:
        """Note that the data of a source is fresh again."""
        self.links.regain(link, self.mono)

    def take_login(self, told: BrokerSession) -> None:
        """Note whether the venue knows our login."""
        self.links.take_login(told, self.mono)

    def freeze(self, told: FrozenSymbols) -> None:
        """Take the symbols that are frozen now."""
        self.frozen = frozenset(told.symbols)

    def looked(self, asked_at: int) -> None:
        """Note that the venue's books of `asked_at` are known."""
        self.blind_from = asked_at + BLIND_AFTER

    def take_clock(self, told: ClockOffset) -> None:
        """Note how far the host's clock is from the venue's time."""
        seconds = told.offset_ns / SECOND
        ahead = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"
        self.clock_apart = f"the host's clock is {ahead} the venue's time" if told.offset_ns else ""

    def take_space(self, told: DiskSpaceState) -> None:
        """Note what the room of the journal's disk allows."""
        self.disk_short = told.reason if told.allows is not DiskAllowance.ALL else ""
        self.disk_full = told.reason if told.allows is DiskAllowance.CANCELS else ""

    # ---- what is asked

    @property
    def halted(self) -> str:
        """Why nothing may be opened anywhere, empty when something may."""
        return self.halts.global_reason

    @property
    def has_halts(self) -> bool:
        """True while a halt of anything stands."""
        return bool(self.halts)

    def halt_of(self, symbol: str, strategy: str = "") -> str:
        """Return why `strategy` may open nothing in `symbol`, empty when it may."""
        return self.halts.reason_for(symbol, strategy)

    @property
    def blind(self) -> str:
        """Why too little is known of the venue's books to open anything, empty when enough is."""
        if self.mono <= self.blind_from:
            return ""
        return f"the venue's books were not read for {(self.mono - self.blind_from + BLIND_AFTER) // SECOND} s"

    def quote_trouble(self, symbol: str) -> str:
        """Return why nothing may be opened on the quotes of a symbol, empty when something may."""
        return f"the quotes of {symbol} only repeat themselves" if symbol in self.frozen else ""

    def squares_off(self, symbol: str) -> bool:
        """True between the square-off and the close of a symbol."""
        return self.times.squares_off(symbol, self.now)

    def entries_closed(self, symbol: str) -> str:
        """Return why no position in a symbol may be opened now, empty when it may."""
        if self.stopping:
            return "the daemon is stopping"
        return self.clock_apart or self.times.entries_closed(symbol, self.now)
