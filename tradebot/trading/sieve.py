"""The first thing that happens to a quote: dirt is counted and dropped, the rest is in order and inside the session.

Dirt is what real feeds send: rows stamped 1970, rows older than one already seen, rows that have not happened yet,
exact repeats, rows from after the close, prices of zero. Pure and columnar; the bars stage owns it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tradebot.clock import DAY, SECOND
from tradebot.domain.market import Ints, Quotes
from tradebot.domain.messages import Ending, SessionBegins

NEVER = 2**63 - 1
REASONS = ("epoch", "outside_session", "future", "backward", "duplicate", "insane", "doubted")
BACK = 5 * SECOND  # by which a clock is followed back, and no day begins anew
FEW = 4  # rows up to which one after the other is faster than all at once: what an array operation costs at least


class SessionTimes(NamedTuple):
    """The session in force, market ns: per instrument the first ns it may trade and the first it may not, then when new
    positions end, when open ones are closed, until when all this holds, and whose day ends at other times."""

    opens: Ints
    closes: Ints
    entries_until: int
    square_off_at: int
    valid_until: int
    endings: tuple[Ending, ...] = ()

    @property
    def begins(self) -> SessionBegins:
        """What the desk is told of it."""
        return SessionBegins(
            opens_at=int(self.opens.min()),
            closes_at=int(self.closes.max()),
            entries_until=self.entries_until,
            square_off_at=self.square_off_at,
            endings=self.endings,
        )


class Sessions(Protocol):
    """Tells the session that holds or comes next at a market time."""

    def at(self, market: int) -> SessionTimes: ...


class Sieve:
    """Drops dirt from quotes; `dropped` counts it by reason, `fresh` holds our monotonic time of each newest quote.

    `stamp`, `last` and `volume` are what the newest sound row of each instrument said.

    A row stamped more than `ahead` market ns after the last `roll` is dirt: taken, it would make every true one that
    follows look old. With 0 nobody asks.
    """

    def __init__(self, size: int, sessions: Sessions, *, ahead: int = 0) -> None:
        self.dropped = dict.fromkeys(REASONS, 0)
        self.accepted = 0
        self.fresh: Ints = np.zeros(size, dtype=np.int64)
        self.stamp: Ints = np.zeros(size, dtype=np.int64)
        self.last: Ints = np.zeros(size, dtype=np.int64)
        self.volume: Ints = np.full(size, -1, dtype=np.int64)
        self._sessions, self._ahead = sessions, ahead
        self._latest = NEVER  # the latest stamp that can be true
        self._rolled = 0  # market ns of the last roll
        self.times: SessionTimes | None = None

    def roll(self, market: int) -> bool:
        """Take the session that holds at `market`; returns True when it changed."""
        if self._ahead:
            self._latest = market + self._ahead
        if market < self._rolled - BACK:
            self.times = None  # the clock was set back: what holds now is to be asked again
        self._rolled = market
        if self.times is not None and market < self.times.valid_until:
            return False
        self.times = self._sessions.at(market)
        return True

    def take_back(self, count: int) -> None:
        """Count rows that were sound and are not believed."""
        self.accepted -= count
        self.dropped["doubted"] += count

    def knows(self, quotes: Quotes) -> npt.NDArray[np.bool_]:
        """Return where a row says what the newest sound one said, at the same time or later."""
        ids = quotes.ids
        same = (quotes.last == self.last[ids]) & (quotes.volume == self.volume[ids])
        return np.asarray(same & (quotes.sent_at >= self.stamp[ids]))

    def apply(self, quotes: Quotes) -> Quotes:
        """Return the rows that are sound, order kept."""
        if len(quotes) <= FEW:
            few = self._few(quotes)
            self.accepted += len(few)
            return quotes if len(few) == len(quotes) else quotes.take(np.array(few, dtype=np.int64))
        keeps = [rows[self._sound(quotes, rows)] for rows in rounds(quotes.ids)]
        kept = keeps[0] if len(keeps) == 1 else np.sort(np.concatenate(keeps)) if keeps else quotes.ids[:0]
        self.accepted += len(kept)
        return quotes if len(kept) == len(quotes) else quotes.take(kept)

    def _few(self, quotes: Quotes) -> list[int]:
        times = self.times
        assert times is not None, "roll() comes before apply()"
        kept = []
        columns = (quotes.ids.tolist(), quotes.sent_at.tolist(), quotes.last.tolist(), quotes.volume.tolist())
        for row, (id_, sent, last, volume) in enumerate(zip(*columns, strict=True)):
            before = self.stamp.item(id_)
            is_outside = sent < times.opens.item(id_) or sent >= times.closes.item(id_)
            is_repeat = sent == before and last == self.last.item(id_) and volume == self.volume.item(id_)
            if is_repeat or is_outside or sent < before or sent > self._latest or last <= 0:
                if is_repeat:
                    self.fresh[id_] = quotes.seen_at
                self.dropped[self._reason(sent, before, is_repeat=is_repeat, is_outside=is_outside)] += 1
                continue
            self.stamp[id_], self.last[id_], self.volume[id_] = sent, last, volume
            self.fresh[id_] = quotes.seen_at
            kept.append(row)
        return kept

    def _reason(self, sent: int, before: int, *, is_repeat: bool, is_outside: bool) -> str:
        # Of one row, in the order of `_count`.
        if sent < DAY:
            return "epoch"
        if is_outside:
            return "outside_session"
        if sent > self._latest:
            return "future"
        if sent < before:
            return "backward"
        return "duplicate" if is_repeat else "insane"

    def _sound(self, quotes: Quotes, rows: Ints) -> npt.NDArray[np.bool_]:
        times = self.times
        assert times is not None, "roll() comes before apply()"
        ids, sent, last, volume = quotes.ids[rows], quotes.sent_at[rows], quotes.last[rows], quotes.volume[rows]
        before = self.stamp[ids]
        repeat = (sent == before) & (last == self.last[ids]) & (volume == self.volume[ids])
        bad = (sent < before) | repeat | (last <= 0) | (sent < times.opens[ids]) | (sent >= times.closes[ids])
        bad |= sent > self._latest
        if bad.any():
            self._count(sent, before, repeat, times, ids, bad)
            repeats = ids[repeat]
            self.fresh[repeats] = quotes.seen_at
            good = ~bad
            ids, sent, last, volume = ids[good], sent[good], last[good], volume[good]
        else:
            good = ~bad
        self.stamp[ids], self.last[ids], self.volume[ids] = sent, last, volume
        self.fresh[ids] = quotes.seen_at
        return np.asarray(good)

    def _count(
        self,
        sent: Ints,
        before: Ints,
        repeat: npt.NDArray[np.bool_],
        times: SessionTimes,
        ids: Ints,
        bad: npt.NDArray[np.bool_],
    ) -> None:
        left = bad.copy()
        kinds = (
            ("epoch", sent < DAY),
            ("outside_session", (sent < times.opens[ids]) | (sent >= times.closes[ids])),
            ("future", sent > self._latest),
            ("backward", sent < before),
            ("duplicate", repeat),
        )
        for reason, mask in kinds:
            hit = left & mask
            self.dropped[reason] += int(hit.sum())
            left &= ~hit
        self.dropped["insane"] += int(left.sum())


def rounds(ids: Ints) -> Iterator[Ints]:
    """Yield row numbers such that no round holds an id twice and each id's rows keep their order over the rounds."""
    n = len(ids)
    if n == 0:
        return
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    new = np.empty(n, dtype=bool)
    new[0] = True
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    if new.all():
        yield np.arange(n)
        return
    starts = np.maximum.accumulate(np.where(new, np.arange(n), 0))
    turn = np.empty(n, dtype=np.int64)
    turn[order] = np.arange(n) - starts
    for k in range(int(turn.max()) + 1):
        yield np.flatnonzero(turn == k)
