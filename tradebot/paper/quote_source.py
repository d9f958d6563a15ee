"""A price source fed by the quotes of a venue's stream, so that the exchange can fill orders on live prices.

What a quote does not say, and in whose favour each simplification errs:
* one level of depth is known instead of five. An order that is larger than the best level waits for the next quote:
  against the trader. What is queued at other prices is unknown, so an order joins a queue only once its price is the
  best: against the trader;
* trades between two quotes count at the last price of the newer one: for the trader, as for every price source;
* where the stream carries no depth, the best bid is one tick below the last price and the best ask one tick above it:
  against the trader. Any quantity trades there: for the trader;
* circuit limits are not streamed, so no price is outside the day's range: for the trader, whom the venue would refuse;
* a quote is used when it arrives here, which is later than it was true at the venue: for the trader, who sees the same
  price as the exchange does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Ints, Quotes
from tradebot.exchange.prices.block_stream import untraded_snapshot
from tradebot.exchange.snapshot import DEPTH_LEVELS, Snapshots
from tradebot.markets.calendar import TradingCalendar
from tradebot.markets.hours import closing_times

MAX_FRAMES = 20_000  # quotes that wait for the exchange; it takes each frame at once unless the clock went back
ANY_QUANTITY = 1_000_000_000  # in quantity units: the size of an invented level
NOT_SEEN = -1
LATE, UNPRICED, NO_ROOM = "paper_late", "paper_unpriced", "paper_no_room"


class QuoteSource:
    """Implements `PriceSource` for one session. `take_quotes` feeds it, `steps_until` hands on.

    `previous_close` (n,) are the last prices of an earlier day in price units, 0 where unknown. Without `has_depth` the
    quotes carry no bid and ask. `dropped_counts` counts the rows that were older than the newest of their instrument,
    the rows without a last price, and the frames that found no room.
    """

    depth_levels = 1

    def __init__(
        self,
        universe: Universe,
        day: date,
        *,
        calendar: TradingCalendar,
        has_depth: bool = True,
        previous_close: Ints | None = None,
    ) -> None:
        session = calendar.session_on(day)
        assert session is not None, f"{day} is no trading day"
        n = len(universe)
        self.universe, self.opens_at = universe, session.opens_at
        self.instrument_closes_at = closing_times(universe, day, calendar)
        self.closes_at = int(self.instrument_closes_at.max()) if n else session.closes_at
        self.lower_circuit = self.upper_circuit = np.zeros(n, dtype=np.int64)
        self.dropped_counts = {LATE: 0, UNPRICED: 0, NO_ROOM: 0}
        # The newest last price of each instrument today, else that of the earlier day.
        self.last_prices = np.zeros(n, dtype=np.int64) if previous_close is None else previous_close.copy()
        self._previous_close = self.last_prices.copy()
        self._ticks: Ints = np.array([i.price_to_units(i.tick_size) for i in universe], dtype=np.int64)
        self._has_depth = has_depth
        self._volume = np.full(n, NOT_SEEN, dtype=np.int64)  # the largest cumulative volume of each instrument
        self._stamps = np.zeros(n, dtype=np.int64)
        self._coming: deque[Snapshots] = deque()
        self._newest_at = 0

    @property
    def is_finished(self) -> bool:
        """Return False: a stream has no last quote."""
        return False

    def opening_snapshot(self) -> Snapshots:
        """Return the previous closes without a last price and without depth: nothing is quoted yet."""
        snapshot = untraded_snapshot(self.universe, self._previous_close, at=self.opens_at)
        return msgspec.structs.replace(snapshot, last=np.zeros(len(snapshot), dtype=np.int64))

    def steps_until(self, until_at: int) -> Iterator[Snapshots]:
        """Yield the quotes taken at or before `until_at` (market ns), each once."""
        while self._coming and self._coming[0].at <= until_at:
            yield self._coming.popleft()

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        """Return no bars: past bars are the venue's."""
        empty = np.zeros(0, dtype=np.int64)
        columns = dict.fromkeys(("starts", "open", "high", "low", "close", "volume"), empty)
        return BarSeries(symbol=self.universe[id_].symbol, interval=interval_ns, **columns)

    def take_quotes(self, quotes: Quotes, at: int) -> None:
        """Take the quotes of one frame, which arrived at `at` (market ns).

        A row that is older than the newest of its instrument is dropped, and a row without a last price. A row from
        before the session only says the previous close.
        """
        self._newest_at = at = max(at, self._newest_at)
        quotes = self._usable_rows(quotes)
        if not len(quotes):
            return
        if len(self._coming) >= MAX_FRAMES:
            self._coming.popleft()
            self.dropped_counts[NO_ROOM] += 1
        if at < self.opens_at:
            is_early = np.ones(len(quotes), dtype=np.bool_)
        else:
            is_early = (quotes.sent_at > 0) & (quotes.sent_at < self.opens_at)
        self._coming.append(self._snapshot(quotes, at, is_early))

    def _usable_rows(self, quotes: Quotes) -> Quotes:
        is_priced = quotes.last > 0
        is_late = (quotes.sent_at > 0) & (quotes.sent_at < self._stamps[quotes.ids])
        self.dropped_counts[UNPRICED] += int(np.count_nonzero(~is_priced))
        self.dropped_counts[LATE] += int(np.count_nonzero(is_late & is_priced))
        usable = is_priced & ~is_late
        if not usable.all():
            quotes = quotes.select_rows(usable)
        # Assignment keeps the last row of an instrument, which is the newest.
        np.maximum.at(self._stamps, quotes.ids, quotes.sent_at)
        return quotes

    def _snapshot(self, quotes: Quotes, at: int, is_early: npt.NDArray[np.bool_]) -> Snapshots:
        ids, zeros = quotes.ids, np.zeros(len(quotes), dtype=np.int64)
        last = np.where(is_early, 0, quotes.last)
        self._previous_close[ids[is_early]] = quotes.last[is_early]
        self.last_prices[ids] = quotes.last
        bid, bid_size, ask, ask_size = self._best_levels(quotes, is_early)
        return Snapshots(
            at=at,
            ids=ids,
            stamps=quotes.sent_at,
            last=last,
            last_quantity=zeros,
            average=zeros,
            volume=quotes.volume,
            buy_quantity=zeros,
            sell_quantity=zeros,
            open=zeros,
            high=zeros,
            low=zeros,
            previous_close=self._previous_close[ids],
            traded=self._traded_volume(quotes, is_early),
            bids=_one_level(bid),
            bid_quantities=_one_level(bid_size),
            bid_orders=_one_level(zeros),
            asks=_one_level(ask),
            ask_quantities=_one_level(ask_size),
            ask_orders=_one_level(zeros),
        )

    def _best_levels(self, quotes: Quotes, is_early: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
        if self._has_depth:
            # A bid at or above the ask is no state of a continuous market: nothing can be taken from it.
            is_crossed = (quotes.bid > 0) & (quotes.ask > 0) & (quotes.bid >= quotes.ask)
            shown = np.where(is_early | is_crossed, 0, 1)
            has_bid, has_ask = shown * (quotes.bid_size > 0), shown * (quotes.ask_size > 0)
            return quotes.bid * has_bid, quotes.bid_size * has_bid, quotes.ask * has_ask, quotes.ask_size * has_ask
        shown = np.where(is_early, 0, 1)
        ticks = self._ticks[quotes.ids]
        bid = np.maximum(quotes.last - ticks, 0) * shown
        size = np.full(len(quotes), ANY_QUANTITY, dtype=np.int64) * shown
        return bid, size * (bid > 0), (quotes.last + ticks) * shown, size

    def _traded_volume(self, quotes: Quotes, is_early: npt.NDArray[np.bool_]) -> Ints:
        # The growth of the day's volume since the row before. The first row of the day says nothing about when its
        # volume traded, and a volume that went back is wrong: both count as no trade.
        traded = np.zeros(len(quotes), dtype=np.int64)
        if len(np.unique(quotes.ids)) == len(quotes):
            now = ~is_early
            ids, volume = quotes.ids[now], quotes.volume[now]
            seen = self._volume[ids]
            traded[now] = np.where(seen == NOT_SEEN, 0, np.maximum(volume - seen, 0))
            self._volume[ids] = np.maximum(seen, volume)
            return traded
        for row in np.flatnonzero(~is_early):
            id_, one = int(quotes.ids[row]), int(quotes.volume[row])
            before = int(self._volume[id_])
            traded[row] = 0 if before == NOT_SEEN else max(one - before, 0)
            self._volume[id_] = max(before, one)
        return traded


def renumber_quotes(quotes: Quotes, *, asked: Universe, known: Universe) -> Quotes:
    """Return quotes with the ids of the universe `known` in place of those of the universe that was `asked` for.

    Rows of instruments that `known` does not have are left out.
    """
    if asked is known:
        return quotes
    numbers = np.array([known.ids_by_symbol.get(i.symbol, NOT_SEEN) for i in asked], dtype=np.int64)
    ids = numbers[quotes.ids]
    is_known = ids != NOT_SEEN
    return msgspec.structs.replace(quotes.select_rows(is_known), ids=ids[is_known])


def _one_level(column: Ints) -> Ints:
    levels = np.zeros((len(column), DEPTH_LEVELS), dtype=np.int64)
    levels[:, 0] = column
    return levels
