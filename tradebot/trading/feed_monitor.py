"""Watches over silence: of the whole feed, which becomes LinkDown and LinkUp, and of instruments that are held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tradebot.clock import SECOND
from tradebot.domain.market_data import Ints
from tradebot.domain.messages import LinkDown, LinkUp

SOURCE = "quotes"
MIN_SILENCE_S = 1.0  # wall seconds: on a market clock that runs fast, shorter silences are the scheduler's


class FeedMonitor:
    """Watches that some quote came within `stale_after_s` market seconds (`speed` market seconds a wall second)."""

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, MIN_SILENCE_S) * SECOND)
        self._fed_at = 0
        self.is_stale = False
        self.stale_count = 0

    def on_quote(self, mono: int) -> None:
        """A sound quote came at monotonic `mono`."""
        self._fed_at = max(self._fed_at, mono)

    def check_staleness(self, mono: int, *, is_open: bool) -> list[LinkDown | LinkUp]:
        """Return the change at monotonic `mono`, once each way; outside the session silence is normal."""
        silent = self._fed_at > 0 and mono - self._fed_at > self._limit
        if silent and is_open and not self.is_stale:
            self.is_stale, self.stale_count = True, self.stale_count + 1
            seconds = (mono - self._fed_at) / SECOND
            return [LinkDown(source=SOURCE, mono=mono, reason=f"no sound quote of any symbol for {seconds:.1f} s")]
        if self.is_stale and not silent:
            self.is_stale = False
            return [LinkUp(source=SOURCE, mono=mono)]
        return []


class SilentInstrument:
    """One instrument without quotes: since when, when the venue was asked and answered, what was said of it."""

    __slots__ = ("answered_mono", "asked_mono", "is_alarmed", "is_told", "since_mono")

    def __init__(self, since_mono: int, asked_mono: int) -> None:
        self.since_mono, self.asked_mono, self.answered_mono = since_mono, asked_mono, since_mono
        self.is_told = self.is_alarmed = False


class SilenceReport(NamedTuple):
    """What a look at the silent instruments leads to: ids to be asked for, unknown for too long, heard again."""

    ask: list[int]
    unknown: list[int]
    resumed: list[int]


class SilenceMonitor:
    """Watches one by one the instruments of which something is held, while the quotes of others flow.

    Silence is normal for an instrument that does not trade, so the venue is asked, again after each `stale_after_s`:
    one without news there is quiet. One of which the venue says nothing either is unknown after `UNKNOWN_AFTER_LIMITS` times that.
    """

    UNKNOWN_AFTER_LIMITS = 3

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, MIN_SILENCE_S) * SECOND)
        self._silent: dict[int, SilentInstrument] = {}  # id -> its silence
        self._met: dict[int, int] = {}  # id -> mono from which it is watched, where no quote came yet
        self._looked_at = 0
        self.stalled_count = 0

    def check_instruments(self, mono: int, held: Iterable[int], last_seen_mono: Ints) -> SilenceReport:
        """Look at monotonic `mono`, once a second; `last_seen_mono` is when each instrument's newest quote came, 0 for never."""
        look = SilenceReport([], [], [])
        if mono - self._looked_at < SECOND:
            return look
        self._looked_at, ids = mono, set(held)
        for gone in (self._silent.keys() | self._met.keys()) - ids:
            self._silent.pop(gone, None)
            self._met.pop(gone, None)
        for id_ in sorted(ids):
            heard, silence = last_seen_mono.item(id_) or self._met.setdefault(id_, mono), self._silent.get(id_)
            if silence is not None and heard > silence.since_mono:
                del self._silent[id_]
                if silence.is_told or silence.is_alarmed:
                    look.resumed.append(id_)
            elif silence is None:
                if mono - heard > self._limit:
                    self._silent[id_] = SilentInstrument(heard, mono)
                    look.ask.append(id_)
            else:
                self._check_again(id_, silence, mono, look)
        return look

    def _check_again(self, id_: int, silence: SilentInstrument, mono: int, look: SilenceReport) -> None:
        if mono - silence.asked_mono > self._limit:
            silence.asked_mono = mono
            look.ask.append(id_)
        if not silence.is_alarmed and mono - silence.answered_mono > self._limit * (self.UNKNOWN_AFTER_LIMITS + 1):
            silence.is_alarmed = True
            look.unknown.append(id_)

    def on_venue_answer(self, id_: int, mono: int, *, has_news: bool) -> bool:
        """Take an answer of the venue; returns whether it shows, for the first time, that the stream lost trades."""
        silence = self._silent.get(id_)
        if silence is None:
            return False
        silence.answered_mono, silence.is_alarmed = mono, False
        is_new = has_news and not silence.is_told
        silence.is_told |= has_news
        self.stalled_count += is_new
        return is_new
