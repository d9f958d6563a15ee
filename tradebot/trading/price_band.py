"""The price band: doubts a price far from the last minute's, until another quote or the venue itself confirms it.

One wrong price would trigger stops, change the day's loss and the size of the next order, and stay in a bar for ever.
So the bar builder asks the band before anything else sees a quote. It works on columns over instruments, without I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE
from tradebot.domain.market import Ints, Quotes
from tradebot.trading.quote_filter import SCALAR_MAX_ROWS

BAND_DIVISOR = 20  # a price may differ by a twentieth (5%) from the median of the minute
MIN_BAND_TICKS = 4  # a difference of as many ticks is always allowed: one tick of a cheap option is more than 5%
SAMPLE_SLOTS = 12  # parts of the minute; the first price in each is its sample
MAX_DOUBTS_A_MINUTE = 3  # doubted prices of an instrument within a minute at which its symbol is halted
NO_UPPER_BOUND = np.iinfo(np.int64).max


class DoubtedPrice(NamedTuple):
    """A doubted price. `price` and `median` (of the minute) are in price units; `is_too_many` is True at the limit."""

    id: int
    price: int
    median: int
    is_too_many: bool


class PriceBand:
    """Passes rows whose last price is inside the band of their instrument or is confirmed by another row.

    `tick_sizes` are in price units; `window_ns` is the minute in monotonic ns. The first prices of a session pass,
    because there is nothing to compare them with. `doubted_prices` collects doubted prices until the reader empties it.
    """

    def __init__(self, tick_sizes: Sequence[int], *, window_ns: int = MINUTE) -> None:
        size = len(tick_sizes)
        self._min_distance: Ints = np.array(tick_sizes, dtype=np.int64) * MIN_BAND_TICKS
        self._minute, self._slot_ns = window_ns, max(window_ns // SAMPLE_SLOTS, 1)
        self._samples: Ints = np.zeros((size, SAMPLE_SLOTS), dtype=np.int64)
        self._sample_slots: Ints = np.zeros((size, SAMPLE_SLOTS), dtype=np.int64)  # the slot number of each sample
        self._slot: Ints = np.zeros(size, dtype=np.int64)  # the slot number of the newest sample
        self._low: Ints = np.zeros(size, dtype=np.int64)
        self._high: Ints = np.zeros(size, dtype=np.int64)
        # True while all its prices are of another day: nothing was traded yet
        self._is_untraded: npt.NDArray[np.bool_] = np.zeros(size, dtype=bool)
        self._waiting: dict[int, tuple[int, int]] = {}  # id -> (unconfirmed price, monotonic ns at which it came)
        self._times: dict[int, deque[int]] = {}  # id -> monotonic ns of its last doubted prices
        self.doubted_prices: list[DoubtedPrice] = []
        self.refused_count = self.confirmed_count = 0
        self.begin_session()

    def begin_session(self) -> None:
        """Begin a session: the next price of every instrument passes."""
        self._sample_slots[:] = self._slot[:] = -SAMPLE_SLOTS
        self._low[:], self._high[:] = 0, NO_UPPER_BOUND
        self._is_untraded[:] = False
        self._waiting.clear()

    @property
    def unconfirmed_ids(self) -> tuple[int, ...]:
        """The ids of instruments with a doubted price that is not confirmed yet."""
        return tuple(self._waiting)

    def filter_quotes(self, quotes: Quotes) -> Quotes:
        """Return the rows whose price is accepted, order kept."""
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
            slots = self._judge_rows(quotes, keeps, slots, slot)
        if (slots != slot).any():
            self._sample_first(quotes, np.flatnonzero(keeps), slot)
        return quotes if keeps.all() else quotes.select_rows(keeps)

    def confirm_prices(self, answer: Quotes) -> Quotes:
        """Take quotes that the venue returned on request. Returns the rows that confirm a doubted price.

        A price inside the band confirms nothing, because the answer may be older than the doubted price.
        """
        rows = []
        for row, (id_, price) in enumerate(zip(answer.ids.tolist(), answer.last.tolist(), strict=True)):
            if id_ in self._waiting and price > 0 and not self._low[id_] <= price <= self._high[id_]:
                self._accept_price(id_, price, answer.seen_at // self._slot_ns)
                rows.append(row)
        return answer.select_rows(np.array(rows, dtype=np.int64))

    def _judge_rows(self, quotes: Quotes, keeps: npt.NDArray[np.bool_], slots: Ints, slot: int) -> Ints:
        # Judge one by one the rows of instruments that have a doubted price, in this frame or before, or no sample yet:
        # there each row may change how the next one is judged.
        ids = quotes.ids
        doubtful = np.unique(ids[~keeps | (slots < 0)])
        rows = np.flatnonzero(np.isin(ids, np.concatenate([doubtful, np.array(self.unconfirmed_ids, dtype=np.int64)])))
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
        # Two prices close to each other within a minute confirm each other.
        agrees = before is not None and seen_at - before[1] <= self._minute and self._is_near(id_, price, before[0])
        if is_first_trade or agrees:
            self._accept_price(id_, price, slot)
            return True
        self._doubt(id_, price, seen_at)
        return False

    def _is_near(self, id_: int, price: int, other: int) -> bool:
        return abs(price - other) <= max(other // BAND_DIVISOR, self._min_distance.item(id_))

    def _accept_price(self, id_: int, price: int, slot: int) -> None:
        # The price is accepted outside the band, so earlier prices no longer count: the band starts again from it.
        if self._waiting.pop(id_, None) is not None:
            self.confirmed_count += 1
            if times := self._times.get(id_):
                times.pop()  # the doubt was wrong, so it does not count
        self._sample_slots[id_] = -SAMPLE_SLOTS
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
        # Samples the first accepted row of each instrument that has no sample in this slot. The rows are reversed: when
        # an id is repeated, numpy keeps the value written last.
        rows = rows[self._slot[quotes.ids[rows]] != slot][::-1]
        self._sample(quotes.ids[rows], quotes.last[rows], quotes.volume[rows], slot)

    def _sample(self, ids: Ints, last: Ints, volume: Ints, slot: int) -> None:
        place = slot % SAMPLE_SLOTS
        is_new = self._slot[ids] < 0
        self._is_untraded[ids] = np.where(is_new, volume == 0, self._is_untraded[ids] & (volume == 0))
        self._samples[ids, place], self._sample_slots[ids, place], self._slot[ids] = last, slot, slot
        counts = self._sample_slots[ids] > slot - SAMPLE_SLOTS
        prices = np.where(counts, self._samples[ids], NO_UPPER_BOUND)
        prices.sort(axis=1)
        median = prices[np.arange(len(ids)), (counts.sum(axis=1) - 1) // 2]
        reach = np.maximum(median // BAND_DIVISOR, self._min_distance[ids])
        self._low[ids], self._high[ids] = median - reach, median + reach
