"""The daemon in the order benchmark: all of it, over a venue that fills at once and a strategy that enters at once.

Feed, bars, desk, gate, journal, execution, broker and outbox are the daemon's own, with its defaults. Made up are three
things that are not between quote and order: the venue's fills, the signal that enters again after an exit, and rate
limits wide enough for more orders than the law lets pass.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import uvloop

from tradebot.app import outbox_of
from tradebot.bench.order_venue import STOP, TOKEN
from tradebot.bench.wire import PROFILE, Broker
from tradebot.bench.wire import Feed as BinaryFeed
from tradebot.clock import MarketClock, WallClock
from tradebot.config import Config
from tradebot.config.keeping import JournalSection
from tradebot.config.sections import AnalysisSection, AppSection, RiskSection
from tradebot.daemon.daemon import Daemon
from tradebot.daemon.ground import Ground
from tradebot.daemon.patience import Patience
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.listed import Listed
from tradebot.domain.messages import Action, Executed, Signal, Signals
from tradebot.domain.order import Execution, OrderRequest, VenueHolding, VenueOrder, VenuePosition
from tradebot.errors import LinkLost
from tradebot.journal.recovery import recover
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal, WriteLimits
from tradebot.ops import logs
from tradebot.ops.events.event import Tell, without_word
from tradebot.ops.narrator import Narrator
from tradebot.ops.systemd import Notifier
from tradebot.trading.desk.book import conditions
from tradebot.venues.credentials import Credentials
from tradebot.venues.limiter import Limiter, limits
from tradebot.venues.venue import Accepted, Feed, Profile, Reply

MANY = 1_000_000
LOOK_S = 0.005  # between two looks at whether a price is above its stop again
LIMITS = limits(("order change", 10_000, 1.0, 2), ("order", 100_000, 60.0, 60), ("order", MANY, None, 500))


class MadeUpBroker(Broker):
    """The broker of a real venue, with the venue's fills and the next entry made up beside it."""

    daemon: Daemon

    async def submit(self, request: OrderRequest) -> Reply:
        """Send the order as always; what the venue accepts is filled a moment later."""
        reply = await super().submit(request)
        if isinstance(reply, Accepted):
            asyncio.get_running_loop().call_soon(self._fill, request, reply.venue_order_id)
        return reply

    def _fill(self, request: OrderRequest, venue_order_id: str) -> None:
        engine, clock = self.daemon.engine, self._clock
        decided_at = self.daemon.desk.account.orders()[
            request.order_id
        ].reference  # a fill far from it halts its symbol
        execution = Execution(
            execution_id=venue_order_id,
            venue_order_id=venue_order_id,
            symbol=request.symbol,
            exchange=request.exchange,
            side=request.side,
            quantity=request.quantity,
            price=decided_at or Decimal(100),
            traded_at=clock.market(),
        )
        engine.lanes.updates.post(Executed(execution=execution, mono=clock.monotonic()))
        if request.purpose.is_exit:
            self._enter_above(request.symbol)

    def _enter_above(self, symbol: str) -> None:
        # Below the stop that it brings the gate lets no entry pass.
        price = self.daemon.desk.account.price(symbol)
        if price is not None and price > STOP:
            self.enter([symbol])
        else:
            asyncio.get_running_loop().call_later(LOOK_S, self._enter_above, symbol)

    def enter(self, symbols: Sequence[str]) -> None:
        """Signal an entry of each symbol, one share with a stop."""
        mono = self._clock.monotonic()
        signals = [
            Signal(
                signal_id=f"{symbol}-{mono}",
                strategy="bench",
                symbol=symbol,
                action=Action.ENTER_LONG,
                bar_at=self._clock.market(),
                quoted_at=mono,
                made_at=mono,
                quantity=1.0,
                stop_loss=STOP,
            )
            for symbol in symbols
        ]
        self.daemon.engine.lanes.signals.post(Signals(at=self._clock.market(), interval=0, signals=tuple(signals)))

    async def orders(self) -> Listed[VenueOrder]:
        """Return the empty book of the start; later the venue keeps none, and no comparison comes between."""
        if hasattr(self, "daemon") and self.daemon.engine.ready.is_set():
            raise LinkLost("this venue keeps no books")
        return Listed()

    async def executions(self) -> Listed[Execution]:
        """Return nothing: fills are told as they happen."""
        return Listed()

    async def positions(self) -> Listed[VenuePosition]:
        """Return nothing."""
        return Listed()

    async def holdings(self) -> Listed[VenueHolding]:
        """Return nothing."""
        return Listed()

    async def cash(self) -> Decimal:
        """Return plenty."""
        return Decimal(10_000_000)


class MadeUpVenue:
    """A real profile, the broker above and a feed from `ticker`."""

    profile: Profile = PROFILE

    def __init__(self, broker: Broker, clock: MarketClock, ticker: str, name: str) -> None:
        self.broker, self._clock, self._ticker, self._name = broker, clock, ticker, name

    def resume_day(self, sent: int) -> None:
        """Count what earlier processes sent."""
        self.broker.resume_day(sent)

    def feed(self, universe: Universe, *, tell: Tell = without_word) -> Feed:
        """Return the venue's own feed."""
        keys = Credentials(api_key=self._name, access_token="-")
        return BinaryFeed(universe, url=self._ticker, credentials=keys, clock=self._clock)


def serve(
    name: str, symbols: Sequence[str], *, rest: str, ticker: str, origin: int, anchor: int, folder: Path, store: bool
) -> None:
    """Run the daemon until the process is killed; its log goes to a file in `folder`."""
    with (folder / f"{name}.log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    clock = MarketClock(origin=origin, anchor=anchor, speed=1.0)
    uvloop.run(_run(name, symbols, rest, ticker, clock, folder / name, store))


async def _run(
    name: str, symbols: Sequence[str], rest: str, ticker: str, clock: MarketClock, state: Path, store: bool
) -> None:
    config = _config(symbols, state, store)
    logs.configure(level="info", format="json", run_id=name, mode="paper")
    tell = logs.line_of("daemon")
    keys = Credentials(api_key=name, access_token="-")
    broker = MadeUpBroker(rest=rest, credentials=keys, clock=clock, limiter=Limiter(LIMITS, clock))
    universe = Universe([Instrument(symbol=s, token=TOKEN + i, name=s) for i, s in enumerate(symbols)])
    ground = Ground(
        venue=MadeUpVenue(broker, clock, ticker, name),
        venue_name="bench",
        clock=clock,
        account="B",
        universe=universe,
        patience=Patience(within_s=0, clock=clock, tell=tell),
    )
    recovery, outbox = recover(state / FILE_NAME), outbox_of(config, tell, WallClock())
    journaling = Journal(state, run=name, clock=clock, limits=WriteLimits(durable_within_s=None))
    journaling.subscribe(Narrator(tell, clock).follow)
    conditions.BLIND_AFTER = conditions.NEVER  # this venue keeps no books after the start
    async with journaling as journal:
        broker.daemon = daemon = Daemon(
            config, name, ground, journal, recovery, [], outbox=outbox, tell=tell, notifier=Notifier({}, pid=0)
        )
        await daemon.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.trade(asyncio.Event(), []), name="trade")
            await daemon.engine.ready.wait()
            broker.enter(symbols)


def _config(symbols: Sequence[str], state: Path, store: bool) -> Config:
    # The bounds of a config are the law's; a measurement of more orders than it allows goes around them.
    risk = RiskSection.model_construct(
        **RiskSection().model_dump()
        | {
            "max_order_notional": Decimal(MANY),
            "max_gross_notional": Decimal(MANY),
            "max_daily_loss": Decimal(10**12),
            "max_open_orders": 1000,
            "orders_per_second": 10_000,
            "orders_per_minute": 100_000,
            "orders_per_day": MANY,
            "duplicate_window_s": 0.0,
        }
    )
    config = Config(
        app=AppSection(symbols=tuple(symbols), state_dir=state),
        analysis=AnalysisSection(workers=0, warmup_bars=0),
        journal=JournalSection(min_free_mb=16),
        strategy=(),
        risk=risk,
    )
    return config if store else config.model_copy(update={"store": config.store.model_copy(update={"enabled": False})})
