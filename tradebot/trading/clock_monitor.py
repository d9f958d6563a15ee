"""The clock monitor: compares the host's wall clock with the venue's stamps and reports steps; bars go on."""

from __future__ import annotations

from tradebot.clock import SECOND, Clock, VenueClock
from tradebot.domain.market import Quotes
from tradebot.domain.messages import ClockOffset
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import ClockAgreed, ClockStepped, MarketTimeSet


class ClockMonitor:
    """Gives the venue clock the newest stamps of the venue; does nothing with any other clock.

    `tell` is called for a step of the wall clock and for its end.
    """

    def __init__(self, clock: Clock, tell: EventListener) -> None:
        self._clock = clock if isinstance(clock, VenueClock) else None
        self._tell = tell
        self._newest: Quotes | None = None  # since the last comparison

    def on_quotes(self, quotes: Quotes) -> None:
        """Take quotes as they came. The next comparison uses only the newest."""
        self._newest = quotes

    def compare_clocks(self) -> ClockOffset | None:
        """Compare the clocks; called a few times a second. Returns a message for the desk when the offset changed."""
        clock, newest = self._clock, self._newest
        if clock is None:
            return None
        self._newest = None
        before, ahead = clock.wall_lead_ns, clock.wall_ns() - clock.market_ns()
        if clock.compare_clocks(int(newest.sent_at.max()) if newest is not None and len(newest) else None):
            self._tell(MarketTimeSet(by_s=round(ahead / SECOND, 3)))
        if bool(clock.wall_lead_ns) == bool(before) and abs(clock.wall_lead_ns - before) <= clock.FOLLOW_WITHIN_NS:
            return None
        if clock.wall_lead_ns:
            self._tell(ClockStepped(offset_s=round(clock.wall_lead_ns / SECOND, 3)))
        else:
            self._tell(ClockAgreed())
        return ClockOffset(mono=clock.monotonic_ns(), offset_ns=clock.wall_lead_ns)
