"""The course of a synthetic day, minute by minute: how busy it is, how wide the books are, who stands still."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices import noise
from tradebot.exchange.prices.traits import FULL_DAY_MINUTES, Traits, swing_shape, volume_shape

Mask = npt.NDArray[np.bool_]

QUOTES_PER_TRADE = 3.0  # a book changes more often than it trades
HALTED_DAYS = 0.004  # share of (symbol, day) with a halt, of 3 to 10 minutes
CHANNEL_HALT = 26
TRADE_BITS, QUOTE_BITS = 24, 16  # of a draw against which the odds stand


class Grid(NamedTuple):
    """The steps of a session: `steps` of them, `step` ns apart."""

    step: int
    steps: int

    @property
    def per_minute(self) -> int:
        return MINUTE // self.step

    @property
    def minutes(self) -> int:
        return -(-self.steps // self.per_minute)


class Minute(NamedTuple):
    """What holds for one minute: `swing` beside the average minute's 1, the others per symbol, shape (n,)."""

    swing: float
    trade_odds: noise.Bits  # of a trade in a step, of 2**TRADE_BITS
    quote_odds: noise.Bits  # of another book in a step, of 2**QUOTE_BITS
    quantity: Floats  # shares of a usual trade
    spread: Ints  # ticks
    level_gap: Ints  # price units
    is_halted: Mask
    is_still: Mask  # halted, or past its close
    halts_now: Mask


class Course:
    """The minutes of a session, `now` the one turned to; `ends` is the minute from which each symbol stands still.

    With `every_step` each symbol trades at every step and none is halted.
    """

    now: Minute

    def __init__(self, traits: Traits, grid: Grid, keys: noise.Bits, *, ends: Ints, every_step: bool) -> None:
        self.grid = grid
        self._traits, self._ends, self._every_step = traits, ends, every_step
        self._swing, self._volume = swing_shape(grid.minutes), volume_shape(grid.minutes)
        self._halts = self._draw_halts(keys)

    def turn(self, minute: int) -> None:
        """Let `now` be that minute of the session."""
        t, grid, swing = self._traits, self.grid, self._swing[minute]
        busy = self._volume[minute] * grid.minutes
        rate = t.trades_per_second * busy * (grid.step / SECOND)
        trade, quote = -np.expm1(-rate), -np.expm1(-QUOTES_PER_TRADE * rate)
        if self._every_step:
            trade = np.ones_like(trade)
        spread = np.where(t.is_index, 0, np.maximum(np.rint(t.spread_ticks * swing), 1)).astype(np.int64)
        begins, ends = self._halts
        is_halted, over = (begins <= minute) & (minute < ends), self._ends <= minute
        self.now = Minute(
            swing=swing,
            trade_odds=np.where(t.is_index, 1 << TRADE_BITS, trade * (1 << TRADE_BITS)).astype(np.uint64),
            quote_odds=(quote * (1 << QUOTE_BITS)).astype(np.uint64),
            quantity=t.daily_volume * busy / (FULL_DAY_MINUTES * grid.per_minute * trade),
            spread=spread,
            level_gap=np.maximum(spread // 3, 1) * t.tick,
            is_halted=is_halted,
            is_still=is_halted | over,
            halts_now=(begins == minute) & ~over,
        )

    def _draw_halts(self, keys: noise.Bits) -> tuple[Ints, Ints]:
        bits = noise.draw(keys, np.zeros(1, dtype=np.uint64), CHANNEL_HALT)
        happens = (noise.field(bits, 0, 16) < HALTED_DAYS) & ~self._traits.is_index & (not self._every_step)
        begins = 1 + (noise.field(bits, 16, 16) * max(self.grid.minutes - 10, 1)).astype(np.int64)
        lengths = 3 + (noise.field(bits, 32, 16) * 8).astype(np.int64)
        begins = np.where(happens, begins, self.grid.minutes + 1)
        return begins, begins + lengths
