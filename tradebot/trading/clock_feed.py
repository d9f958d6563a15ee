"""The clock feed: puts a tick into the market queue every 50 ms, and one at the moment a bar is due."""

from __future__ import annotations

from collections.abc import Callable

from tradebot.clock import SECOND, Clock
from tradebot.domain.messages import ClockTick
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.queues import BoundedQueue

TICK_EVERY_S = 0.05  # wall seconds between two ticks
PREWARM_S = 0.002  # wall seconds before a close at which the workers are prewarmed
TIMER_EARLY_S = 0.001  # wall seconds by which a timer of the loop may end too early


class ClockFeed:
    """Puts ticks into `queue`. `measure("loop_lag", ns)` is called with how late each tick was."""

    def __init__(
        self,
        queue: BoundedQueue,
        *,
        clock: Clock,
        bars: BarBuilder,
        analysis: Analysis,
        measure: Callable[[str, int], None],
    ) -> None:
        self._queue, self._clock, self._bars, self._analysis, self._measure = queue, clock, bars, analysis, measure

    async def emit_ticks(self) -> None:
        """Put ticks until cancelled, and prewarm the workers shortly before each close."""
        expected = self._clock.monotonic_ns()
        while True:
            mono = self._clock.monotonic_ns()
            self._measure("loop_lag", max(mono - expected, 0))
            await self._queue.put(ClockTick(at=self._clock.market_ns(), mono=mono))
            pause, is_close = self._until_next()
            expected = mono + int(pause * SECOND)
            if is_close and pause > PREWARM_S:
                await self._clock.sleep(pause - PREWARM_S)
                self._analysis.prewarm_workers()
                pause = (expected - self._clock.monotonic_ns()) / SECOND
            await self._clock.sleep(max(pause, 0.0))

    def _until_next(self) -> tuple[float, bool]:
        # Returns wall seconds until the next tick, and whether a bar is due then. Such a tick comes at the very
        # moment, so that no bar closes up to one tick late.
        if self._bars.quote_filter.session_bounds is None:
            return TICK_EVERY_S, False
        market = self._clock.market_ns()
        left = (self._bars.next_close_at(market) - market) / self._clock.speed / SECOND
        return min(TICK_EVERY_S, max(left + TIMER_EARLY_S, TICK_EVERY_S / 10)), left < TICK_EVERY_S
