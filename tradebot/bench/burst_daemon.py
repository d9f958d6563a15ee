"""The daemon of the burst benchmark: all of it from the close on, over a venue that fills at once.

Analysis with its workers, desk, gate, journal, execution and broker are the daemon's own. The closes come from the
driver, which also asks for signals through the volume of the bars; rate limits are wide enough for the orders.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import uvloop

from tradebot.bench import burst_strategy, order_daemon
from tradebot.bench.eleven import histories
from tradebot.bench.order_venue import TOKEN
from tradebot.clock import HOUR, SECOND, MarketClock, WallClock
from tradebot.config import Config
from tradebot.config.sections import AnalysisSection
from tradebot.daemon.daemon import Daemon
from tradebot.daemon.ground import Ground
from tradebot.daemon.patience import Patience
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Close, Quotes, Series
from tradebot.domain.message import Message
from tradebot.domain.messages import LinkUp, MarketMessage
from tradebot.domain.order import VenueOrder
from tradebot.journal.recovery import recover
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal, WriteLimits
from tradebot.ops import logs
from tradebot.ops.events.event import Tell, without_word
from tradebot.ops.narrator import Narrator
from tradebot.ops.systemd import Notifier
from tradebot.strategies.loading import load_strategy
from tradebot.trading.desk.book import conditions
from tradebot.trading.metronome import ROUSE_S
from tradebot.venues.credentials import Credentials
from tradebot.venues.limiter import Limiter
from tradebot.venues.venue import Feed

NAME = "burst"
WARM, DISTINCT = 60, 50
PROBE_S = 0.001
WITHIN_S = 60.0


Crew = int | Literal["auto"]


class Shot(Message, frozen=True):
    """One burst: all symbols close, every `one_in`-th asks for an order; entries and exits by turns."""

    number: int
    one_in: int


class Hit(Message, frozen=True):
    """What came of it in the daemon: monotonic ns of the close and of the last signal handed to the desk, counts.

    `stall_ns` is the longest time the loop did not turn until the orders were out.
    """

    closed_at: int
    signalled_at: int
    signals: int
    orders: int
    stall_ns: int


class _Broker(order_daemon.MadeUpBroker):
    def enter(self, symbols: Sequence[str]) -> None:
        """Do nothing: the strategy enters."""

    async def history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> Series:
        bars, _ = histories(DISTINCT, WARM)
        columns = _units(bars[instrument.token % DISTINCT])
        starts = end // interval * interval - np.arange(WARM, 0, -1) * interval
        return Series(symbol=instrument.symbol, interval=interval, starts=starts, **columns)


class _Silent:
    """A feed that delivers what it is given."""

    dropped: dict[str, int] = {}

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        self.deliver = on_market
        on_market(LinkUp(source=NAME, mono=WallClock().monotonic()))
        await asyncio.Event().wait()

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Do nothing: what it is given it delivers."""


class _Venue(order_daemon.MadeUpVenue):
    quiet: Feed = _Silent()

    def feed(self, universe: Universe, *, tell: Tell = without_word) -> Feed:
        return self.quiet


def _units(bars: Any) -> dict[str, Any]:
    prices = np.rint(bars[:4] * 100).astype(np.int64)
    names = ("open", "high", "low", "close")
    return dict(zip(names, prices, strict=True)) | {"volume": np.full(bars.shape[1], burst_strategy.QUIET)}


def serve(pipe: Connection, symbols: int, *, workers: Crew, rest: str, origin: int, anchor: int, folder: Path) -> None:
    """Run the daemon until the pipe closes, a `Hit` for each `Shot`; its log goes to a file in `folder`."""
    with (folder / f"{NAME}.log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    clock = MarketClock(origin=origin, anchor=anchor, speed=1.0)
    uvloop.run(_run(pipe, [f"SYM{i:04d}" for i in range(symbols)], workers, rest, clock, folder / NAME))


async def _run(
    pipe: Connection, symbols: Sequence[str], workers: Crew, rest: str, clock: MarketClock, state: Path
) -> None:
    config = _config(symbols, state, workers)
    logs.configure(level="info", format="json", run_id=NAME, mode="paper")
    tell = logs.line_of("daemon")
    limiter = Limiter(order_daemon.LIMITS, clock)
    keys = Credentials(api_key=NAME, access_token="-")
    broker = _Broker(rest=rest, credentials=keys, clock=clock, limiter=limiter)
    universe = Universe([Instrument(symbol=s, token=TOKEN + i, name=s) for i, s in enumerate(symbols)])
    venue = _Venue(broker, clock, "", NAME)
    patience = Patience(within_s=0, clock=clock, tell=without_word)
    ground = Ground(venue=venue, venue_name="bench", clock=clock, account="B", universe=universe, patience=patience)
    spec = load_strategy(f"{burst_strategy.__file__}:Burst")
    recovery = recover(state / FILE_NAME)
    journaling = Journal(state, run=NAME, clock=clock, limits=WriteLimits(durable_within_s=None))
    journaling.subscribe(Narrator(tell, clock).follow)
    conditions.BLIND_AFTER = conditions.NEVER  # this venue keeps no books after the start
    async with journaling as journal:
        broker.daemon = daemon = Daemon(
            config, NAME, ground, journal, recovery, [spec], outbox=None, tell=tell, notifier=Notifier({}, pid=0)
        )
        await daemon.start()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            trading = tasks.create_task(daemon.trade(stop, ["the benchmark ends"]), name="trade")
            bursts = _Bursts(daemon, universe, clock)
            probe = tasks.create_task(bursts.watch(), name="probe")
            await daemon.engine.warm.wait()
            await clock.sleep(0.2)
            pipe.send(len(daemon.analysis.pids))
            while (shot := await asyncio.to_thread(_received, pipe)) is not None:
                pipe.send(await bursts.fire(shot))
            stop.set()
            probe.cancel()
            trading.cancel()
        await daemon.analysis.close()


def _received(pipe: Connection) -> Shot | None:
    try:
        shot: Shot = pipe.recv()
    except EOFError:
        return None
    return shot


class _Bursts:
    def __init__(self, daemon: Daemon, universe: Universe, clock: MarketClock) -> None:
        self._daemon, self._engine, self._clock = daemon, daemon.engine, clock
        self._ids = np.arange(len(universe))
        self._bars = histories(DISTINCT, 400, seed=8)[0][self._ids % DISTINCT]
        self._ends_at = clock.market() // HOUR * HOUR
        self._longest = 0
        self._signalled_at, self._signalled = 0, asyncio.Event()
        measure = self._engine.signal_stage._measure

        def hear(name: str, ns: int) -> None:
            measure(name, ns)
            if name == "close_to_signals":
                self._signalled_at = clock.monotonic()
                self._signalled.set()

        self._engine.signal_stage._measure = hear

    async def watch(self) -> None:
        """Note how late the loop wakes a task that sleeps a millisecond."""
        while True:
            begin = self._clock.monotonic()
            await self._clock.sleep(PROBE_S)
            late = self._clock.monotonic() - begin - int(PROBE_S * SECOND)
            self._longest = max(self._longest, late)

    async def fire(self, shot: Shot) -> Hit:
        engine, clock, count = self._engine, self._clock, len(self._ids)
        await self._idle()
        bar = self._bars[:, :, shot.number % self._bars.shape[2]]
        asks = self._ids % shot.one_in == 0
        wish = burst_strategy.EXIT if shot.number % 2 else burst_strategy.ENTER
        last = np.rint(bar[:, 3] * 100).astype(np.int64)
        quoted_at = clock.monotonic()
        columns = {"last": last, "bid": last - 5, "ask": last + 5, "volume": np.full(count, shot.number + 1)}
        sizes = np.full(count, 100_000)
        engine.intake.on_market(
            Quotes(
                source=NAME,
                seen_at=quoted_at,
                ids=self._ids,
                sent_at=np.full(count, clock.market()),
                bid_size=sizes,
                ask_size=sizes,
                **columns,
            )
        )
        await clock.sleep(0.05)
        await self._idle()
        self._ends_at += HOUR
        before = self._daemon.desk.account.counts["signals"]
        self._signalled.clear()
        self._longest = 0
        self._daemon.analysis.rouse()  # as the engine does before a bar is due
        await clock.sleep(ROUSE_S)
        close = Close(
            interval=HOUR,
            ends_at=self._ends_at,
            seen_at=clock.monotonic(),
            quoted_at=quoted_at,
            ids=self._ids,
            ticks=np.ones_like(self._ids),
            **_units(bar.T) | {"volume": np.where(asks, wish, burst_strategy.QUIET)},
        )
        self._daemon._journal.append("close", close, at=clock.market())
        await engine.lanes.closes.put(close)
        async with asyncio.timeout(WITHIN_S):
            await self._signalled.wait()
            await self._idle()
        signals = self._daemon.desk.account.counts["signals"] - before
        orders, stall_ns = int(np.count_nonzero(asks)), self._longest
        return Hit(
            closed_at=close.seen_at, signalled_at=self._signalled_at, signals=signals, orders=orders, stall_ns=stall_ns
        )

    async def _idle(self) -> None:
        engine = self._engine
        while not engine.lanes.are_empty or engine.execution.queue.pending:
            await self._clock.sleep(0.002)


def _config(symbols: Sequence[str], state: Path, workers: Crew) -> Config:
    config = order_daemon._config(symbols, state, False)
    risk = config.risk.model_copy(
        update={"max_open_orders": order_daemon.MANY, "max_gross_notional": Decimal(10**12), "max_signal_age_s": 60.0}
    )
    analysis = AnalysisSection(workers=workers, warmup_bars=WARM)
    bars = config.bars.model_copy(update={"interval": "1h"})
    return config.model_copy(update={"risk": risk, "analysis": analysis, "bars": bars})
