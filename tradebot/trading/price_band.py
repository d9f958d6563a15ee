"""Prices far from what was paid in the last minute: not believed until another quote or the venue's own answer agrees.

One wrong tick would fire stops, move the day's loss and the size of the next order, and stand in a bar for ever. So it
goes no further than here: the bars stage asks before anything else sees a quote. Pure, columns over instruments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE
from tradebot.domain.market_data import Ints, Quotes
from tradebot.trading.quote_filter import SCALAR_MAX_ROWS

BAND_DIVISOR = 20  # a price may lie a twentieth, 5%, from the median of the minute
MIN_BAND_TICKS = 4  # and as many ticks always: of a cheap option one of them is more than 5%
SAMPLE_SLOTS = 12  # of the minute, one price each: the first that came in it
MAX_DOUBTS_A_MINUTE = 3  # doubted prices of one instrument within a minute, until somebody should look
NO_UPPER_BOUND = np.iinfo(np.int64).max


class DoubtedPrice(NamedTuple):
    """A price that was not believed: what the minute's median was, and whether it is one too many in a minute."""

    id: int
    price: int
    median: int
    is_too_many: bool


class PriceBand:
    """Lets the rows pass whose last price is within the band of their instrument, and those that another one confirms.

    `tick_sizes` are the tick sizes in price units; `window_ns` is ns of our monotonic time. The first prices of a session count
    at once: there is nothing yet that they could be far from. `doubted_prices` are those since it was emptied.
    """

    def __init__(self, tick_sizes: Sequence[int], *, window_ns: int = MINUTE) -> None:
        size = len(tick_sizes)
        self._least: Ints = np.array(tick_sizes, dtype=np.int64) * MIN_BAND_TICKS
        self._minute, self._slot_ns = window_ns, max(window_ns // SAMPLE_SLOTS, 1)
        self._samples: Ints = np.zeros((size, SAMPLE_SLOTS), dtype=np.int64)
        self._sampled: Ints = np.zeros((size, SAMPLE_SLOTS), dtype=np.int64)  # the slot that each sample is of
        self._slot: Ints = np.zeros(size, dtype=np.int64)  # of the newest sample
        self._low: Ints = np.zeros(size, dtype=np.int64)
        self._high: Ints = np.zeros(size, dtype=np.int64)
        self._is_untraded: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)  # its prices are those of another day
        self._waiting: dict[int, tuple[int, int]] = {}  # id -> the price that waits for another one, seen at
        self._times: dict[int, deque[int]] = {}  # id -> when its last prices were doubted
        self.doubted_prices: list[DoubtedPrice] = []
        self.refused_count = self.confirmed_count = 0
        self.begin_session()

    def begin_session(self) -> None:
        """Begin a session: every instrument's next price counts at once."""
        self._sampled[:] = self._slot[:] = -SAMPLE_SLOTS
        self._low[:], self._high[:] = 0, NO_UPPER_BOUND
        self._is_untraded[:] = False
        self._waiting.clear()

    @property
    def unconfirmed_ids(self) -> tuple[int, ...]:
        """The instruments whose last price waits for another one that agrees."""
        return tuple(self._waiting)

    def filter_quotes(self, quotes: Quotes) -> Quotes:
        """Return the rows whose price is believed, order kept."""
        ids, last, slot = quotes.ids, quotes.last, quotes.seen_at // self._slot_ns
        if len(quotes) <= SCALAR_MAX_ROWS:
            columns = list(zip(ids.tolist(), last.tolist(), quotes.volume.tolist(), strict=True))
            few = [n for n, row in enumerate(columns) if self._judge(*row, quotes.seen_at, slot)]
            if any(self._slot.item(columns[n][0]) != slot for n in few):
                self._sample_first(quotes, np.array(few), slot)
            return quotes if len(few) == len(quotes) else quotes.select_rows(np.array(few, dtype=np.int64))
        keeps = last >= self._low[ids]
        keeps &= last <= self._high[ids]
        slots = self._slot[ids]
        if self._waiting or not keeps.all() or slots.min() < 0:
            slots = self._look_closer(quotes, keeps, slots, slot)
        if (slots != slot).any():
            self._sample_first(quotes, np.flatnonzero(keeps), slot)
        return quotes if keeps.all() else quotes.select_rows(keeps)

    def confirm_prices(self, answer: Quotes) -> Quotes:
        """Take what the venue answered when it was asked; returns the rows that count now, of instruments in doubt.

        A price within the band says nothing new: the answer may be older than the price that waits.
        """
        rows = []
        for row, (id_, price) in enumerate(zip(answer.ids.tolist(), answer.last.tolist(), strict=True)):
            if id_ in self._waiting and price > 0 and not self._low[id_] <= price <= self._high[id_]:
                self._believe(id_, price, answer.seen_at // self._slot_ns)
                rows.append(row)
        return answer.select_rows(np.array(rows, dtype=np.int64))

    def _look_closer(self, quotes: Quotes, keeps: npt.NDArray[np.bool_], slots: Ints, slot: int) -> Ints:
        # One after the other the rows of those instruments whose rows depend on each other.
        ids = quotes.ids
        odd = np.unique(ids[~keeps | (slots < 0)])
        rows = np.flatnonzero(np.isin(ids, np.concatenate([odd, np.array(self.unconfirmed_ids, dtype=np.int64)])))
        columns = (ids[rows].tolist(), quotes.last[rows].tolist(), quotes.volume[rows].tolist())
        for row, id_, last, volume in zip(rows.tolist(), *columns, strict=True):
            keeps[row] = self._judge(id_, last, volume, quotes.seen_at, slot)
        return self._slot[ids]

    def _judge(self, id_: int, price: int, volume: int, seen_at: int, slot: int) -> bool:
        if self._low.item(id_) <= price <= self._high.item(id_):
            if self._waiting:
                self._waiting.pop(id_, None)
            if self._slot.item(id_) < 0:
                self._sample(np.array([id_]), np.array([price]), np.array([volume]), slot)
            return True
        before = self._waiting.get(id_)
        is_first_trade = volume > 0 and bool(self._is_untraded[id_])
        agrees = before is not None and seen_at - before[1] <= self._minute and self._is_near(id_, price, before[0])
        if is_first_trade or agrees:
            self._believe(id_, price, slot)
            return True
        self._doubt(id_, price, seen_at)
        return False

    def _is_near(self, id_: int, price: int, other: int) -> bool:
        return abs(price - other) <= max(other // BAND_DIVISOR, self._least.item(id_))

    def _believe(self, id_: int, price: int, slot: int) -> None:
        # What came before says nothing any more of what is far.
        if self._waiting.pop(id_, None) is not None:
            self.confirmed_count += 1
            if times := self._times.get(id_):
                times.pop()  # it was none to be doubted
        self._sampled[id_] = -SAMPLE_SLOTS
        self._is_untraded[id_] = False
        self._sample(np.array([id_]), np.array([price]), np.array([1]), slot)

    def _doubt(self, id_: int, price: int, seen_at: int) -> None:
        self.refused_count += 1
        self._waiting[id_] = price, seen_at
        times = self._times.setdefault(id_, deque(maxlen=MAX_DOUBTS_A_MINUTE))
        times.append(seen_at)
        is_too_many = len(times) == MAX_DOUBTS_A_MINUTE and seen_at - times[0] < self._minute
        if is_too_many:
            times.clear()
        median = (self._low.item(id_) + self._high.item(id_)) // 2
        self.doubted_prices.append(DoubtedPrice(id_, price, median, is_too_many))

    def _sample_first(self, quotes: Quotes, rows: Ints, slot: int) -> None:
        # Of the rows that were believed the first of each instrument without a sample in this slot: of repeated numbers
        # the one that is written last stays.
        rows = rows[self._slot[quotes.ids[rows]] != slot][::-1]
        self._sample(quotes.ids[rows], quotes.last[rows], quotes.volume[rows], slot)

    def _sample(self, ids: Ints, last: Ints, volume: Ints, slot: int) -> None:
        place = slot % SAMPLE_SLOTS
        is_new = self._slot[ids] < 0
        self._is_untraded[ids] = np.where(is_new, volume == 0, self._is_untraded[ids] & (volume == 0))
        self._samples[ids, place], self._sampled[ids, place], self._slot[ids] = last, slot, slot
        counts = self._sampled[ids] > slot - SAMPLE_SLOTS
        prices = np.where(counts, self._samples[ids], NO_UPPER_BOUND)
        prices.sort(axis=1)
        median = prices[np.arange(len(ids)), (counts.sum(axis=1) - 1) // 2]
        reach = np.maximum(median // BAND_DIVISOR, self._least[ids])
        self._low[ids], self._high[ids] = median - reach, median + reach
