"""The activity of a synthetic day, minute by minute: how often it trades, how wide its spreads are, what is halted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.exchange.prices.symbol_params import FULL_DAY_MINUTES, SymbolParams, intraday_volatility, intraday_volume

Mask = npt.NDArray[np.bool_]

QUOTES_PER_TRADE = 3.0  # a book changes more often than it trades
HALTED_DAYS = 0.004  # share of (symbol, day) pairs with a halt, of 3 to 10 minutes
CHANNEL_HALT = 26
TRADE_BITS, QUOTE_BITS = 24, 16  # bits of a draw that are compared with the odds


class StepGrid(NamedTuple):
    """The steps of a session: `step_count` of them, `step_ns` apart."""

    step_ns: int
    step_count: int

    @property
    def steps_per_minute(self) -> int:
        """Return the number of steps per minute."""
        return MINUTE // self.step_ns

    @property
    def minute_count(self) -> int:
        """Return the number of minutes, a last incomplete one included."""
        return -(-self.step_count // self.steps_per_minute)


class MinuteActivity(NamedTuple):
    """The activity of one minute. `volatility` is 1 in the average minute; the others are per symbol, shape (n,)."""

    volatility: float
    trade_odds: hash_rng.Bits  # of a trade in a step, out of 2**TRADE_BITS
    quote_odds: hash_rng.Bits  # of a changed book in a step, out of 2**QUOTE_BITS
    quantity: Floats  # shares of a usual trade
    spread: Ints  # ticks
    level_gap: Ints  # price units
    is_halted: Mask
    is_inactive: Mask  # halted, or past its close
    halt_begins: Mask


class DayActivity:
    """The minutes of a session. `current` is the present minute; from its `end_minutes` on a symbol is inactive.

    With `every_step` each symbol trades at every step and none is halted.
    """

    current: MinuteActivity

    def __init__(
        self, params: SymbolParams, grid: StepGrid, keys: hash_rng.Bits, *, end_minutes: Ints, every_step: bool
    ) -> None:
        self.grid = grid
        self._params, self._end_minutes, self._every_step = params, end_minutes, every_step
        self._swing, self._volume = intraday_volatility(grid.minute_count), intraday_volume(grid.minute_count)
        self._halts = self._draw_halts(keys)

    def start_minute(self, minute: int) -> None:
        """Make `minute` of the session the current one."""
        t, grid, swing = self._params, self.grid, self._swing[minute]
        busy = self._volume[minute] * grid.minute_count
        rate = t.trades_per_second * busy * (grid.step_ns / SECOND)
        trade, quote = -np.expm1(-rate), -np.expm1(-QUOTES_PER_TRADE * rate)
        if self._every_step:
            trade = np.ones_like(trade)
        spread = np.where(t.is_index, 0, np.maximum(np.rint(t.spread_ticks * swing), 1)).astype(np.int64)
        begins, ends = self._halts
        is_halted, over = (begins <= minute) & (minute < ends), self._end_minutes <= minute
        self.current = MinuteActivity(
            volatility=swing,
            trade_odds=np.where(t.is_index, 1 << TRADE_BITS, trade * (1 << TRADE_BITS)).astype(np.uint64),
            quote_odds=(quote * (1 << QUOTE_BITS)).astype(np.uint64),
            quantity=t.daily_volume * busy / (FULL_DAY_MINUTES * grid.steps_per_minute * trade),
            spread=spread,
            level_gap=np.maximum(spread // 3, 1) * t.tick,
            is_halted=is_halted,
            is_inactive=is_halted | over,
            halt_begins=(begins == minute) & ~over,
        )

    def _draw_halts(self, keys: hash_rng.Bits) -> tuple[Ints, Ints]:
        bits = hash_rng.random_bits(keys, np.zeros(1, dtype=np.uint64), CHANNEL_HALT)
        happens = (hash_rng.bit_field(bits, 0, 16) < HALTED_DAYS) & ~self._params.is_index & (not self._every_step)
        begins = 1 + (hash_rng.bit_field(bits, 16, 16) * max(self.grid.minute_count - 10, 1)).astype(np.int64)
        lengths = 3 + (hash_rng.bit_field(bits, 32, 16) * 8).astype(np.int64)
        begins = np.where(happens, begins, self.grid.minute_count + 1)
        return begins, begins + lengths
