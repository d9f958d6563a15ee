"""Synthetic prices that behave like a trading day, for every symbol at once; the exchange's default source.

Steps are made in blocks of up to a minute, as arrays of shape (steps, symbols), and handed out as slices. One symbol
then costs little per step, and thousands cost little each. Every random number is a hash of (seed, date, symbol, step):
RELIANCE has the same day with any other symbols, at any block size, and however calls of `steps_until` are split.
"""

from __future__ import annotations

import numpy as np

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarSeries, Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.exchange.prices.bar_aggregation import check_interval, local_midnight, select_series
from tradebot.exchange.prices.block_stream import NEVER_AT, BlockStream, StepBlock, StreamedPrices, untraded_snapshot
from tradebot.exchange.prices.day_activity import QUOTE_BITS, TRADE_BITS, DayActivity, Mask, StepGrid
from tradebot.exchange.prices.depth import circuit_limits, invented_depth
from tradebot.exchange.prices.earlier_sessions import EarlierSessions, KnownPast, StreamedSession
from tradebot.exchange.prices.intraday_bars import IntradayBars
from tradebot.exchange.prices.past_bars import PastBars
from tradebot.exchange.prices.random_walk import PricePaths
from tradebot.exchange.prices.symbol_params import FULL_DAY_MINUTES, SymbolParams
from tradebot.exchange.snapshot import Snapshots
from tradebot.markets.calendar import TradingCalendar, ist_date
from tradebot.markets.hours import closing_times
from tradebot.markets.market import common_market

BLOCK_CELLS = 8_192  # steps x symbols: a block stays in the cache and holds the event loop for a few milliseconds
CIRCUIT_SHARE = 0.10
JUMPS_PER_DAY, JUMP_SIZE = 1.5, 4.0  # the size is in deviations of a minute
CHANNEL_MICRO, CHANNEL_SIZE, CHANNEL_BIDS, CHANNEL_ASKS = 22, 23, 24, 25
# One draw decides the details of a step. Its bits: 0 side, 1-24 trade, 25-40 quote, 41-60 jump, 61 the jump's sign.
TRADE, QUOTE, JUMP, SIGN = np.uint64(1), np.uint64(25), np.uint64(41), np.uint64(61)
ONE, TRADE_MASK, QUOTE_MASK, JUMP_MASK = (np.uint64((1 << width) - 1) for width in (1, TRADE_BITS, QUOTE_BITS, 20))


class SyntheticPrices(StreamedPrices):
    """A `PriceSource` of one session; see the module. Steps are at opens_at, opens_at + step_ns, ... before closes_at.

    An instrument whose day ends before `closes_at` by the calendar has no row after its end. The closing auction of
    shares with derivatives is not simulated, and their last price is that of continuous trading.

    `step_ns` divides a minute. With `every_step` each symbol trades at every step and none is halted, as load for a
    benchmark. `earlier` are the sessions that the same exchange streamed before: this one goes on from their closes,
    and its past contains their bars. Without them the past is invented, and a session ends at another price than the
    one that is its close on the next day. Raises ValueError for a step or session that does not fit. Simplifications:
    * the walk does not react to orders, which errs in favour of large ones;
    * depth is drawn again at each change, so a queue position means little;
    * every symbol trades at the first step, as if each had an opening auction.
    """

    def __init__(
        self,
        universe: Universe,
        *,
        seed: int,
        opens_at: int,
        closes_at: int,
        step_ns: int = SECOND,
        every_step: bool = False,
        calendar: TradingCalendar | None = None,
        earlier: EarlierSessions | None = None,
    ) -> None:
        if step_ns <= 0 or MINUTE % step_ns or closes_at <= opens_at or (closes_at - opens_at) % step_ns:
            raise ValueError(f"steps of {step_ns} ns do not fit a session from {opens_at} to {closes_at}")
        self.universe, self.opens_at, self.closes_at = universe, opens_at, closes_at
        market = common_market(i.exchange for i in universe)
        calendar, day = calendar or market.calendar, market.date_of(opens_at)
        grid = StepGrid(step_ns, (closes_at - opens_at) // step_ns)
        self.instrument_closes_at: Ints = closing_times(universe, day, calendar, latest=closes_at)
        ends: Ints = -(-(self.instrument_closes_at - opens_at) // MINUTE)
        self._params = t = SymbolParams(universe, seed=seed)
        self._past = KnownPast(PastBars(universe, t, calendar), earlier or EarlierSessions())
        yesterday = calendar.previous_trading_day(day)
        streamed = self._past.streamed.closes_on_day(yesterday)
        self.previous_close: Ints = t.closes_on_day(yesterday) if streamed is None else streamed
        self.lower_circuit, self.upper_circuit = circuit_limits(universe, self.previous_close, share=CIRCUIT_SHARE)
        self._keys = hash_rng.hash_keys(seed, day, names=universe.symbols)
        self._activity = DayActivity(t, grid, self._keys, end_minutes=ends, every_step=every_step)
        self._paths = PricePaths(
            t, self._keys, day, previous_close=self.previous_close, per_minute=grid.steps_per_minute
        )
        self._today = IntradayBars(self.previous_close, opens_at=opens_at, minutes=grid.minute_count)
        self._made = 0  # steps made so far
        self._stream = BlockStream(self._make, first_at=opens_at, opens_at=opens_at)

    @property
    def is_finished(self) -> bool:
        # The last step comes before the close, and orders are accepted until the close.
        return self._stream.emitted_until_at >= self.closes_at and self._stream.is_finished

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        """Return complete bars that start in [start_at, end_at), at most 1,500 days back.

        `interval_ns` is whole minutes or a day. Raises ValueError for another interval.
        """
        check_interval(interval_ns)
        parts = []
        if start_at < local_midnight(self.opens_at):
            first, before = ist_date(start_at), ist_date(self.opens_at)
            parts = self._past.bars_between(id_, interval_ns=interval_ns, first=first, before=before)
        parts.append(
            self._today.bars_until(
                id_,
                interval_ns=interval_ns,
                until_at=self._stream.emitted_until_at,
                closes_at=int(self.instrument_closes_at[id_]),
            )
        )
        return select_series(self.universe[id_].symbol, interval_ns, parts, start_at=start_at, end_at=end_at)

    def opening_snapshot(self) -> Snapshots:
        """Return the previous closes with empty books, stamped by the close before if that is known."""
        at = self._past.streamed.closed_at or self.opens_at - SECOND
        return untraded_snapshot(self.universe, self.previous_close, at=at)

    def finish_session(self) -> StreamedSession:
        """Make every step that is left and return the session as it ends."""
        for _ in self.steps_until(self.closes_at):
            pass
        return StreamedSession(self._today, self.instrument_closes_at)

    def _make(self) -> tuple[StepBlock, int]:
        n, t, grid = len(self.universe), self._params, self._activity.grid
        minute, offset = divmod(self._made, grid.steps_per_minute)
        if offset == 0:
            self._activity.start_minute(minute)
            self._paths.start_minute(minute, self._activity.current.volatility)
        now = self._activity.current
        count = max(1, min(BLOCK_CELLS // max(n, 1), grid.steps_per_minute - offset, grid.step_count - self._made))
        steps = np.arange(self._made, self._made + count, dtype=np.uint64)[:, None]
        micro = hash_rng.random_bits(self._keys, steps, CHANNEL_MICRO)
        # The walk lies between the best bid and ask; half of the trades are printed at each.
        bid = self._paths.next_prices(steps, self._jumps(micro)) - (now.spread - 1).clip(min=0) // 2
        traded = ((micro >> TRADE) & TRADE_MASK) < now.trade_odds
        quoted = traded | (((micro >> QUOTE) & QUOTE_MASK) < now.quote_odds)
        if self._made == 0:
            traded[0] = quoted[0] = True
        elif now.is_inactive.any():
            traded[:, now.is_inactive] = quoted[:, now.is_inactive] = False
            if offset == 0:
                quoted[0, now.halt_begins] = True  # one last row, with an empty book
        printed = (bid + (micro & ONE).astype(np.int64) * now.spread) * t.tick
        quantity = self._quantities(steps, traded)
        figures = self._today.add_steps(minute, printed, traded, quantity) | {"traded": quantity}
        flat = np.flatnonzero(quoted)
        rows, ids = np.divmod(flat, n)
        columns: dict[str, Ints] = {name: column.ravel()[flat] for name, column in figures.items()}
        columns["ids"] = ids
        columns["stamps"] = self.opens_at + (self._made + rows) * grid.step_ns
        columns["open"], columns["previous_close"] = self._today.figures.open[ids], self.previous_close[ids]
        best = bid.ravel()[flat] * t.tick[ids]
        counter = steps[:, 0][rows]
        columns |= invented_depth(
            bid=best,
            ask=best + now.spread[ids] * t.tick[ids],
            gap=now.level_gap[ids],
            quantity=np.where(now.is_halted[ids], 0.0, t.level_quantity[ids]),
            lower=self.lower_circuit[ids],
            upper=self.upper_circuit[ids],
            bid_bits=hash_rng.random_bits(self._keys[ids], counter, CHANNEL_BIDS),
            ask_bits=hash_rng.random_bits(self._keys[ids], counter, CHANNEL_ASKS),
        )
        begin = self.opens_at + self._made * grid.step_ns
        end = begin + count * grid.step_ns
        self._made += count
        block = StepBlock(range(begin, end, grid.step_ns), np.searchsorted(flat, np.arange(count + 1) * n), columns)
        return block, end if self._made < grid.step_count else NEVER_AT

    def _jumps(self, micro: hash_rng.Bits) -> Floats | None:
        grid, swing = self._activity.grid, self._activity.current.volatility
        odds = np.uint64(JUMPS_PER_DAY / (FULL_DAY_MINUTES * grid.steps_per_minute) * int(JUMP_MASK))
        jumps = ((micro >> JUMP) & JUMP_MASK) < odds
        if not jumps.any():
            return None
        size = JUMP_SIZE * self._params.own_daily_deviation * swing / FULL_DAY_MINUTES**0.5
        return np.where(jumps, np.where((micro >> SIGN) & ONE, size, -size), 0.0)

    def _quantities(self, steps: hash_rng.Bits, traded: Mask) -> Ints:
        size = -np.log1p(-hash_rng.uniform_floats(hash_rng.random_bits(self._keys, steps, CHANNEL_SIZE)))
        size *= self._activity.current.quantity
        quantity: Ints = size.astype(np.int64) + ~self._params.is_index
        quantity *= traded
        return quantity
