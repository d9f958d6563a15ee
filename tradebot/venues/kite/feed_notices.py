"""Reports to the operator what a ticker receives besides quotes and orders: notices, and counts of dropped data."""

from __future__ import annotations

from tradebot.clock import MINUTE, Clock
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import FramesDropped, NoticeReceived, WarningReceived
from tradebot.ops.reminder import Reminder
from tradebot.venues.kite.packets import FrameCounts

WARNING_KINDS = frozenset({"error", "message"})  # a person must read these kinds of notices; the others are routine
MAX_LINES_PER_MINUTE = 20
REPORT_EVERY_S = 5.0
# A healthy feed has none of these.
DROPPED_KINDS = ("unknown_tokens", "odd_lengths", "malformed", "malformed_texts")


class FeedNotices:
    """Reports each notice once, then ever more rarely while it repeats, and what was dropped by the feed's `counts`."""

    def __init__(self, counts: FrameCounts, *, clock: Clock, tell: EventListener) -> None:
        self._counts, self._clock, self._tell = counts, clock, tell
        self._reminder = Reminder()
        self._minute, self._lines, self._unsaid = 0, 0, 0
        self._told = dict.fromkeys(DROPPED_KINDS, 0)
        self._fault = ""

    def report_notice(self, kind: str, text: str) -> None:
        """Report a notice that the broker sent over the stream."""
        now = self._clock.monotonic_ns()
        if now - self._minute >= MINUTE:
            self._minute, self._lines = now, 0
        if self._lines == MAX_LINES_PER_MINUTE:
            self._unsaid += 1
            return
        if not (times := self._reminder.due_count(f"{kind} {text}", now)):
            return
        self._lines += 1
        received = WarningReceived if kind in WARNING_KINDS else NoticeReceived
        self._tell(received(kind=kind, text=text, times=times, unsaid=self._unsaid or None))
        self._unsaid = 0

    def note_malformed(self, fault: str) -> None:
        """Store what is wrong with a text frame, for the next report of dropped data."""
        self._fault = fault

    async def watch_dropped(self) -> None:
        """Report dropped data for ever: at most every few seconds, and ever more rarely while it goes on."""
        while True:
            await self._clock.sleep(REPORT_EVERY_S)
            self.report_dropped()

    def report_dropped(self) -> None:
        """Report what was dropped since the last report, if there is any and a report is due."""
        fresh = {name: getattr(self._counts, name) - self._told[name] for name in DROPPED_KINDS}
        if not any(fresh.values()) or not self._reminder.due_count("dropped", self._clock.monotonic_ns()):
            return
        self._told = {name: getattr(self._counts, name) for name in DROPPED_KINDS}
        found = {name: n for name, n in fresh.items() if n}
        self._tell(FramesDropped(**found, fault=self._fault if fresh["malformed_texts"] else None))
