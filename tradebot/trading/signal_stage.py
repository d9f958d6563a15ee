"""The signal stage: gives closes and joining symbols to the analysis, and sends the signals to the desk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from tradebot.clock import Clock, TimeSlice
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Signals
from tradebot.errors import RequestRefused
from tradebot.journal.rows import StrategiesChanged, StrategiesRebuilt, SymbolsHeld
from tradebot.ops.events.event import EventListener
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.analysis.changed_params import ChangedParams
from tradebot.trading.analysis.repaired_bars import RepairedBars, SpoiledBars, batches_of_series
from tradebot.trading.analysis.warmup import JoiningSymbols
from tradebot.trading.order_sender import JournalAppender
from tradebot.trading.queues import TIME_SLICE_NS, StageQueues
from tradebot.trading.repair_hold import RepairHold
from tradebot.trading.trading_desk import TradingDesk

WARMUP_POLL_S = 0.02
CHANGE_WITHIN_S = 30.0  # wall seconds that changed parameters wait at most for the closes before them


class _WaitingChange(NamedTuple):
    # `is_answered` is set when the change begins or the stage stops, `is_done` once the analysis has the parameters.
    change: ChangedParams
    is_answered: asyncio.Event
    is_done: asyncio.Event


class SignalStage:
    """Reads the queue of closes, one at a time. `measure(name, ns)` takes latencies.

    From the report of spoiled bars until their repair symbols give no signals: averages over a hole are wrong.
    """

    def __init__(
        self,
        *,
        queues: StageQueues,
        analysis: Analysis,
        desk: TradingDesk,
        clock: Clock,
        journal: JournalAppender,
        measure: Callable[[str, int], None],
        tell: EventListener,
    ) -> None:
        self._queues, self._analysis, self._desk = queues, analysis, desk
        self._clock, self._journal, self.measure, self._tell = clock, journal, measure, tell
        self._is_stopping = False
        self._hold = RepairHold()
        self._waiting_change: _WaitingChange | None = None  # until it begins
        self.held_back: tuple[str, ...] = ()  # the symbols that give no signals, because their bars are being repaired
        # Set by the owner once the analysis is started. Closes wait for it; quotes do not.
        self.warmup_done = asyncio.Event()
        # Called before symbols join, with the end of the last close (market ns) that the analysis was given.
        self.on_join: Callable[[JoiningSymbols, int], None] = lambda joining, after: None
        # Market ns: end of the newest bars processed, and of those with signals
        self.last_bar_at = self.last_signal_at = 0

    def stop_deciding(self) -> None:
        """Drop all further closes undecided. The journal has them."""
        self._is_stopping = True
        if self._waiting_change is not None:
            self._waiting_change.is_answered.set()

    async def join_symbols(self, joining: JoiningSymbols) -> None:
        """Let symbols join between two closes, in the order of the queue. Call it once `warmup_done` is set."""
        assert self.warmup_done.is_set(), "symbols join an analysis that has started"
        await self._queues.closes.put(joining)

    async def repair_bars(self, repaired: RepairedBars) -> None:
        """Give the analysis repaired bars between two closes, in the order of the queue; their symbols wait no more."""
        await self._queues.closes.put(repaired)

    async def change_params(self, strategies: Sequence[StrategySpec]) -> None:
        """Give the strategies other parameters between two closes, in the order of the queue; one change at a time.

        Returns once they decide with them and the row about it is on disk. Raises RequestRefused, and nothing changes,
        before the warm-up and in a stop, and where the closes before it take longer than `CHANGE_WITHIN_S`.
        """
        if not self.warmup_done.is_set():
            raise RequestRefused("the strategies are not warmed up yet; nothing was taken up: reload once they are")
        if self._is_stopping:
            raise RequestRefused("the run stops; nothing was taken up")
        assert self._waiting_change is None, "two changes of parameters at once"
        waiting = _WaitingChange(ChangedParams(tuple(strategies)), asyncio.Event(), asyncio.Event())
        self._waiting_change = waiting
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHANGE_WITHIN_S):
                    await self._queues.closes.put(waiting.change)
                    await waiting.is_answered.wait()
        finally:
            has_begun, self._waiting_change = self._waiting_change is None, None
        if not has_begun:
            why = "the run stops" if self._is_stopping else f"the closes before took over {CHANGE_WITHIN_S:g} s"
            raise RequestRefused(f"{why}; nothing was taken up")
        await waiting.is_done.wait()
        await self._journal.wait_durable()

    async def process_closes(self) -> None:
        """Process closes, joins, repairs and changed parameters for ever."""
        time_slice = TimeSlice(self._clock, TIME_SLICE_NS)
        early = await self._until_warm()
        while True:
            item = early.popleft() if early else await self._queues.closes.get()
            if self._is_stopping:
                continue
            match item:
                case BarBatch():
                    await self._process_close(item, time_slice)
                case JoiningSymbols():
                    self.on_join(item, self.last_bar_at)
                    await self._analysis.join_symbols(item.symbols, item.series)
                case SpoiledBars():
                    self._hold.on_spoiled(item, self._analysis.universe.symbols)
                    self._apply_hold()
                case RepairedBars():
                    if item.series:
                        await self._repair(item)
                    self._hold.on_repaired(item)
                    self._apply_hold()
                case ChangedParams():
                    await self._change_params(item)
                case _:
                    raise AssertionError(f"the analysis does not know {type(item).__name__}")

    async def _process_close(self, batch: BarBatch, time_slice: TimeSlice) -> None:
        self.last_bar_at = batch.ends_at
        signal_batch = await self._analysis.compute_signals(batch, self._desk.holdings_at(batch))
        if (held_back := self._hold.on_close(signal_batch.withheld)) is not None:
            self._tell(held_back)
        time_slice.restart()
        for signals in signal_batch.message_chunks():
            if not (signals.signals or signals.failed):
                continue
            if self._clock.monotonic_ns() > time_slice.ends_mono:
                await time_slice.yield_if_due()
            await self._send_signals(signals, batch)
        self.measure("close_to_signals", self._clock.monotonic_ns() - batch.seen_at)

    async def _repair(self, repaired: RepairedBars) -> None:
        # The rows are in the journal before the state is computed from them, as `load_closes` of the analysis reads it.
        # A bar whose own close has not been given yet is left out: the strategies will get that one.
        ids, now = self._analysis.universe.ids_by_symbol, self._clock.monotonic_ns()
        batches = [b for b in batches_of_series(repaired.series, ids, now) if b.ends_at <= self.last_bar_at]
        for batch in batches:
            self._journal.append("repaired", batch, at=batch.ends_at)
        rebuilt = StrategiesRebuilt(after=self.last_bar_at, bars=sum(map(len, batches)))
        self._journal.append("rebuilt", rebuilt, at=self.last_bar_at)
        await self._analysis.rebuild_state()

    async def _change_params(self, change: ChangedParams) -> None:
        waiting = self._waiting_change
        if waiting is None or waiting.change is not change:  # its caller has given up
            return
        self._waiting_change = None
        waiting.is_answered.set()
        params = {spec.name: spec.params for spec in change.strategies}
        changed = StrategiesChanged(after=self.last_bar_at, params=params)
        self._journal.append("strategies", changed, at=self._clock.market_ns())
        await self._analysis.change_params(change.strategies)
        waiting.is_done.set()

    def _apply_hold(self) -> None:
        # The row comes before the closes that it concerns, as a replay reads it.
        if (held := self._hold.symbols) == self.held_back:
            return
        self.held_back = held
        self._journal.append("held", SymbolsHeld(after=self.last_bar_at, symbols=held), at=self._clock.market_ns())
        self._analysis.hold_back(held)
        if (resumed := self._hold.take_end()) is not None:
            self._tell(resumed)

    async def run_workers(self) -> None:
        """Replace lost workers of the analysis for ever, once the warm-up is done."""
        await self.warmup_done.wait()
        await self._analysis.replace_workers()

    async def _until_warm(self) -> deque[BarBatch | SpoiledBars]:
        # Take the closes that come before the analysis has started out of their queue. If it became full, the market
        # stage would wait and deliver no quotes, on which stops act. The start takes seconds, so few closes are kept.
        early, closes = deque[BarBatch | SpoiledBars](), self._queues.closes
        while not self.warmup_done.is_set():
            while closes.qsize():
                early.append(await closes.get())
            await self._clock.sleep(WARMUP_POLL_S)
        return early

    async def _send_signals(self, signals: Signals, batch: BarBatch) -> None:
        if signals.signals:
            self.last_signal_at = batch.ends_at
        self._journal.append("signals", signals, at=batch.ends_at)
        await self._queues.signals.put(signals)
        self.measure("quote_to_signal", self._clock.monotonic_ns() - batch.quoted_at)
