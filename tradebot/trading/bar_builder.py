"""The bar builder: turns quotes into bars, held as columns. The clock closes bars, never the next quote.

A bar covers [start, start + interval_ns), counted from the open of the session. It closes `grace_ns` after its end.
All instruments close together, so the analysis gets one `BarBatch` per instant. A quote for a closed bar is late: it is
counted and changes no bar. Without a quote there is no bar: an outage leaves a hole and not a flat line.
"""

from __future__ import annotations

import msgspec
import numpy as np

from tradebot.domain.market import BarBatch, Ints, Quotes, concatenate_quotes
from tradebot.domain.messages import SessionBegins
from tradebot.trading.late_quotes import LateQuotes
from tradebot.trading.price_band import PriceBand
from tradebot.trading.quote_filter import (
    MAX_CLOCK_BACK_NS,
    SCALAR_MAX_ROWS,
    QuoteFilter,
    SessionBounds,
    SessionSource,
    split_repeated_ids,
)

NO_BAR = np.int64(-1)
COLUMNS = ("open", "high", "low", "close", "volume", "ticks")


class BarBuilder:
    """Builds the bars of one interval for every instrument; the only writer of forming bars.

    `interval_ns`, `grace_ns` and `max_ahead_ns` (see `QuoteFilter`) are market ns. `late_quotes` counts quotes that
    came after their bar had closed, by instrument. Without a `price_band` every valid price is accepted.
    """

    def __init__(
        self,
        size: int,
        *,
        interval_ns: int,
        grace_ns: int,
        sessions: SessionSource,
        max_ahead_ns: int = 0,
        price_band: PriceBand | None = None,
    ) -> None:
        self.interval_ns, self.grace_ns = interval_ns, grace_ns
        self.quote_filter, self.price_band = QuoteFilter(size, sessions, max_ahead_ns=max_ahead_ns), price_band
        self.late_quotes = LateQuotes()
        self.closed_count = 0
        self._start: Ints = np.full(size, NO_BAR)  # id -> start of its forming bar, NO_BAR without one
        self._columns: dict[str, Ints] = {name: np.zeros(size, dtype=np.int64) for name in COLUMNS}
        self._peak: Ints = np.full(size, NO_BAR)  # id -> highest cumulative volume of the day
        self._finished: dict[int, list[tuple[Ints, ...]]] = {}  # start -> finished bars that wait for their close
        self._closed_until = self._rolled = 0  # market ns up to which bars have closed, and of the last roll
        # Market ns of the first roll, -1 before it. A bar that began earlier is not built: its start was not seen.
        self._joined = -1
        self._quoted_at = 0

    def roll_session(self, market_at: int) -> SessionBegins | None:
        """Switch to the session in force at `market_at` (market ns). Returns the session when it changed, else None."""
        was_set_back = market_at < self._rolled - MAX_CLOCK_BACK_NS
        self._rolled = market_at
        if was_set_back:  # bars that the wrong time closed stay closed; from here on new bars are built
            self._closed_until, self._joined = 0, market_at
        if not self.quote_filter.roll_session(market_at):
            return None
        if self._joined < 0:
            self._joined = market_at
        self._peak[:] = NO_BAR
        if self.price_band is not None:
            self.price_band.begin_session()
        return self._times.as_message

    @property
    def builds_since(self) -> int:
        """Return the instant (market ns) from which on bars are built, -1 before the first session is known."""
        return self._joined

    def is_open(self, market_at: int) -> bool:
        """True when any instrument is inside its session at `market_at` (market ns)."""
        return bool(self._times.opens_at.min() <= market_at < self._times.closes_at.max())

    def next_close_at(self, market_at: int) -> int:
        """Return the first instant (market ns) after `market_at` at which the clock may close a bar."""
        opened = int(self._times.opens_at.min())
        passed = max((market_at - self.grace_ns - opened) // self.interval_ns, 0)
        return opened + (passed + 1) * self.interval_ns + self.grace_ns

    def add_quotes(self, quotes: Quotes) -> Quotes:
        """Add quotes to the forming bars. Returns the valid ones, for the stages that follow."""
        valid = self.quote_filter.filter_quotes(quotes)
        if self.price_band is not None:
            count = len(valid)
            valid = self.price_band.filter_quotes(valid)
            if len(valid) < count:
                self.quote_filter.revoke_accepted(count - len(valid))
        self._take_all(valid)
        return valid

    def add_venue_answer(self, quotes: Quotes) -> Quotes:
        """Add quotes that the venue returned on request. Returns the valid ones, for the stages that follow.

        A price that confirms a doubted price of the stream counts as the newest. Rows that repeat the stream's newest
        quote are returned too, because the answer shows that it still holds.
        """
        if self.price_band is None:
            return self.add_quotes(quotes)
        times, stamp = self._times, self.quote_filter.last_sent_at
        inside = (quotes.last > 0) & (quotes.sent_at < times.closes_at[quotes.ids])
        inside &= quotes.sent_at >= times.opens_at[quotes.ids]
        quotes = quotes.select_rows(inside)
        confirmed = self.price_band.confirm_prices(quotes)
        confirmed = msgspec.structs.replace(confirmed, sent_at=np.maximum(confirmed.sent_at, stamp[confirmed.ids]))
        self._take_all(confirmed)
        # A row that is older than the stream's newest one is left out here. Otherwise the filter would count it as a
        # bad row of the stream.
        others = quotes.select_rows(~np.isin(quotes.ids, confirmed.ids) & (quotes.sent_at >= stamp[quotes.ids]))
        repeated, seen_before = self.quote_filter.repeats_newest(others), self.quote_filter.last_seen_mono[quotes.ids]
        valid = concatenate_quotes(
            confirmed, self.add_quotes(others.select_rows(~repeated)), others.select_rows(repeated)
        )
        # Put back the times of the stream's newest quotes: an answer is no sign that the stream is alive.
        self.quote_filter.last_seen_mono[quotes.ids] = seen_before
        return valid

    def _take_all(self, valid: Quotes) -> None:
        if len(valid) <= SCALAR_MAX_ROWS:
            self._take_few(valid)
        else:
            for rows in split_repeated_ids(valid.ids):
                self._take(valid, rows)
        if len(valid):
            self._quoted_at = valid.seen_at

    def _take(self, quotes: Quotes, rows: Ints) -> None:
        # Add rows with distinct ids to the forming bars.
        times = self._times
        ids, last, volume = quotes.ids[rows], quotes.last[rows], quotes.volume[rows]
        opens = times.opens_at[ids]
        start = opens + (quotes.sent_at[rows] - opens) // self.interval_ns * self.interval_ns
        traded = np.where(self._peak[ids] < 0, 0, np.maximum(volume - self._peak[ids], 0))
        self._peak[ids] = np.maximum(self._peak[ids], volume)
        whole = start >= self._joined
        on_time = start + self.interval_ns > self._closed_until
        is_late = whole & ~on_time
        if is_late.any():
            self.late_quotes.count_late(ids[is_late])
        on_time &= whole
        if not on_time.all():
            ids, last, start, traded = ids[on_time], last[on_time], start[on_time], traded[on_time]
        begins = start > self._start[ids]
        c = self._columns
        if begins.any():
            fresh = ids[begins]
            self._finish(fresh[self._start[fresh] >= 0])
            price = last[begins]
            self._start[fresh] = start[begins]
            c["open"][fresh] = c["high"][fresh] = c["low"][fresh] = price
            c["volume"][fresh] = c["ticks"][fresh] = 0
        c["high"][ids] = np.maximum(c["high"][ids], last)
        c["low"][ids] = np.minimum(c["low"][ids], last)
        c["close"][ids] = last
        c["volume"][ids] += traded
        c["ticks"][ids] += 1

    def _take_few(self, quotes: Quotes) -> None:
        # The same as `_take`, row by row: for a few rows faster than arrays.
        opens, interval, c = self._times.opens_at, self.interval_ns, self._columns
        columns = (quotes.ids.tolist(), quotes.sent_at.tolist(), quotes.last.tolist(), quotes.volume.tolist())
        for id_, sent, last, volume in zip(*columns, strict=True):
            opened, peak = opens.item(id_), self._peak.item(id_)
            start = opened + (sent - opened) // interval * interval
            self._peak[id_] = max(peak, volume)
            if start < self._joined:
                continue
            if start + interval <= self._closed_until:
                self.late_quotes.count_late(np.array([id_]))
                continue
            if start > (forming := self._start.item(id_)):
                if forming >= 0:
                    self._finish(np.array([id_]))
                self._start[id_] = start
                c["open"][id_] = c["high"][id_] = c["low"][id_] = last
                c["volume"][id_] = c["ticks"][id_] = 0
            elif last > c["high"].item(id_):
                c["high"][id_] = last
            elif last < c["low"].item(id_):
                c["low"][id_] = last
            c["close"][id_] = last
            c["volume"][id_] += 0 if peak < 0 else max(volume - peak, 0)
            c["ticks"][id_] += 1

    def _finish(self, ids: Ints) -> None:
        if len(ids) == 0:
            return
        starts = self._start[ids]
        for start in np.unique(starts):
            done = ids[starts == start]
            self._finished.setdefault(int(start), []).append((done, *(self._columns[n][done] for n in COLUMNS)))

    def close_due_bars(self, market_at: int, *, mono: int) -> list[BarBatch]:
        """Return every `BarBatch` due at `market_at` (market ns), oldest first. `mono` is our monotonic time in ns."""
        until = market_at - self.grace_ns
        due = self._start >= 0
        due &= (self._start + self.interval_ns <= until) | (self._times.closes_at <= until)
        if due.any():
            self._finish(np.flatnonzero(due))
            self._start[due] = NO_BAR
        last_close = int(self._times.closes_at.max())
        # A bar that the end of the session cuts short is due at that end.
        ready = sorted(s for s in self._finished if min(s + self.interval_ns, last_close) <= until)
        opened = int(self._times.opens_at.min())
        if until > opened:
            self._closed_until = max(
                self._closed_until, opened + (until - opened) // self.interval_ns * self.interval_ns
            )
        return [self._emit(start, mono) for start in ready]

    def _emit(self, start: int, mono: int) -> BarBatch:
        parts = self._finished.pop(start)
        columns = [np.concatenate(group) for group in zip(*parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        ids, *values = (column[order] for column in columns)
        self.closed_count += len(ids)
        return BarBatch(
            interval=self.interval_ns,
            ends_at=start + self.interval_ns,
            seen_at=mono,
            quoted_at=self._quoted_at,
            ids=ids,
            **dict(zip(COLUMNS, values, strict=True)),
        )

    @property
    def _times(self) -> SessionBounds:
        times = self.quote_filter.session_bounds
        assert times is not None, "roll() comes before quotes and closes"
        return times
