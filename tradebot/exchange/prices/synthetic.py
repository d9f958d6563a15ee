"""Invented prices that behave like a trading day, for every symbol at once; the exchange's default source.

Steps are made in blocks of up to a minute, as arrays of shape (steps, symbols), and handed out as slices, so that one
symbol costs little per step and thousands little each. Every random number is a hash of (seed, date, symbol, step):
RELIANCE has the same day whatever else is traded, at any block size, however `advance` is cut.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Floats, Ints, Series
from tradebot.exchange.prices import noise
from tradebot.exchange.prices.depth import book, circuits
from tradebot.exchange.prices.folding import check_interval, midnight, series
from tradebot.exchange.prices.past import Past
from tradebot.exchange.prices.regimes import Regimes
from tradebot.exchange.prices.steps import NEVER, Block, Reel, before_trading
from tradebot.exchange.prices.today import Today
from tradebot.exchange.prices.traits import FULL_DAY_MINUTES, MARKET_DAILY, Traits, swing_shape, volume_shape
from tradebot.exchange.snapshot import Snapshots
from tradebot.markets.calendar import TradingCalendar, day_of
from tradebot.markets.hours import closes_of

Mask = npt.NDArray[np.bool_]

BLOCK_CELLS = 8_192  # steps x symbols: a block stays in the cache and holds the loop for a few milliseconds
CIRCUIT = 0.10
SQUASH = 0.094  # log returns approach this and never reach it: exp(0.094) < 1.1, so no price leaves the circuit limits
JUMPS_PER_DAY, JUMP_SIZE = 1.5, 4.0  # the size in deviations of a minute
QUOTES_PER_TRADE = 3.0  # a book changes more often than it trades
HALTED_DAYS = 0.004  # share of (symbol, day) with a halt, of 3 to 10 minutes
CHANNEL_WALK, CHANNEL_MICRO, CHANNEL_SIZE, CHANNEL_BIDS, CHANNEL_ASKS, CHANNEL_HALT = 21, 22, 23, 24, 25, 26
# One draw decides a step's small things; the bits of it: 0 side, 1-24 trade, 25-40 quote, 41-60 jump, 61 its sign.
TRADE, QUOTE, JUMP, SIGN = np.uint64(1), np.uint64(25), np.uint64(41), np.uint64(61)
ONE, TRADE_MASK, QUOTE_MASK, JUMP_MASK = (np.uint64((1 << width) - 1) for width in (1, 24, 16, 20))


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
        self._step, self._steps, self._per_minute = step, (closes_at - opens_at) // step, MINUTE // step
        self._every_step = every_step
        self._day = day_of(opens_at)
        calendar = calendar or TradingCalendar()
        self.closes: Ints = closes_of(universe, self._day, calendar, latest=closes_at)
        self._ends: Ints = -(-(self.closes - opens_at) // MINUTE)  # the minute in which each stands still
        self._traits = t = Traits(universe, seed=seed)
        self._past = Past(universe, t, calendar)
        n = len(universe)
        self.previous_close: Ints = t.closes_on(calendar.previous_trading_day(self._day))
        self.lower_circuit, self.upper_circuit = circuits(universe, self.previous_close, share=CIRCUIT)
        self._keys = noise.keys(seed, self._day, names=universe.symbols)
        self._market_key = noise.keys(seed, self._day, names=("the market",))
        self._regimes = Regimes(self._keys, t.own_daily, full_day=FULL_DAY_MINUTES)
        self._market_regimes = Regimes(self._market_key, np.array([MARKET_DAILY]), full_day=FULL_DAY_MINUTES)
        self._walk: Floats = t.gaps(slice(None), np.array([self._day.toordinal()], dtype=np.int64))[:, 0]
        self._market: Floats = np.zeros(1)
        self._minutes = -(-self._steps // self._per_minute)
        self._swing, self._volume_shape = swing_shape(self._minutes), volume_shape(self._minutes)
        self._today = Today(n, opens_at=opens_at, minutes=self._minutes)
        self._last: Ints = self.previous_close.copy()  # the carry from block to block: last price, its quantity, ...
        self._last_quantity, self._volume, self._value, self._open, self._high, self._low = np.zeros(
            (6, n), dtype=np.int64
        )
        self._halts = self._draw_halts()
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
            parts = self._past.bars(id_, interval=interval, first=day_of(start), before=self._day)
        parts.append(self._today.bars(id_, interval=interval, seen=self._reel.seen, closes_at=int(self.closes[id_])))
        return series(self.universe[id_].symbol, interval, parts, start=start, end=end)

    def _make(self) -> tuple[Block, int]:
        n, t = len(self.universe), self._traits
        minute, offset = divmod(self._made, self._per_minute)
        if offset == 0:
            self._turn(minute)
        count = max(1, min(BLOCK_CELLS // max(n, 1), self._per_minute - offset, self._steps - self._made))
        steps = np.arange(self._made, self._made + count, dtype=np.uint64)[:, None]
        micro = noise.draw(self._keys, steps, CHANNEL_MICRO)
        # The walk lies between the best bid and ask; half the trades are printed at either.
        bid = self._prices(steps, micro) - (self._spread - 1).clip(min=0) // 2
        traded = ((micro >> TRADE) & TRADE_MASK) < self._trade_odds
        quoted = traded | (((micro >> QUOTE) & QUOTE_MASK) < self._quote_odds)
        if self._made == 0:
            traded[0] = quoted[0] = True
        elif self._is_still.any():
            traded[:, self._is_still] = quoted[:, self._is_still] = False
            if offset == 0:
                quoted[0, self._halts_now] = True  # one last row, with an empty book
        printed = (bid + (micro & ONE).astype(np.int64) * self._spread) * t.tick
        quantity = self._quantities(steps, traded)
        columns, flat = self._fold(printed, quantity, traded, quoted)
        rows, ids = np.divmod(flat, n)
        columns["ids"] = ids
        columns["stamps"] = self.opens_at + (self._made + rows) * self._step
        columns["previous_close"] = self.previous_close[ids]
        best = bid.ravel()[flat] * t.tick[ids]
        counter = steps[:, 0][rows]
        columns |= book(
            bid=best,
            ask=best + self._spread[ids] * t.tick[ids],
            gap=self._level_gap[ids],
            quantity=np.where(self._halted[ids], 0.0, t.level_quantity[ids]),
            lower=self.lower_circuit[ids],
            upper=self.upper_circuit[ids],
            bid_bits=noise.draw(self._keys[ids], counter, CHANNEL_BIDS),
            ask_bits=noise.draw(self._keys[ids], counter, CHANNEL_ASKS),
        )
        begin = self.opens_at + self._made * self._step
        end = begin + count * self._step
        self._made += count
        block = Block(range(begin, end, self._step), np.searchsorted(flat, np.arange(count + 1) * n), columns)
        return block, end if self._made < self._steps else NEVER

    def _turn(self, minute: int) -> None:
        t = self._traits
        swing = self._swing[minute]
        per_step = swing / (FULL_DAY_MINUTES * self._per_minute) ** 0.5
        self._own_swing, self._market_swing = t.own_daily * per_step, MARKET_DAILY * per_step
        self._own_drift = self._regimes.drift(minute, self._walk) / self._per_minute
        self._market_drift = self._market_regimes.drift(minute, self._market) / self._per_minute
        self._jump = JUMP_SIZE * t.own_daily * swing / FULL_DAY_MINUTES**0.5
        self._jump_odds = np.uint64(JUMPS_PER_DAY / (FULL_DAY_MINUTES * self._per_minute) * int(JUMP_MASK))
        busy = self._volume_shape[minute] * self._minutes
        rate = t.trades_per_second * busy * (self._step / SECOND)
        trade, quote = -np.expm1(-rate), -np.expm1(-QUOTES_PER_TRADE * rate)
        if self._every_step:
            trade = np.ones_like(trade)
        self._trade_odds = np.where(t.is_index, 1 << 24, trade * (1 << 24)).astype(np.uint64)
        self._quote_odds = (quote * (1 << 16)).astype(np.uint64)
        self._usual_quantity = t.daily_volume * busy / (FULL_DAY_MINUTES * self._per_minute * trade)
        self._spread: Ints = np.where(t.is_index, 0, np.maximum(np.rint(t.spread_ticks * swing), 1)).astype(np.int64)
        self._level_gap: Ints = np.maximum(self._spread // 3, 1) * t.tick
        begins, ends = self._halts
        self._halted: Mask = (begins <= minute) & (minute < ends)
        over = self._ends <= minute
        self._is_still: Mask = self._halted | over
        self._halts_now: Mask = (begins == minute) & ~over

    def _prices(self, steps: noise.Bits, micro: noise.Bits) -> Ints:
        t = self._traits
        walk = noise.normal(noise.draw(self._keys, steps, CHANNEL_WALK))
        walk *= self._own_swing
        walk += self._own_drift
        jumps = ((micro >> JUMP) & JUMP_MASK) < self._jump_odds
        if jumps.any():
            walk += np.where(jumps, np.where((micro >> SIGN) & ONE, self._jump, -self._jump), 0.0)
        walk[0] += self._walk
        np.cumsum(walk, axis=0, out=walk)
        self._walk = walk[-1].copy()
        market = noise.normal(noise.draw(self._market_key, steps, CHANNEL_WALK))
        market *= self._market_swing
        market += self._market_drift
        market[0] += self._market
        np.cumsum(market, axis=0, out=market)
        self._market = market[-1].copy()
        total = walk + t.beta * market
        total *= 1 / SQUASH
        np.tanh(total, out=total)
        total *= SQUASH
        np.exp(total, out=total)
        total *= self.previous_close / t.tick
        prices: Ints = total.astype(np.int64)  # floor
        return prices

    def _quantities(self, steps: noise.Bits, traded: Mask) -> Ints:
        size = -np.log1p(-noise.uniform(noise.draw(self._keys, steps, CHANNEL_SIZE)))
        size *= self._usual_quantity
        quantity: Ints = size.astype(np.int64) + ~self._traits.is_index
        quantity *= traded
        return quantity

    def _fold(self, printed: Ints, quantity: Ints, traded: Mask, quoted: Mask) -> tuple[dict[str, Ints], Ints]:
        count, n = printed.shape
        flat = np.flatnonzero(quoted)
        since = np.where(traded, np.arange(1, count + 1)[:, None], 0)  # row of the newest trade, 0: the carry
        np.maximum.accumulate(since, axis=0, out=since)
        last = np.take_along_axis(np.concatenate([self._last[None], printed]), since, axis=0)
        sizes = np.take_along_axis(np.concatenate([self._last_quantity[None], quantity]), since, axis=0)
        if self._made == 0:
            self._open, self._high, self._low = last[0].copy(), last[0].copy(), last[0].copy()
        volume = np.cumsum(quantity, axis=0) + self._volume
        value = np.cumsum(quantity * printed, axis=0) + self._value
        high = np.maximum(np.maximum.accumulate(last, axis=0), self._high)
        low = np.minimum(np.minimum.accumulate(last, axis=0), self._low)
        self._today.add(self._made // self._per_minute, printed, traded, quantity)
        self._last, self._last_quantity, self._volume = last[-1].copy(), sizes[-1].copy(), volume[-1].copy()
        self._value, self._high, self._low = value[-1].copy(), high[-1].copy(), low[-1].copy()
        average = (value + volume // 2) // np.maximum(volume, 1)
        columns = {"last": last, "last_quantity": sizes, "average": average, "volume": volume, "high": high, "low": low}
        taken: dict[str, Ints] = {name: column.ravel()[flat] for name, column in columns.items()}
        taken["traded"] = quantity.ravel()[flat]
        taken["open"] = self._open[flat % n]
        return taken, flat

    def _draw_halts(self) -> tuple[Ints, Ints]:
        bits = noise.draw(self._keys, np.zeros(1, dtype=np.uint64), CHANNEL_HALT)
        happens = (noise.field(bits, 0, 16) < HALTED_DAYS) & ~self._traits.is_index & (not self._every_step)
        begins = 1 + (noise.field(bits, 16, 16) * max(self._minutes - 10, 1)).astype(np.int64)
        lengths = 3 + (noise.field(bits, 32, 16) * 8).astype(np.int64)
        begins = np.where(happens, begins, self._minutes + 1)
        return begins, begins + lengths
