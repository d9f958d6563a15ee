"""The engine: its queues, stages and tasks, and how it stops. The whole machine on one screen.

    feed ──market──▶ bars ──closes──▶ analysis ──signals──▶ desk ──orders──▶ order sender ──▶ venue
      ▲                └────────── quotes, ticks ─────────────▲                                 │
    clock                                                     └────────── updates ──────────────┘

Every stage is one task of one `TaskGroup`. A task that fails ends all tasks, and with them the process. A stop has a
fixed order: strategies stop deciding, the desk handles resting orders by its settings, the stages drain, the feed ends,
the account at the venue is read once more, the tasks end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from tradebot.clock import SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import AccountSnapshot, Command, LimitsReloaded
from tradebot.ops.events.event import EventListener
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.clock_feed import ClockFeed
from tradebot.trading.clock_monitor import ClockMonitor
from tradebot.trading.desk_stage import DeskStage
from tradebot.trading.drain import Drain
from tradebot.trading.feed_intake import FeedIntake
from tradebot.trading.feed_monitor import MIN_SILENCE_S, FeedMonitor, SilenceMonitor
from tradebot.trading.frozen_quotes import FrozenQuoteDetector
from tradebot.trading.login_monitor import LoginMonitor
from tradebot.trading.market_stage import MarketMonitors, MarketStage
from tradebot.trading.order_sender import JournalAppender, OrderSender, SendRules
from tradebot.trading.outages import OutageLog
from tradebot.trading.poll_schedule import PollPace
from tradebot.trading.queues import StageQueues
from tradebot.trading.quote_quality import QuoteQualityMonitor
from tradebot.trading.quote_requester import QuoteRequester
from tradebot.trading.reconciliation import Reconciliation
from tradebot.trading.signal_stage import SignalStage
from tradebot.trading.trading_desk import TradingDesk
from tradebot.venues.venue import Broker, Feed


class Telemetry(NamedTuple):
    """Where the engine reports about itself.

    `measure(name, ns)` takes a latency. `tell(event)` takes an event for the operator. `beat()` is called for each tick
    that has passed through bars and desk; the watchdog relies on it.
    """

    measure: Callable[[str, int], None]
    tell: EventListener
    beat: Callable[[], None]


class EngineSettings(NamedTuple):
    """How long the engine waits, and the rules for sending orders.

    `stale_after_s` is market seconds without a quote until the feed is stale. `poll_every_s` is wall seconds between
    two fetches of quotes while the stream is down. `poll_pace` is the pace at which account snapshots are read.
    """

    stale_after_s: float
    poll_every_s: float
    poll_pace: PollPace
    send_rules: SendRules


class EngineStages(NamedTuple):
    """The stages that compute and decide. They know neither the queues nor the venue."""

    bars: BarBuilder
    analysis: Analysis
    desk: TradingDesk


class Engine:
    """Runs the stages between one feed and one broker."""

    def __init__(
        self, *, feed: Feed, broker: Broker, universe: Universe, clock: Clock, stages: EngineStages,
        journal: JournalAppender, telemetry: Telemetry, settings: EngineSettings,
    ) -> None:  # fmt: skip
        (bars, analysis, desk), (measure, tell, beat) = stages, telemetry
        self._feed, account = feed, desk.account
        self.queues = queues = StageQueues(clock)
        self._clock_feed = ClockFeed(queues.market, clock=clock, bars=bars, analysis=analysis, measure=measure)
        self.login_monitor = LoginMonitor(
            check_login=broker.fetch_account_id, clock=clock, post=queues.updates.put_or_fail, tell=tell,
            open_quantities=account.open_quantities, on_restored=lambda: self.reconciliation.poll_soon(),
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            broker=broker, clock=clock, post=queues.updates.put_or_fail, is_exposed=account.is_exposed, tell=tell,
            pace=settings.poll_pace, next_poll_mono=account.next_poll_at,
            on_login_suspect=self.login_monitor.check_soon,
        )  # fmt: skip
        self.order_sender = OrderSender(
            broker=broker, journal=journal, clock=clock, post=queues.updates.put_or_fail,
            on_outcome_unknown=self.reconciliation.poll_soon, measure=measure, rules=settings.send_rules,
            on_login_dead=self.login_monitor.on_orders_refused,
        )  # fmt: skip
        self.feed_intake = FeedIntake(
            queues=queues, broker=broker, universe=universe, clock=clock, reconciliation=self.reconciliation,
            login_monitor=self.login_monitor, tell=tell, poll_every_s=settings.poll_every_s,
        )  # fmt: skip
        self.quote_requester = QuoteRequester(
            broker=broker, universe=universe, clock=clock, put_answer=queues.market.put, resubscribe=feed.resubscribe,
            tell=tell, pause_s=settings.poll_every_s,
        )  # fmt: skip
        quality_monitor = QuoteQualityMonitor(
            bars=bars, universe=universe, quote_requester=self.quote_requester,
            frozen_detector=FrozenQuoteDetector(len(universe)),
            silence_monitor=SilenceMonitor(stale_after_s=settings.stale_after_s, speed=clock.speed),
            halt=queues.updates.put_or_fail, tell=tell,
        )  # fmt: skip
        leap_s = max(settings.stale_after_s, MIN_SILENCE_S * clock.speed)
        self.outages = OutageLog(bars, leap_ns=int(leap_s * SECOND))
        feed_monitor = FeedMonitor(stale_after_s=settings.stale_after_s, speed=clock.speed)
        self.market_stage = MarketStage(
            queues=queues, bars=bars, universe=universe, clock=clock, journal=journal, account=account,
            monitors=MarketMonitors(feed_monitor, ClockMonitor(clock, tell), quality_monitor, self.outages), tell=tell,
        )  # fmt: skip
        self.signal_stage = SignalStage(
            queues=queues, analysis=analysis, desk=desk, clock=clock, journal=journal, measure=measure, tell=tell
        )
        orders = self.order_sender.queue
        self.desk_stage = DeskStage(queues=queues, desk=desk, clock=clock, journal=journal, orders=orders, beat=beat)
        self._drain = Drain(
            queues=queues, account=account, orders=orders, account_reader=self.reconciliation.account_reader,
            clock=clock, journal=journal, tell=tell,
        )  # fmt: skip

    async def reconcile_at_start(self) -> AccountSnapshot:
        """Read an account snapshot and compare it with the book, before any task runs; return the snapshot.

        Raises LinkLost or AccessDenied.
        """
        await self.desk_stage.take_first_tick()
        snapshot = await self.reconciliation.account_reader.read_consistent()
        await self.desk_stage.adopt_snapshot(snapshot)
        return snapshot

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then drain and return. Raises the exceptions of failed tasks as a group."""
        self.desk_stage.start_processing()
        async with asyncio.TaskGroup() as tasks:

            def start(name: str, coroutine: Any) -> asyncio.Task[None]:
                return tasks.create_task(coroutine, name=name)

            feed = start("feed", self._feed.run(self.feed_intake.on_market, self.feed_intake.on_order))
            rest = [
                start("clock", self._clock_feed.emit_ticks()),
                start("fetcher", self.feed_intake.fetch_while_down()),
                start("inquiry", self.quote_requester.send_requests()),
                start("bars", self.market_stage.process_messages()),
                start("analysis", self.signal_stage.process_closes()),
                start("analysis-workers", self.signal_stage.run_workers()),
                start("desk", self.desk_stage.process_messages()),
                *(start(f"execution-{i}", self.order_sender.run_shard(i)) for i in range(len(self.order_sender.queue))),
                start("reconciliation", self.reconciliation.run_polls()),
                start("fills", self.reconciliation.run_fill_fetches()),
                start("broker-session", self.login_monitor.run_checks()),
            ]
            await stop.wait()
            self.signal_stage.stop_deciding()
            self.desk_stage.announce_stop()
            await self._drain.wait_until_idle()
            feed.cancel()
            await self._drain.reconcile_at_end()
            for task in (feed, *rest):
                task.cancel()

    async def execute_command(self, command: Command | LimitsReloaded) -> None:
        """Give the desk a command. Returns once the command is applied and its consequences are on disk."""
        await self.desk_stage.execute_command(command)

    @property
    def stream_started(self) -> asyncio.Event:
        """Set with the first quote of the stream."""
        return self.feed_intake.stream_started

    @property
    def warmup_done(self) -> asyncio.Event:
        """Set by the owner once the analysis is warmed up. Closes wait for it; quotes and stops do not."""
        return self.signal_stage.warmup_done

    @property
    def quotes_ready(self) -> asyncio.Event:
        """Set with the first quote that passed the quote filter."""
        return self.market_stage.quotes_ready

    @property
    def resubscribed_count(self) -> int:
        """How many resubscriptions were asked for, counted by instrument."""
        return self.quote_requester.resubscribed_count

    @property
    def frames_dropped(self) -> dict[str, int]:
        """How many frames of the feed could not be used, by kind."""
        return self._feed.dropped_counts
