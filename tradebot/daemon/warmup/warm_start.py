"""The warm start of a run: symbols at hand decide from the first close on, the others join as their bars arrive.

Positions are guarded before it begins. It delays neither READY nor a close: a symbol that has not joined gives no
signal, and its bars are built and recorded meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tradebot.clock import SECOND, Clock
from tradebot.daemon.input_recorder import InputRecorder
from tradebot.daemon.warmup.warmup_loader import WarmupLoader
from tradebot.daemon.warmup.warmup_plan import WarmupPlan
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries
from tradebot.journal.rows import WarmupJoin
from tradebot.ops.events.analysis import WarmupCompleted, WarmupProgressed, WarmupStarted
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.analysis.warmup import JoiningSymbols
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.signal_stage import SignalStage

# Market seconds: symbols that arrive within them join together, because each join makes the closes wait for some
# milliseconds.
JOIN_EVERY_S = 0.5
TELL_EVERY_S = 15.0
FIRST_TICK_POLL_S = 0.02  # market seconds


class WarmStages(NamedTuple):
    """The parts of a run that a warm start works on."""

    analysis: Analysis
    signal_stage: SignalStage
    bars: BarBuilder
    account: AccountView
    recorder: InputRecorder


class WarmTerms(NamedTuple):
    """What a run wants of its warm start: `bar_count` bars of each symbol.

    The venue allows `per_second` requests for them, 0 where that is unknown. `on_past` is called with past bars before
    the strategies get them.
    """

    universe: Universe
    bar_count: int
    per_second: int
    on_past: Callable[[Sequence[BarSeries]], None]


def guarded_symbols(account: AccountView) -> set[str]:
    """Return the symbols with an open position or a live order of ours: their past and their repairs come first."""
    return {*account.open_symbols, *(order.request.symbol for order in account.live_orders())}


class WarmStart:
    """Warms up the strategies of one run. Call one of its methods, once."""

    def __init__(
        self, loader: WarmupLoader, stages: WarmStages, terms: WarmTerms, *, clock: Clock, tell: EventListener
    ) -> None:
        self._loader, self._stages, self._terms = loader, stages, terms
        self._clock, self._tell = clock, tell
        self._arrived: dict[str, BarSeries | None] = {}  # symbols to join, None for one that starts cold
        self._has_arrived, self._all_joined = asyncio.Event(), asyncio.Event()
        self.is_complete = asyncio.Event()  # set once every symbol has joined
        self._waiting: set[str] = set()
        self._bars_of: dict[str, int] = {}  # symbol -> its past bars
        self._told_mono = 0

    async def warm_up_before_market(self, on_step: Callable[[], None]) -> None:
        """Warm up all symbols while the market waits; `on_step` is called after each long step.

        Raises DataError of a strategy.
        """
        past = await self._loader.load_bars()
        on_step()
        await self._start(past)
        self.is_complete.set()
        on_step()

    async def warm_up(self) -> None:
        """Start the analysis with what is at hand, and let the others join, while the run trades.

        Raises DataError of a strategy.
        """
        until = await self._built_from() if self._terms.bar_count else 0
        plan = await self._loader.make_plan(until=until, first=guarded_symbols(self._stages.account))
        self._begin(plan)
        await self._start(plan.at_hand)
        if plan.requests:
            self._stages.signal_stage.on_join = self._on_join
            async with asyncio.TaskGroup() as tasks:
                joins = tasks.create_task(self._join_arrived(), name="warm-up-joins")
                await self._loader.fetch_planned(plan, until=until, deliver=self._take)
                await self._all_joined.wait()
                joins.cancel()
        self._complete()
        self.is_complete.set()

    async def _built_from(self) -> int:
        # The first tick of the clock says which bars are built here; the bars before these are the past.
        while (since := self._stages.bars.builds_since) < 0:
            await self._clock.sleep(FIRST_TICK_POLL_S / self._clock.speed)
        return since

    def _begin(self, plan: WarmupPlan) -> None:
        terms, requests = self._terms, len(plan.requests)
        self._waiting = {request.instrument.symbol for request in plan.requests}
        self._told_mono = self._clock.monotonic_ns()
        if terms.bar_count:
            started = WarmupStarted(
                symbols=len(terms.universe),
                bars=terms.bar_count,
                from_journal=len(plan.from_journal),
                from_history=len(plan.from_history),
                requests=requests,
                expected_s=self._expected_s(requests),
            )
            self._tell(started)

    async def _start(self, at_hand: Sequence[BarSeries]) -> None:
        stages = self._stages
        self._note_past(at_hand)
        stages.recorder.record_warmup(at_hand)
        if self._waiting:
            waiting = tuple(symbol for symbol in self._terms.universe.symbols if symbol in self._waiting)
            stages.recorder.record_join((), WarmupJoin(after=0, symbols=(), waiting=waiting))
        await stages.analysis.start_workers(at_hand, self._waiting)
        stages.signal_stage.warmup_done.set()

    def _take(self, instrument: Instrument, series: BarSeries | None) -> None:
        self._arrived[instrument.symbol] = series
        self._has_arrived.set()

    async def _join_arrived(self) -> None:
        while True:
            await self._has_arrived.wait()
            self._has_arrived.clear()
            arrived, self._arrived = self._arrived, {}
            series = tuple(one for one in arrived.values() if one is not None and len(one))
            await self._stages.signal_stage.join_symbols(JoiningSymbols(tuple(arrived), series))
            await self._clock.sleep(JOIN_EVERY_S / self._clock.speed)

    def _on_join(self, joining: JoiningSymbols, after: int) -> None:
        self._note_past(joining.series)
        self._waiting.difference_update(joining.symbols)
        self._stages.recorder.record_join(joining.series, WarmupJoin(after=after, symbols=joining.symbols))
        now = self._clock.monotonic_ns()
        if not self._waiting:
            self._all_joined.set()
        elif now - self._told_mono >= TELL_EVERY_S * SECOND:
            self._told_mono, left = now, len(self._waiting)
            self._tell(WarmupProgressed(warm=len(self._bars_of), waiting=left, expected_s=self._expected_s(left)))

    def _note_past(self, past: Sequence[BarSeries]) -> None:
        self._bars_of |= {series.symbol: len(series) for series in past if len(series)}
        self._terms.on_past(past)

    def _complete(self) -> None:
        terms = self._terms
        if not terms.bar_count:
            return
        full = sum(count >= terms.bar_count for count in self._bars_of.values())
        completed = WarmupCompleted(
            symbols=len(self._bars_of),
            of=len(terms.universe),
            bars=sum(self._bars_of.values()),
            cold=len(terms.universe) - full,
            repaired=len(self._loader.repaired),
            requests=self._loader.request_count,
        )
        self._tell(completed)

    def _expected_s(self, requests: int) -> float | None:
        return round(requests / self._terms.per_second, 1) if self._terms.per_second else None
