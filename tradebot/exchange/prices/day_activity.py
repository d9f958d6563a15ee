"""The course of a synthetic day, minute by minute: how busy it is, how wide the books are, who stands still."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.market_data import Floats, Ints
from tradebot.exchange.prices import hash_rng
from tradebot.exchange.prices.symbol_params import FULL_DAY_MINUTES, SymbolParams, intraday_volatility, intraday_volume

Mask = npt.NDArray[np.bool_]

QUOTES_PER_TRADE = 3.0  # a book changes more often than it trades
HALTED_DAYS = 0.004  # share of (symbol, day) with a halt, of 3 to 10 minutes
CHANNEL_HALT = 26
TRADE_BITS, QUOTE_BITS = 24, 16  # of a draw against which the odds stand


class StepGrid(NamedTuple):
    """The steps of a session: `step_count` of them, `step_ns` ns apart."""

    step_ns: int
    step_count: int

    @property
    def steps_per_minute(self) -> int:
        return MINUTE // self.step_ns

    @property
    def minute_count(self) -> int:
        return -(-self.step_count // self.steps_per_minute)


class MinuteActivity(NamedTuple):
    """What holds for one minute: `volatility` beside the average minute's 1, the others per symbol, shape (n,)."""

    volatility: float
    trade_odds: hash_rng.Bits  # of a trade in a step, of 2**TRADE_BITS
    quote_odds: hash_rng.Bits  # of another book in a step, of 2**QUOTE_BITS
    quantity: Floats  # shares of a usual trade
    spread: Ints  # ticks
    level_gap: Ints  # price units
    is_halted: Mask
    is_inactive: Mask  # halted, or past its close
    halt_begins: Mask


class DayActivity:
    """The minutes of a session, `current` the one turned to; `end_minutes` is the minute from which each symbol stands still.

    With `every_step` each symbol trades at every step and none is halted.
    """

    current: MinuteActivity

    def __init__(
        self, traits: SymbolParams, grid: StepGrid, keys: hash_rng.Bits, *, end_minutes: Ints, every_step: bool
    ) -> None:
        self.grid = grid
        self._traits, self._ends, self._every_step = traits, end_minutes, every_step
        self._swing, self._volume = intraday_volatility(grid.minute_count), intraday_volume(grid.minute_count)
        self._halts = self._draw_halts(keys)

    def start_minute(self, minute: int) -> None:
        """Let `current` be that minute of the session."""
        t, grid, swing = self._traits, self.grid, self._swing[minute]
        busy = self._volume[minute] * grid.minute_count
        rate = t.trades_per_second * busy * (grid.step_ns / SECOND)
        trade, quote = -np.expm1(-rate), -np.expm1(-QUOTES_PER_TRADE * rate)
        if self._every_step:
            trade = np.ones_like(trade)
        spread = np.where(t.is_index, 0, np.maximum(np.rint(t.spread_ticks * swing), 1)).astype(np.int64)
        begins, ends = self._halts
        is_halted, over = (begins <= minute) & (minute < ends), self._ends <= minute
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
        happens = (hash_rng.bit_field(bits, 0, 16) < HALTED_DAYS) & ~self._traits.is_index & (not self._every_step)
        begins = 1 + (hash_rng.bit_field(bits, 16, 16) * max(self.grid.minute_count - 10, 1)).astype(np.int64)
        lengths = 3 + (hash_rng.bit_field(bits, 32, 16) * 8).astype(np.int64)
        begins = np.where(happens, begins, self.grid.minute_count + 1)
        return begins, begins + lengths
