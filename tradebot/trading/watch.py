"""Watches over silence: of the whole feed, which becomes LinkDown and LinkUp, and of instruments that are held."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tradebot.clock import SECOND
from tradebot.domain.market import Ints
from tradebot.domain.messages import LinkDown, LinkUp

SOURCE = "quotes"
FLOOR_S = 1.0  # wall seconds: on a market clock that runs fast, shorter silences are the scheduler's


class FeedWatch:
    """Watches that some quote came within `stale_after_s` market seconds (`speed` market seconds a wall second)."""

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, FLOOR_S) * SECOND)
        self._fed_at = 0
        self.is_stale = False
        self.spells = 0

    def fed(self, mono: int) -> None:
        """A sound quote came at monotonic `mono`."""
        self._fed_at = max(self._fed_at, mono)

    def step(self, mono: int, *, is_open: bool) -> list[LinkDown | LinkUp]:
        """Return the change at monotonic `mono`, once each way; outside the session silence is normal."""
        silent = self._fed_at > 0 and mono - self._fed_at > self._limit
        if silent and is_open and not self.is_stale:
            self.is_stale, self.spells = True, self.spells + 1
            seconds = (mono - self._fed_at) / SECOND
            return [LinkDown(source=SOURCE, mono=mono, reason=f"no sound quote of any symbol for {seconds:.1f} s")]
        if self.is_stale and not silent:
            self.is_stale = False
            return [LinkUp(source=SOURCE, mono=mono)]
        return []


class Silence:
    """One instrument without quotes: since when, when the venue was asked and answered, what was said of it."""

    __slots__ = ("answered_at", "asked_at", "is_alarmed", "is_told", "since")

    def __init__(self, since: int, asked_at: int) -> None:
        self.since, self.asked_at, self.answered_at = since, asked_at, since
        self.is_told = self.is_alarmed = False


class Look(NamedTuple):
    """What a look at the silent instruments leads to: ids to be asked for, unknown for too long, heard again."""

    ask: list[int]
    unknown: list[int]
    over: list[int]


class Silences:
    """Watches one by one the instruments of which something is held, while the quotes of others flow.

    Silence is normal for an instrument that does not trade, so the venue is asked, again after each `stale_after_s`:
    one without news there is quiet. One of which the venue says nothing either is unknown after `PATIENCE` times that.
    """

    PATIENCE = 3

    def __init__(self, *, stale_after_s: float, speed: float) -> None:
        self._limit = int(max(stale_after_s / speed, FLOOR_S) * SECOND)
        self._silent: dict[int, Silence] = {}  # id -> its silence
        self._met: dict[int, int] = {}  # id -> mono from which it is watched, where no quote came yet
        self._looked_at = 0
        self.spells = 0

    def step(self, mono: int, held: Iterable[int], fresh: Ints) -> Look:
        """Look at monotonic `mono`, once a second; `fresh` is when each instrument's newest quote came, 0 for never."""
        look = Look([], [], [])
        if mono - self._looked_at < SECOND:
            return look
        self._looked_at, ids = mono, set(held)
        for gone in (self._silent.keys() | self._met.keys()) - ids:
            self._silent.pop(gone, None)
            self._met.pop(gone, None)
        for id_ in sorted(ids):
            heard, silence = fresh.item(id_) or self._met.setdefault(id_, mono), self._silent.get(id_)
            if silence is not None and heard > silence.since:
                del self._silent[id_]
                if silence.is_told or silence.is_alarmed:
                    look.over.append(id_)
            elif silence is None:
                if mono - heard > self._limit:
                    self._silent[id_] = Silence(heard, mono)
                    look.ask.append(id_)
            else:
                self._again(id_, silence, mono, look)
        return look

    def _again(self, id_: int, silence: Silence, mono: int, look: Look) -> None:
        if mono - silence.asked_at > self._limit:
            silence.asked_at = mono
            look.ask.append(id_)
        if not silence.is_alarmed and mono - silence.answered_at > self._limit * (self.PATIENCE + 1):
            silence.is_alarmed = True
            look.unknown.append(id_)

    def answered(self, id_: int, mono: int, *, has_news: bool) -> bool:
        """Take an answer of the venue; returns whether it shows, for the first time, that the stream lost trades."""
        silence = self._silent.get(id_)
        if silence is None:
            return False
        silence.answered_at, silence.is_alarmed = mono, False
        is_new = has_news and not silence.is_told
        silence.is_told |= has_news
        self.spells += is_new
        return is_new
