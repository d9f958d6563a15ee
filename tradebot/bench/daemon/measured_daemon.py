"""The measured daemon, from its settings to its end: a real one with limits that are never reached."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tradebot.app import open_outbox
from tradebot.bench.daemon.instant_fills import InstantFillBroker, InstantFillVenue
from tradebot.bench.venue.frames import bench_universe, symbol_name
from tradebot.clock import MarketClock, WallClock
from tradebot.config import Config
from tradebot.config.sections import AnalysisSection, AppSection, RiskSection
from tradebot.config.storage_sections import JournalSection
from tradebot.daemon.daemon import Daemon
from tradebot.daemon.start_retry import StartRetry
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.domain.instrument import Universe
from tradebot.journal.recovery import recover_state
from tradebot.journal.schema import FILE_NAME
from tradebot.journal.writer import Journal, WriteLimits
from tradebot.ops import logs
from tradebot.ops.events.bus import EventBus
from tradebot.ops.journal_logger import JournalLogger
from tradebot.ops.systemd import Notifier
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.book import conditions
from tradebot.venues.credentials import Credentials
from tradebot.venues.limiter import Limiter, rate_windows
from tradebot.venues.venue import Feed

WorkerCount = int | Literal["auto"]  # number of worker processes
MANY = 1_000_000
# Wide enough for more orders than regulation allows.
WIDE_LIMITS = rate_windows(("order change", 10_000, 1.0, 2), ("order", 100_000, 60.0, 60), ("order", MANY, None, 500))


class DaemonSite(NamedTuple):
    """Where a daemon trades: its name, number of symbols, address `rest` of the order server, clock and folder."""

    name: str
    symbols: int
    rest: str
    clock: MarketClock
    folder: Path

    @property
    def log_path(self) -> Path:
        """The file of its log."""
        return self.folder / f"{self.name}.log"

    @property
    def credentials(self) -> Credentials:
        """Its credentials at the venue."""
        return Credentials(api_key=self.name, access_token="-")

    def make_broker(self, kind: type[InstantFillBroker] = InstantFillBroker) -> InstantFillBroker:
        """Return a new broker of this kind for it."""
        return kind(
            rest=self.rest, credentials=self.credentials, clock=self.clock, limiter=Limiter(WIDE_LIMITS, self.clock)
        )


def bench_config(site: DaemonSite, analysis: AnalysisSection, *, store: bool, **risk: Any) -> Config:
    """Return the default config with limits that no order reaches; `risk` overrides some of them."""
    # The config validates against regulatory limits; a measurement of more orders has to bypass that.
    wide = RiskSection.model_construct(
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
        | risk
    )
    config = Config(
        app=AppSection(symbols=tuple(map(symbol_name, range(site.symbols))), state_dir=site.folder / site.name),
        analysis=analysis,
        journal=JournalSection(min_free_mb=16),
        strategy=(),
        risk=wide,
    )
    return config if store else config.model_copy(update={"store": config.store.model_copy(update={"enabled": False})})


@asynccontextmanager
async def running_daemon(
    site: DaemonSite,
    config: Config,
    broker: InstantFillBroker,
    feed_of: Callable[[Universe], Feed],
    strategies: Sequence[StrategySpec] = (),
    bus: EventBus | None = None,
) -> AsyncIterator[tuple[Daemon, Journal]]:
    """Run the whole daemon inside the context; stdout and stderr of the process go to the log of `site`.

    `bus` has its listeners besides the log; none where it is left out. The daemon trades once the caller waits.
    """
    with site.log_path.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    clock, state = site.clock, config.app.state_dir
    logs.configure_log(level="info", format="json", run_id=site.name, mode="paper")
    bus = bus or EventBus()
    bus.subscribe(logs.log_listener("daemon"))
    tell = bus.emit_event
    venue_session = VenueSession(
        venue=InstantFillVenue(broker, feed_of),
        venue_name="bench",
        clock=clock,
        account="B",
        universe=bench_universe(site.symbols),
        patience=StartRetry(within_s=0, clock=clock, tell=tell),
    )
    recovery, outbox = recover_state(state / FILE_NAME), open_outbox(config, tell, WallClock())
    journaling = Journal(state, run=site.name, clock=clock, limits=WriteLimits(durable_within_s=None))
    journaling.subscribe_to_commits(JournalLogger(tell, clock).log_rows_later)
    quiet = Notifier({}, pid=0)  # no supervisor waits for notifications
    conditions.BLIND_AFTER_NS = conditions.NEVER  # this venue has no lists to poll after the start
    async with journaling as journal:
        broker.daemon = daemon = Daemon(
            config, site.name, venue_session, journal, recovery, strategies, outbox=outbox, tell=tell, notifier=quiet
        )
        await daemon.recover_and_reconcile()
        async with asyncio.TaskGroup() as tasks:
            trade = tasks.create_task(daemon.run_until_stopped(asyncio.Event(), []), name="trade")
            yield daemon, journal
            trade.cancel()
        await daemon.analysis.stop_workers()
