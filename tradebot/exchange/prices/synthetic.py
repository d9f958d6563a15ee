"""Invented prices that behave like a trading day, for every symbol at once; the exchange's default source.

Steps are made in blocks of up to a minute, as arrays of shape (steps, symbols), and handed out as slices, so that one
symbol costs little per step and thousands little each. Every random number is a hash of (seed, date, symbol, step):
RELIANCE has the same day whatever else is traded, at any block size, however `advance` is cut.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Floats, Ints, Series
from tradebot.exchange.prices import noise
from tradebot.exchange.prices.course import QUOTE_BITS, TRADE_BITS, Course, Grid, Mask
from tradebot.exchange.prices.depth import book, circuits
from tradebot.exchange.prices.folding import check_interval, midnight, series
from tradebot.exchange.prices.past import Past
from tradebot.exchange.prices.steps import NEVER, Block, Reel, before_trading
from tradebot.exchange.prices.today import Today
from tradebot.exchange.prices.traits import FULL_DAY_MINUTES, Traits
from tradebot.exchange.prices.walk import Paths
from tradebot.exchange.snapshot import Snapshots
from tradebot.markets.calendar import TradingCalendar, day_of
from tradebot.markets.hours import closes_of
from tradebot.markets.market import market_of_all

BLOCK_CELLS = 8_192  # steps x symbols: a block stays in the cache and holds the loop for a few milliseconds
CIRCUIT = 0.10
JUMPS_PER_DAY, JUMP_SIZE = 1.5, 4.0  # the size in deviations of a minute
CHANNEL_MICRO, CHANNEL_SIZE, CHANNEL_BIDS, CHANNEL_ASKS = 22, 23, 24, 25
# One draw decides a step's small things; the bits of it: 0 side, 1-24 trade, 25-40 quote, 41-60 jump, 61 its sign.
TRADE, QUOTE, JUMP, SIGN = np.uint64(1), np.uint64(25), np.uint64(41), np.uint64(61)
ONE, TRADE_MASK, QUOTE_MASK, JUMP_MASK = (np.uint64((1 << width) - 1) for width in (1, TRADE_BITS, QUOTE_BITS, 20))


class SyntheticPrices:
    """A `PriceSource` of one session; see the module. Steps stand at opens_at, opens_at + step, ... before closes_at.

    An instrument whose day ends before `closes_at` by the calendar has no row after its end: the closing auction of
    shares with derivatives is not played, and their last price is that of continuous trading.

    `step` is in ns and divides a minute; with `every_step` each symbol trades at every step and none is halted, as load
    for a benchmark. Simplifications: the walk does not feel anybody's orders, which errs in favour
    of large ones; depth is drawn anew at each change, so a queue position means little; every symbol trades at the
    first step, as if each had an opening auction. Raises ValueError for a step or session that does not fit.
    """

    def __init__(
        self,
        universe: Universe,
        *,
        seed: int,
        opens_at: int,
        closes_at: int,
        step: int = SECOND,
        every_step: bool = False,
        calendar: TradingCalendar | None = None,
    ) -> None:
        if step <= 0 or MINUTE % step or closes_at <= opens_at or (closes_at - opens_at) % step:
            raise ValueError(f"steps of {step} ns do not fit a session from {opens_at} to {closes_at}")
        self.universe, self.opens_at, self.closes_at = universe, opens_at, closes_at
        market = market_of_all(i.exchange for i in universe)
        calendar, day = calendar or market.calendar, market.day_of(opens_at)
        grid = Grid(step, (closes_at - opens_at) // step)
        self.closes: Ints = closes_of(universe, day, calendar, latest=closes_at)
        ends: Ints = -(-(self.closes - opens_at) // MINUTE)
        self._traits = t = Traits(universe, seed=seed)
        self._past = Past(universe, t, calendar)
        self.previous_close: Ints = t.closes_on(calendar.previous_trading_day(day))
        self.lower_circuit, self.upper_circuit = circuits(universe, self.previous_close, share=CIRCUIT)
        self._keys = noise.keys(seed, day, names=universe.symbols)
        self._course = Course(t, grid, self._keys, ends=ends, every_step=every_step)
        self._paths = Paths(t, self._keys, day, previous_close=self.previous_close, per_minute=grid.per_minute)
        self._today = Today(self.previous_close, opens_at=opens_at, minutes=grid.minutes)
        self._made = 0  # steps made so far
        self._reel = Reel(self._make, first_at=opens_at, opens_at=opens_at)

    @property
    def is_finished(self) -> bool:
        # The last step comes before the close, and orders are taken until then.
        return self._reel.seen >= self.closes_at and self._reel.is_finished

    def opening(self) -> Snapshots:
        """Return yesterday's closes with empty books, stamped one second before the open."""
        return before_trading(self.universe, self.previous_close, at=self.opens_at - SECOND)

    def advance(self, until: int) -> Iterator[Snapshots]:
        """Yield every step up to `until` not yielded before; a step in which nothing changed is left out."""
        return self._reel.advance(until)

    def series(self, id_: int, *, interval: int, start: int, end: int) -> Series:
        """Return complete bars that start in [start, end), at most 1,500 days back; `interval` whole minutes or a day.

        Raises ValueError for another interval.
        """
        check_interval(interval)
        parts = []
        if start < midnight(self.opens_at):
            parts = self._past.bars(id_, interval=interval, first=day_of(start), before=day_of(self.opens_at))
        parts.append(self._today.bars(id_, interval=interval, seen=self._reel.seen, closes_at=int(self.closes[id_])))
        return series(self.universe[id_].symbol, interval, parts, start=start, end=end)

    def _make(self) -> tuple[Block, int]:
        n, t, grid = len(self.universe), self._traits, self._course.grid
        minute, offset = divmod(self._made, grid.per_minute)
        if offset == 0:
            self._course.turn(minute)
            self._paths.turn(minute, self._course.now.swing)
        now = self._course.now
        count = max(1, min(BLOCK_CELLS // max(n, 1), grid.per_minute - offset, grid.steps - self._made))
        steps = np.arange(self._made, self._made + count, dtype=np.uint64)[:, None]
        micro = noise.draw(self._keys, steps, CHANNEL_MICRO)
        # The walk lies between the best bid and ask; half the trades are printed at either.
        bid = self._paths.prices(steps, self._jumps(micro)) - (now.spread - 1).clip(min=0) // 2
        traded = ((micro >> TRADE) & TRADE_MASK) < now.trade_odds
        quoted = traded | (((micro >> QUOTE) & QUOTE_MASK) < now.quote_odds)
        if self._made == 0:
            traded[0] = quoted[0] = True
        elif now.is_still.any():
            traded[:, now.is_still] = quoted[:, now.is_still] = False
            if offset == 0:
                quoted[0, now.halts_now] = True  # one last row, with an empty book
        printed = (bid + (micro & ONE).astype(np.int64) * now.spread) * t.tick
        quantity = self._quantities(steps, traded)
        figures = self._today.add(minute, printed, traded, quantity) | {"traded": quantity}
        flat = np.flatnonzero(quoted)
        rows, ids = np.divmod(flat, n)
        columns: dict[str, Ints] = {name: column.ravel()[flat] for name, column in figures.items()}
        columns["ids"] = ids
        columns["stamps"] = self.opens_at + (self._made + rows) * grid.step
        columns["open"], columns["previous_close"] = self._today.figures.open[ids], self.previous_close[ids]
        best = bid.ravel()[flat] * t.tick[ids]
        counter = steps[:, 0][rows]
        columns |= book(
            bid=best,
            ask=best + now.spread[ids] * t.tick[ids],
            gap=now.level_gap[ids],
            quantity=np.where(now.is_halted[ids], 0.0, t.level_quantity[ids]),
            lower=self.lower_circuit[ids],
            upper=self.upper_circuit[ids],
            bid_bits=noise.draw(self._keys[ids], counter, CHANNEL_BIDS),
            ask_bits=noise.draw(self._keys[ids], counter, CHANNEL_ASKS),
        )
        begin = self.opens_at + self._made * grid.step
        end = begin + count * grid.step
        self._made += count
        block = Block(range(begin, end, grid.step), np.searchsorted(flat, np.arange(count + 1) * n), columns)
        return block, end if self._made < grid.steps else NEVER

    def _jumps(self, micro: noise.Bits) -> Floats | None:
        grid, swing = self._course.grid, self._course.now.swing
        odds = np.uint64(JUMPS_PER_DAY / (FULL_DAY_MINUTES * grid.per_minute) * int(JUMP_MASK))
        jumps = ((micro >> JUMP) & JUMP_MASK) < odds
        if not jumps.any():
            return None
        size = JUMP_SIZE * self._traits.own_daily * swing / FULL_DAY_MINUTES**0.5
        return np.where(jumps, np.where((micro >> SIGN) & ONE, size, -size), 0.0)

    def _quantities(self, steps: noise.Bits, traded: Mask) -> Ints:
        size = -np.log1p(-noise.uniform(noise.draw(self._keys, steps, CHANNEL_SIZE)))
        size *= self._course.now.quantity
        quantity: Ints = size.astype(np.int64) + ~self._traits.is_index
        quantity *= traded
        return quantity
