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
from tradebot.domain.market_data import Ints, Quotes
from tradebot.domain.messages import EarlySessionEnd, SessionBegins

FAR_FUTURE_AT = 2**63 - 1
DROP_REASONS = ("epoch", "outside_session", "future", "backward", "duplicate", "insane", "doubted")
MAX_CLOCK_BACK_NS = 5 * SECOND  # by which a clock is followed back, and no day begins anew
SCALAR_MAX_ROWS = (
    4  # rows up to which one after the other is faster than all at once: what an array operation costs at least
)


class SessionBounds(NamedTuple):
    """The session in force, market ns: per instrument the first ns it may trade and the first it may not, then when new
    positions end, when open ones are closed, until when all this holds, and whose day ends at other times."""

    opens_at: Ints
    closes_at: Ints
    entries_until: int
    square_off_at: int
    valid_until: int
    early_ends: tuple[EarlySessionEnd, ...] = ()

    @property
    def as_message(self) -> SessionBegins:
        """What the desk is told of it."""
        return SessionBegins(
            opens_at=int(self.opens_at.min()),
            closes_at=int(self.closes_at.max()),
            entries_until=self.entries_until,
            square_off_at=self.square_off_at,
            early_ends=self.early_ends,
        )


class SessionSource(Protocol):
    """Tells the session that holds or comes next at a market time."""

    def session_at(self, market_at: int) -> SessionBounds: ...


class QuoteFilter:
    """Drops dirt from quotes; `dropped_counts` counts it by reason, `last_seen_mono` holds our monotonic time of each newest quote.

    `last_sent_at`, `last_price` and `last_volume` are what the newest sound row of each instrument said.

    A row stamped more than `max_ahead_ns` market ns after the last `roll_session` is dirt: taken, it would make every true one that
    follows look old. With 0 nobody asks.
    """

    def __init__(self, size: int, sessions: SessionSource, *, max_ahead_ns: int = 0) -> None:
        self.dropped_counts = dict.fromkeys(DROP_REASONS, 0)
        self.accepted_count = 0
        self.last_seen_mono: Ints = np.zeros(size, dtype=np.int64)
        self.last_sent_at: Ints = np.zeros(size, dtype=np.int64)
        self.last_price: Ints = np.zeros(size, dtype=np.int64)
        self.last_volume: Ints = np.full(size, -1, dtype=np.int64)
        self._sessions, self._ahead = sessions, max_ahead_ns
        self._latest = FAR_FUTURE_AT  # the latest stamp that can be true
        self._rolled = 0  # market ns of the last roll
        self.session_bounds: SessionBounds | None = None

    def roll_session(self, market_at: int) -> bool:
        """Take the session that holds at `market_at`; returns True when it changed."""
        if self._ahead:
            self._latest = market_at + self._ahead
        if market_at < self._rolled - MAX_CLOCK_BACK_NS:
            self.session_bounds = None  # the clock was set back: what holds now is to be asked again
        self._rolled = market_at
        if self.session_bounds is not None and market_at < self.session_bounds.valid_until:
            return False
        self.session_bounds = self._sessions.session_at(market_at)
        return True

    def revoke_accepted(self, count: int) -> None:
        """Count rows that were sound and are not believed."""
        self.accepted_count -= count
        self.dropped_counts["doubted"] += count

    def repeats_newest(self, quotes: Quotes) -> npt.NDArray[np.bool_]:
        """Return where a row says what the newest sound one said, at the same time or later."""
        ids = quotes.ids
        same = (quotes.last == self.last_price[ids]) & (quotes.volume == self.last_volume[ids])
        return np.asarray(same & (quotes.sent_at >= self.last_sent_at[ids]))

    def filter_quotes(self, quotes: Quotes) -> Quotes:
        """Return the rows that are sound, order kept."""
        if len(quotes) <= SCALAR_MAX_ROWS:
            few = self._few(quotes)
            self.accepted_count += len(few)
            return quotes if len(few) == len(quotes) else quotes.select_rows(np.array(few, dtype=np.int64))
        keeps = [rows[self._sound(quotes, rows)] for rows in split_repeated_ids(quotes.ids)]
        kept = keeps[0] if len(keeps) == 1 else np.sort(np.concatenate(keeps)) if keeps else quotes.ids[:0]
        self.accepted_count += len(kept)
        return quotes if len(kept) == len(quotes) else quotes.select_rows(kept)

    def _few(self, quotes: Quotes) -> list[int]:
        times = self.session_bounds
        assert times is not None, "roll() comes before apply()"
        kept = []
        columns = (quotes.ids.tolist(), quotes.sent_at.tolist(), quotes.last.tolist(), quotes.volume.tolist())
        for row, (id_, sent, last, volume) in enumerate(zip(*columns, strict=True)):
            before = self.last_sent_at.item(id_)
            is_outside = sent < times.opens_at.item(id_) or sent >= times.closes_at.item(id_)
            is_repeat = sent == before and last == self.last_price.item(id_) and volume == self.last_volume.item(id_)
            if is_repeat or is_outside or sent < before or sent > self._latest or last <= 0:
                if is_repeat:
                    self.last_seen_mono[id_] = quotes.seen_at
                self.dropped_counts[self._reason(sent, before, is_repeat=is_repeat, is_outside=is_outside)] += 1
                continue
            self.last_sent_at[id_], self.last_price[id_], self.last_volume[id_] = sent, last, volume
            self.last_seen_mono[id_] = quotes.seen_at
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
        times = self.session_bounds
        assert times is not None, "roll() comes before apply()"
        ids, sent, last, volume = quotes.ids[rows], quotes.sent_at[rows], quotes.last[rows], quotes.volume[rows]
        before = self.last_sent_at[ids]
        repeat = (sent == before) & (last == self.last_price[ids]) & (volume == self.last_volume[ids])
        bad = (sent < before) | repeat | (last <= 0) | (sent < times.opens_at[ids]) | (sent >= times.closes_at[ids])
        bad |= sent > self._latest
        if bad.any():
            self._count(sent, before, repeat, times, ids, bad)
            repeats = ids[repeat]
            self.last_seen_mono[repeats] = quotes.seen_at
            good = ~bad
            ids, sent, last, volume = ids[good], sent[good], last[good], volume[good]
        else:
            good = ~bad
        self.last_sent_at[ids], self.last_price[ids], self.last_volume[ids] = sent, last, volume
        self.last_seen_mono[ids] = quotes.seen_at
        return np.asarray(good)

    def _count(
        self,
        sent: Ints,
        before: Ints,
        repeat: npt.NDArray[np.bool_],
        times: SessionBounds,
        ids: Ints,
        bad: npt.NDArray[np.bool_],
    ) -> None:
        left = bad.copy()
        kinds = (
            ("epoch", sent < DAY),
            ("outside_session", (sent < times.opens_at[ids]) | (sent >= times.closes_at[ids])),
            ("future", sent > self._latest),
            ("backward", sent < before),
            ("duplicate", repeat),
        )
        for reason, mask in kinds:
            hit = left & mask
            self.dropped_counts[reason] += int(hit.sum())
            left &= ~hit
        self.dropped_counts["insane"] += int(left.sum())


def split_repeated_ids(ids: Ints) -> Iterator[Ints]:
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
