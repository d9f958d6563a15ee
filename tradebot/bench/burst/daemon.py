"""The daemon of the burst benchmark: all stages from the closed bars on, with a venue that fills at once.

Analysis with its workers, desk, gate, journal, order sender and broker are the daemon's own. The benchmark makes the
bars, and encodes the signals that it wants in their volume.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import uvloop

from tradebot.bench.analysis.bars import DISTINCT_HISTORIES, message_columns, random_histories
from tradebot.bench.analysis.standalone import load_bench_strategy
from tradebot.bench.analysis.strategies import ENTER, EXIT, QUIET, Burst
from tradebot.bench.daemon.instant_fills import InstantFillBroker
from tradebot.bench.daemon.measured_daemon import MANY, DaemonSite, WorkerCount, bench_config, running_daemon
from tradebot.clock import HOUR, SECOND, MarketClock, WallClock
from tradebot.config.sections import AnalysisSection
from tradebot.daemon.daemon import Daemon
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarBatch, BarSeries, Quotes
from tradebot.domain.message import Message
from tradebot.domain.messages import LinkUp, MarketMessage
from tradebot.domain.order import VenueOrder
from tradebot.journal.writer import Journal
from tradebot.trading.clock_feed import PREWARM_S

NAME = "burst"
WARMUP_BARS = 60
PROBE_S = 0.001
SIGNALS_WITHIN_S = 60.0


class BurstRequest(Message, frozen=True):
    """One burst: all symbols close a bar and every `one_in`-th encodes an order; even numbers enter, odd ones exit."""

    number: int
    one_in: int


class BurstResult(Message, frozen=True):
    """The result in the daemon: monotonic ns of the close and of the last signal handed to the desk, and counts.

    `stall_ns` is the longest stall of the event loop until the orders were out.
    """

    closed_at: int
    signalled_at: int
    signals: int
    orders: int
    stall_ns: int


class _Broker(InstantFillBroker):
    def enter_positions(self, symbols: Sequence[str]) -> None:
        """Do nothing: the strategy enters."""

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return the warm-up bars before `end`, with a volume that encodes no signal."""
        bars, _ = random_histories(DISTINCT_HISTORIES, WARMUP_BARS)
        starts = end // interval * interval - np.arange(WARMUP_BARS, 0, -1) * interval
        columns = message_columns(bars[instrument.token % DISTINCT_HISTORIES]) | {"volume": np.full(WARMUP_BARS, QUIET)}
        return BarSeries(symbol=instrument.symbol, interval=interval, starts=starts, **columns)


class _SilentFeed:
    """A feed without quotes: the benchmark puts them in itself."""

    dropped_counts: dict[str, int] = {}

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        on_market(LinkUp(source=NAME, mono=WallClock().monotonic_ns()))
        await asyncio.Event().wait()

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Do nothing: this feed has no quotes."""


def serve_bursts(site: DaemonSite, workers: WorkerCount, pipe: Connection) -> None:
    """Send the number of workers, then answer each BurstRequest with a BurstResult until the pipe closes."""
    uvloop.run(_run(site, workers, pipe))


async def _run(site: DaemonSite, workers: WorkerCount, pipe: Connection) -> None:
    wide: dict[str, Any] = {"max_open_orders": MANY, "max_gross_notional": Decimal(10**12), "max_signal_age_s": 60.0}
    config = bench_config(site, AnalysisSection(workers=workers, warmup_bars=WARMUP_BARS), store=False, **wide)
    config = config.model_copy(update={"bars": config.bars.model_copy(update={"interval": "1h"})})
    silent = _SilentFeed()
    async with (
        running_daemon(site, config, site.make_broker(_Broker), lambda _: silent, [load_bench_strategy(Burst)]) as (
            daemon,
            journal,
        ),
        asyncio.TaskGroup() as tasks,
    ):
        bursts = _Bursts(daemon, journal, site)
        probe = tasks.create_task(bursts.watch_loop(), name="probe")
        await daemon.engine.warmup_done.wait()
        await site.clock.sleep(0.2)
        pipe.send(len(daemon.analysis.worker_pids))
        while (shot := await asyncio.to_thread(_received, pipe)) is not None:
            pipe.send(await bursts.fire_burst(shot))
        probe.cancel()


def _received(pipe: Connection) -> BurstRequest | None:
    try:
        shot: BurstRequest = pipe.recv()
    except EOFError:
        return None
    return shot


class _Bursts:
    def __init__(self, daemon: Daemon, journal: Journal, site: DaemonSite) -> None:
        clock: MarketClock = site.clock
        self._daemon, self._engine, self._journal, self._clock = daemon, daemon.engine, journal, clock
        self._ids = np.arange(site.symbols)
        self._bars = random_histories(DISTINCT_HISTORIES, 400, seed=8)[0][self._ids % DISTINCT_HISTORIES]
        self._ends_at = clock.market_ns() // HOUR * HOUR
        self._longest = 0
        self._signalled_at, self._signalled = 0, asyncio.Event()
        measure = self._engine.signal_stage.measure

        def hear(name: str, ns: int) -> None:
            measure(name, ns)
            if name == "close_to_signals":
                self._signalled_at = clock.monotonic_ns()
                self._signalled.set()

        self._engine.signal_stage.measure = hear

    async def watch_loop(self) -> None:
        """Record how late the loop wakes a task that sleeps a millisecond; never returns."""
        while True:
            begin = self._clock.monotonic_ns()
            await self._clock.sleep(PROBE_S)
            late = self._clock.monotonic_ns() - begin - int(PROBE_S * SECOND)
            self._longest = max(self._longest, late)

    async def fire_burst(self, shot: BurstRequest) -> BurstResult:
        """Close a bar of all symbols and wait until all its orders are sent. Raises TimeoutError."""
        engine, clock, count = self._engine, self._clock, len(self._ids)
        await self._idle()
        bar = self._bars[:, :, shot.number % self._bars.shape[2]]
        asks = self._ids % shot.one_in == 0
        wish = EXIT if shot.number % 2 else ENTER
        last = np.rint(bar[:, 3] * 100).astype(np.int64)
        quoted_at = clock.monotonic_ns()
        columns = {"last": last, "bid": last - 5, "ask": last + 5, "volume": np.full(count, shot.number + 1)}
        sizes = np.full(count, 100_000)
        engine.feed_intake.on_market(
            Quotes(
                source=NAME,
                seen_at=quoted_at,
                ids=self._ids,
                sent_at=np.full(count, clock.market_ns()),
                bid_size=sizes,
                ask_size=sizes,
                **columns,
            )
        )
        await clock.sleep(0.05)
        await self._idle()
        self._ends_at += HOUR
        before = self._daemon.desk.account.signal_counts["signals"]
        self._signalled.clear()
        self._longest = 0
        self._daemon.analysis.prewarm_workers()  # wakes the workers, as the engine does before a bar is due
        await clock.sleep(PREWARM_S)
        batch = BarBatch(
            interval=HOUR,
            ends_at=self._ends_at,
            seen_at=clock.monotonic_ns(),
            quoted_at=quoted_at,
            ids=self._ids,
            ticks=np.ones_like(self._ids),
            **message_columns(bar.T) | {"volume": np.where(asks, wish, QUIET)},
        )
        self._journal.append("close", batch, at=clock.market_ns())
        await engine.queues.closes.put(batch)
        async with asyncio.timeout(SIGNALS_WITHIN_S):
            await self._signalled.wait()
            await self._idle()
        signals = self._daemon.desk.account.signal_counts["signals"] - before
        orders, stall_ns = int(np.count_nonzero(asks)), self._longest
        return BurstResult(
            closed_at=batch.seen_at, signalled_at=self._signalled_at, signals=signals, orders=orders, stall_ns=stall_ns
        )

    async def _idle(self) -> None:
        engine = self._engine
        while not engine.queues.are_empty or engine.order_sender.queue.pending_count:
            await self._clock.sleep(0.002)
