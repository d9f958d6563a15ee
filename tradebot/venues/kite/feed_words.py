"""What a ticker brings besides quotes and orders, told to the operator: notices, and counts of what was dropped."""

from __future__ import annotations

from tradebot.clock import MINUTE, Clock
from tradebot.ops.events.event import Tell
from tradebot.ops.events.market import FramesDropped, NoticeReceived, WarningReceived
from tradebot.ops.reminder import Reminder
from tradebot.venues.kite.packets import FrameCounts

LOUD = frozenset({"error", "message"})  # notices that a person has to read; the others are the broker's own business
LINES_A_MINUTE = 20
EVERY_S = 5.0
# Of a sound feed none of these ever comes.
ODD = ("unknown_tokens", "odd_lengths", "malformed", "malformed_texts")


class FeedWords:
    """Says each notice once and again while it repeats, and what was dropped; `counts` is the feed's own."""

    def __init__(self, counts: FrameCounts, *, clock: Clock, tell: Tell) -> None:
        self._counts, self._clock, self._tell = counts, clock, tell
        self._reminder = Reminder()
        self._minute, self._lines, self._unsaid = 0, 0, 0
        self._told = dict.fromkeys(ODD, 0)
        self._fault = ""

    def notice(self, kind: str, text: str) -> None:
        """Say what the broker says over the stream."""
        now = self._clock.monotonic()
        if now - self._minute >= MINUTE:
            self._minute, self._lines = now, 0
        if self._lines == LINES_A_MINUTE:
            self._unsaid += 1
            return
        if not (times := self._reminder.times(f"{kind} {text}", now)):
            return
        self._lines += 1
        received = WarningReceived if kind in LOUD else NoticeReceived
        self._tell(received(kind=kind, text=text, times=times, unsaid=self._unsaid or None))
        self._unsaid = 0

    def malformed(self, fault: str) -> None:
        """Keep what is wrong with a text frame, for the next line that tells of the dropped ones."""
        self._fault = fault

    async def run(self) -> None:
        """Say for ever, every few seconds at most and ever more rarely while it lasts, what was dropped since."""
        while True:
            await self._clock.sleep(EVERY_S)
            self.say_dropped()

    def say_dropped(self) -> None:
        """Say what was dropped since it was said last, if anything and if it is time."""
        fresh = {name: getattr(self._counts, name) - self._told[name] for name in ODD}
        if not any(fresh.values()) or not self._reminder.times("dropped", self._clock.monotonic()):
            return
        self._told = {name: getattr(self._counts, name) for name in ODD}
        found = {name: n for name, n in fresh.items() if n}
        self._tell(FramesDropped(**found, fault=self._fault if fresh["malformed_texts"] else None))
