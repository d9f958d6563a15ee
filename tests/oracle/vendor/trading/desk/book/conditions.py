"""The conditions under which orders are judged: time, session, halts, stale links, stopping."""

from __future__ import annotations

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.halts import Halts
from tradebot.domain.messages import (
    BrokerSession,
    ClockOffset,
    DiskAllowance,
    DiskSpaceState,
    FrozenSymbols,
    LinkDown,
    LinkUp,
    SessionBegins,
)
from tests.oracle.vendor.trading.desk.book.links import Links
from tests.oracle.vendor.trading.desk.book.session_times import SessionTimes
from tests.oracle.vendor.trading.desk.decisions import SetUnprotected

BLIND_AFTER_NS = MINUTE  # monotonic ns without an account snapshot: about ten failed polls
NEVER = 1 << 62  # ns


class Conditions:
    """Plain state of the desk; `now` is market ns, `mono` monotonic ns."""

    def __init__(self) -> None:
        self.now = 0
        self.mono = 0
        self.times = SessionTimes()
        self.links = Links()
        self.halts = Halts()  # the active halts; those of a person last until a resume
        self.unaccounted: dict[str, str] = {}  # symbol -> what no snapshot accounts for; blocks entries there
        self.unprotected: dict[str, str] = {}  # symbol -> why no stop rests at the venue; blocks entries there
        self.blind_from_mono = NEVER  # monotonic ns from which the last snapshot is too old; before the first: `NEVER`
        self.awaits_books = False  # after a recovery, until the first account snapshot: the journal may be behind
        self.frozen: frozenset[str] = frozenset()  # symbols whose quotes only repeat themselves
        self.is_stopping = False
        self.clock_offset_reason = ""  # why the host's clock blocks entries; empty while it agrees with the venue's
        # Why the journal's disk blocks entries, and why it blocks exits too; empty where it does not.
        self.disk_short = self.disk_full = ""

    # ---- what comes in

    def advance_to(self, at: int, mono: int) -> None:
        """Set the market time to `at` (ns), and the monotonic time to `mono` (ns) unless it is later already."""
        self.now = at
        if mono > self.mono:
            self.mono = mono

    def begin_session(self, session: SessionBegins) -> bool:
        """Take the times of another session; return whether another day begins with it."""
        is_another = self.times.begin_session(session, self.now)
        if is_another:
            self.unprotected.clear()
        return is_another

    def lose_link(self, link: LinkDown) -> None:
        """Note that the data of a source has become stale."""
        self.links.lose_link(link)

    def regain_link(self, link: LinkUp) -> None:
        """Note that the data of a source is fresh again."""
        self.links.regain_link(link, self.mono)

    def take_login(self, login: BrokerSession) -> None:
        """Note whether our login at the venue is valid."""
        self.links.take_login(login, self.mono)

    def set_frozen(self, frozen: FrozenSymbols) -> None:
        """Set the symbols whose quotes are frozen now."""
        self.frozen = frozenset(frozen.symbols)

    def note_books_read(self, asked_at: int) -> None:
        """Note that the account snapshot requested at `asked_at` (monotonic ns) is known."""
        self.blind_from_mono, self.awaits_books = asked_at + BLIND_AFTER_NS, False

    def take_clock_offset(self, clock: ClockOffset) -> None:
        """Note how far the host's clock is from the venue's time."""
        seconds = clock.offset_ns / SECOND
        ahead = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"
        self.clock_offset_reason = f"the host's clock is {ahead} the venue's time" if clock.offset_ns else ""

    def take_disk_space(self, space: DiskSpaceState) -> None:
        """Note what the space on the journal's disk allows."""
        self.disk_short = space.reason if space.allows is not DiskAllowance.ALL else ""
        self.disk_full = space.reason if space.allows is DiskAllowance.CANCELS else ""

    def set_unprotected(self, decision: SetUnprotected) -> None:
        """Note why no stop of a symbol rests at the venue, or with an empty reason that one does."""
        self.unprotected.pop(decision.symbol, None)
        if decision.reason:
            self.unprotected[decision.symbol] = decision.reason

    # ---- what is asked

    @property
    def halt_reason(self) -> str:
        """Return why a halt of everything blocks all entries, empty where none does."""
        return self.halts.global_reason

    @property
    def has_halts(self) -> bool:
        """Return whether any halt is active."""
        return bool(self.halts)

    def halt_reason_for(self, symbol: str, strategy: str = "") -> str:
        """Return why a halt blocks entries of `strategy` in `symbol`, empty where none does."""
        return self.halts.reason_for(symbol, strategy)

    @property
    def blind_reason(self) -> str:
        """Return why too little is known about the account at the venue for any entry, empty when enough is known."""
        if self.mono <= self.blind_from_mono:
            return ""
        return f"the venue's books were not read for {(self.mono - self.blind_from_mono + BLIND_AFTER_NS) // SECOND} s"

    def quote_trouble(self, symbol: str) -> str:
        """Return why the quotes of a symbol block entries, empty where they do not."""
        return f"the quotes of {symbol} only repeat themselves" if symbol in self.frozen else ""

    def in_square_off(self, symbol: str) -> bool:
        """Return whether it is between the square-off time and the close of a symbol."""
        return self.times.in_square_off(symbol, self.now)

    def entries_closed(self, symbol: str) -> str:
        """Return why stopping, clock, a missing stop or time of day block entries in a symbol, else empty."""
        if self.is_stopping:
            return "the daemon is stopping"
        reason = self.clock_offset_reason or self.unprotected.get(symbol, "")
        return reason or self.times.entries_closed(symbol, self.now)
