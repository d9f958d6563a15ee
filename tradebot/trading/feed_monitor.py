"""Monitors missing quotes: of the whole feed, as LinkDown and LinkUp, and of each instrument with a position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tradebot.clock import SECOND
from tradebot.domain.market import Ints
from tradebot.domain.messages import LinkDown, LinkUp

SOURCE = "quotes"
MIN_SILENCE_S = 1.0  # wall seconds; on a fast market clock a shorter silence is only the scheduler's delay


class FeedMonitor:
    """Finds the feed stale after `stale_after_s` market seconds without a quote.

    `speed` is market seconds in one wall second.
    """

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, MIN_SILENCE_S) * SECOND)
        self._quoted_mono = 0
        self.is_stale = False
        self.stale_count = 0

    def silence_ns(self, mono: int) -> int:
        """Return for how many monotonic ns no valid quote has come at `mono`."""
        return mono - self._quoted_mono

    def on_quote(self, mono: int) -> None:
        """Note a valid quote that came at `mono` (monotonic ns)."""
        self._quoted_mono = max(self._quoted_mono, mono)

    def check_staleness(self, mono: int, *, is_open: bool) -> list[LinkDown | LinkUp]:
        """Return a LinkDown or LinkUp if the state changed at `mono` (monotonic ns).

        Outside the session silence is normal and changes nothing.
        """
        silent = self._quoted_mono > 0 and mono - self._quoted_mono > self._limit
        if silent and is_open and not self.is_stale:
            self.is_stale, self.stale_count = True, self.stale_count + 1
            seconds = (mono - self._quoted_mono) / SECOND
            return [LinkDown(source=SOURCE, mono=mono, reason=f"no sound quote of any symbol for {seconds:.1f} s")]
        if self.is_stale and not silent:
            self.is_stale = False
            return [LinkUp(source=SOURCE, mono=mono)]
        return []


class SilentInstrument:
    """One instrument without quotes; times are monotonic ns.

    `since_mono` is the time of its last quote, `asked_mono` of the last request to the venue, `answered_mono` of the
    venue's last answer. `is_told` is True once a lost trade was reported, `is_alarmed` once an instrument without
    answers was.
    """

    __slots__ = ("answered_mono", "asked_mono", "is_alarmed", "is_told", "since_mono")

    def __init__(self, since_mono: int, asked_mono: int) -> None:
        self.since_mono, self.asked_mono, self.answered_mono = since_mono, asked_mono, since_mono
        self.is_told = self.is_alarmed = False


class SilenceReport(NamedTuple):
    """What a check found, as ids.

    `ask`: the venue is to be asked. `unknown`: the venue has not answered for too long. `resumed`: quotes came again.
    """

    ask: list[int]
    unknown: list[int]
    resumed: list[int]


class SilenceMonitor:
    """Monitors each instrument with an open position, while quotes of others come.

    Silence is normal for an instrument that does not trade. So after `stale_after_s` market seconds the venue is asked,
    and again after each further `stale_after_s`. If it has no newer trade, the instrument is only quiet. If the venue
    does not answer either for `UNKNOWN_AFTER_LIMITS` further times `stale_after_s`, the instrument counts as unknown.
    """

    UNKNOWN_AFTER_LIMITS = 3

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, MIN_SILENCE_S) * SECOND)
        self._silent: dict[int, SilentInstrument] = {}  # id -> its silence
        self._met: dict[int, int] = {}  # id -> monotonic ns of its first check, where no quote came yet
        self._checked_mono = 0
        self.stalled_count = 0

    def check_instruments(self, mono: int, held: Iterable[int], last_seen_mono: Ints) -> SilenceReport:
        """Check the instruments `held` at `mono` (monotonic ns), at most once a second.

        `last_seen_mono` (n,) is the monotonic ns of each instrument's newest quote, 0 for never.
        """
        report = SilenceReport([], [], [])
        if mono - self._checked_mono < SECOND:
            return report
        self._checked_mono, ids = mono, set(held)
        for flat in (self._silent.keys() | self._met.keys()) - ids:
            self._silent.pop(flat, None)
            self._met.pop(flat, None)
        for id_ in sorted(ids):
            heard, silence = last_seen_mono.item(id_) or self._met.setdefault(id_, mono), self._silent.get(id_)
            if silence is not None and heard > silence.since_mono:
                del self._silent[id_]
                if silence.is_told or silence.is_alarmed:
                    report.resumed.append(id_)
            elif silence is None:
                if mono - heard > self._limit:
                    self._silent[id_] = SilentInstrument(heard, mono)
                    report.ask.append(id_)
            else:
                self._check_again(id_, silence, mono, report)
        return report

    def _check_again(self, id_: int, silence: SilentInstrument, mono: int, report: SilenceReport) -> None:
        if mono - silence.asked_mono > self._limit:
            silence.asked_mono = mono
            report.ask.append(id_)
        if not silence.is_alarmed and mono - silence.answered_mono > self._limit * (self.UNKNOWN_AFTER_LIMITS + 1):
            silence.is_alarmed = True
            report.unknown.append(id_)

    def on_venue_answer(self, id_: int, mono: int, *, has_news: bool) -> bool:
        """Take an answer of the venue at `mono` (monotonic ns).

        Returns True when it shows for the first time in this silence that the stream lost trades.
        """
        silence = self._silent.get(id_)
        if silence is None:
            return False
        silence.answered_mono, silence.is_alarmed = mono, False
        is_new = has_news and not silence.is_told
        silence.is_told |= has_news
        self.stalled_count += is_new
        return is_new
