"""The quote filter, the first step for every quote: bad rows are counted and dropped.

The rows that remain are in order and inside the session. Real feeds send bad rows: stamped 1970, older than a row
already seen, stamped in the future, exact repeats, after the close, with a price of zero. The filter works on columns
and does no I/O; the bar builder owns it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tradebot.clock import DAY, SECOND
from tradebot.domain.market import Ints, Quotes
from tradebot.domain.messages import EarlySessionEnd, SessionBegins

FAR_FUTURE_AT = 2**63 - 1
DROP_REASONS = ("epoch", "outside_session", "future", "backward", "duplicate", "insane", "doubted")
MAX_CLOCK_BACK_NS = 5 * SECOND  # a clock set back by more than this makes the session be looked up again
SCALAR_MAX_ROWS = 4  # up to this many rows a loop is faster than array operations, because of their fixed cost


class SessionBounds(NamedTuple):
    """The bounds of the session in force, all in market ns.

    `opens_at` and `closes_at` (n,) hold for each instrument the first ns at which it may trade and the first at which
    it may not. New positions are opened before `entries_until`; open ones are closed from `square_off_at`. All this
    holds until `valid_until`. `early_ends` names the symbols whose day ends at other times.
    """

    opens_at: Ints
    closes_at: Ints
    entries_until: int
    square_off_at: int
    valid_until: int
    early_ends: tuple[EarlySessionEnd, ...] = ()

    @property
    def as_message(self) -> SessionBegins:
        """The session as the message for the desk."""
        return SessionBegins(
            opens_at=int(self.opens_at.min()),
            closes_at=int(self.closes_at.max()),
            entries_until=self.entries_until,
            square_off_at=self.square_off_at,
            early_ends=self.early_ends,
        )


class SessionSource(Protocol):
    """Knows the session at any market time."""

    def session_at(self, market_at: int) -> SessionBounds:
        """Return the session of the day of `market_at` (market ns), or the next one when that day has none."""
        ...


class QuoteFilter:
    """Drops bad rows from quotes; `dropped_counts` counts them by reason.

    `last_seen_mono` (n,) is our monotonic ns of each instrument's newest quote. `last_sent_at`, `last_price` and
    `last_volume` (n,) are the values of its newest valid row.

    A row stamped more than `max_ahead_ns` market ns after the last `roll_session` is bad: if it were accepted, every
    correct row after it would look old. With 0 this is not checked.
    """

    def __init__(self, size: int, sessions: SessionSource, *, max_ahead_ns: int = 0) -> None:
        self.dropped_counts = dict.fromkeys(DROP_REASONS, 0)
        self.accepted_count = 0
        self.last_seen_mono: Ints = np.zeros(size, dtype=np.int64)
        self.last_sent_at: Ints = np.zeros(size, dtype=np.int64)
        self.last_price: Ints = np.zeros(size, dtype=np.int64)
        self.last_volume: Ints = np.full(size, -1, dtype=np.int64)
        self._sessions, self._max_ahead_ns = sessions, max_ahead_ns
        self._latest = FAR_FUTURE_AT  # market ns; a row with a later stamp is bad
        self._rolled = 0  # market ns of the last roll
        self.session_bounds: SessionBounds | None = None

    def roll_session(self, market_at: int) -> bool:
        """Switch to the session in force at `market_at` (market ns). Returns True when it changed."""
        if self._max_ahead_ns:
            self._latest = market_at + self._max_ahead_ns
        if market_at < self._rolled - MAX_CLOCK_BACK_NS:
            self.session_bounds = None  # the clock was set back, so another session may be in force
        self._rolled = market_at
        if self.session_bounds is not None and market_at < self.session_bounds.valid_until:
            return False
        self.session_bounds = self._sessions.session_at(market_at)
        return True

    def revoke_accepted(self, count: int) -> None:
        """Count `count` accepted rows as dropped, because their price is doubted."""
        self.accepted_count -= count
        self.dropped_counts["doubted"] += count

    def repeats_newest(self, quotes: Quotes) -> npt.NDArray[np.bool_]:
        """Return a mask (k,): rows with price and volume of their newest valid row and a stamp not older."""
        ids = quotes.ids
        same = (quotes.last == self.last_price[ids]) & (quotes.volume == self.last_volume[ids])
        return np.asarray(same & (quotes.sent_at >= self.last_sent_at[ids]))

    def filter_quotes(self, quotes: Quotes) -> Quotes:
        """Return the valid rows, order kept."""
        if len(quotes) <= SCALAR_MAX_ROWS:
            few = self._filter_few(quotes)
            self.accepted_count += len(few)
            return quotes if len(few) == len(quotes) else quotes.select_rows(np.array(few, dtype=np.int64))
        keeps = [rows[self._valid_mask(quotes, rows)] for rows in split_repeated_ids(quotes.ids)]
        kept = keeps[0] if len(keeps) == 1 else np.sort(np.concatenate(keeps)) if keeps else quotes.ids[:0]
        self.accepted_count += len(kept)
        return quotes if len(kept) == len(quotes) else quotes.select_rows(kept)

    def _filter_few(self, quotes: Quotes) -> list[int]:
        times = self.session_bounds
        assert times is not None, "roll() comes before apply()"
        valid_rows = []
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
            valid_rows.append(row)
        return valid_rows

    def _reason(self, sent: int, before: int, *, is_repeat: bool, is_outside: bool) -> str:
        # The reason why one row is bad; checked in the same order as `_count` does for arrays.
        if sent < DAY:
            return "epoch"
        if is_outside:
            return "outside_session"
        if sent > self._latest:
            return "future"
        if sent < before:
            return "backward"
        return "duplicate" if is_repeat else "insane"

    def _valid_mask(self, quotes: Quotes, rows: Ints) -> npt.NDArray[np.bool_]:
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
    """Yield arrays of row numbers. No array holds an id twice; each id's rows keep their order over the arrays."""
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
