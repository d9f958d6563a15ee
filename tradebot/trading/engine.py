"""The engine: the lanes, the stages, the tasks, and how it stops. The whole machine on one screen, nothing else.

    feed ──market──▶ bars ──closes──▶ analysis ──signals──▶ desk ──orders──▶ execution ──▶ venue
      ▲                └────────── quotes, ticks ─────────────▲                              │
    clock                                                     └──────── updates ─────────────┘

One task a stage, one `TaskGroup`: a task that fails ends them all and with them the process. Stopping has one meaning:
the feed ends, everything drains, resting orders are handled by policy, the venue is asked once more, the tasks end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Books, Command
from tradebot.ops.events.event import Tell
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.bars import Bars
from tradebot.trading.clock_watch import ClockWatch
from tradebot.trading.desk_stage import DeskStage
from tradebot.trading.drain import Drain
from tradebot.trading.execution import Execution, Ledger, SendRules
from tradebot.trading.feed_intake import FeedIntake
from tradebot.trading.freeze import Freeze
from tradebot.trading.inquiry import Inquiry
from tradebot.trading.lanes import Lanes
from tradebot.trading.look_schedule import Pace
from tradebot.trading.market_stage import MarketStage, Watches
from tradebot.trading.metronome import Metronome
from tradebot.trading.quote_care import QuoteCare
from tradebot.trading.reconciliation import Reconciliation
from tradebot.trading.session_watch import SessionWatch
from tradebot.trading.signal_stage import SignalStage
from tradebot.trading.trading_desk import TradingDesk
from tradebot.trading.watch import FeedWatch, Silences
from tradebot.venues.venue import Broker, Feed


class Telemetry(NamedTuple):
    """What the engine says of itself. `measure(name, ns)` takes latencies, `tell(event, **fields)` what the operator
    should read; `beat` is called with each tick that came through bars and desk: what the watchdog may rely on.
    """

    measure: Callable[[str, int], None]
    tell: Tell
    beat: Callable[[], None]


class EngineSettings(NamedTuple):
    """How long the engine waits: market seconds until quotes are stale, wall seconds between two fetches of them while
    the stream is down and between two looks at the books, and what holds for each order that is to leave.
    """

    stale_after_s: float
    poll_every_s: float
    pace: Pace
    sending: SendRules


class Stages(NamedTuple):
    """The stages that think: they know neither the lanes nor the venue."""

    bars: Bars
    analysis: Analysis
    desk: TradingDesk


class Engine:
    """Runs the stages between one feed and one broker."""

    def __init__(
        self, *, feed: Feed, broker: Broker, universe: Universe, clock: Clock, stages: Stages, journal: Ledger,
        telemetry: Telemetry, settings: EngineSettings,
    ) -> None:  # fmt: skip
        (bars, analysis, desk), (measure, tell, beat) = stages, telemetry
        self._feed, account = feed, desk.account
        self.lanes = lanes = Lanes(clock)
        self._metronome = Metronome(lanes.market, clock=clock, bars=bars, analysis=analysis, measure=measure)
        self.session = SessionWatch(
            ask=broker.fetch_account_id, clock=clock, post=lanes.updates.post, tell=tell, held=account.held
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            broker=broker, clock=clock, post=lanes.updates.post, has_live=account.is_exposed, tell=tell,
            pace=settings.pace, wanted_at=account.look_wanted_at, suspect=self.session.suspect,
        )  # fmt: skip
        self.execution = Execution(
            broker=broker, journal=journal, clock=clock, post=lanes.updates.post, doubt=self.reconciliation.doubt,
            measure=measure, rules=settings.sending, logged_out=self.session.refused,
        )  # fmt: skip
        self.intake = FeedIntake(
            lanes=lanes, broker=broker, universe=universe, clock=clock, reconciliation=self.reconciliation,
            session=self.session, tell=tell, poll_every_s=settings.poll_every_s,
        )  # fmt: skip
        self.inquiry = Inquiry(
            broker=broker, universe=universe, clock=clock, put=lanes.market.put, resubscribe=feed.resubscribe,
            tell=tell, pause_s=settings.poll_every_s,
        )  # fmt: skip
        care = QuoteCare(
            bars=bars, universe=universe, inquiry=self.inquiry, freeze=Freeze(len(universe)),
            silences=Silences(stale_after_s=settings.stale_after_s, speed=clock.speed), halt=lanes.updates.post,
            tell=tell,
        )  # fmt: skip
        feed_watch = FeedWatch(stale_after_s=settings.stale_after_s, speed=clock.speed)
        self.market_stage = MarketStage(
            lanes=lanes, bars=bars, universe=universe, clock=clock, journal=journal, account=account,
            watches=Watches(feed=feed_watch, clock=ClockWatch(clock, tell), care=care), tell=tell,
        )  # fmt: skip
        self.signal_stage = SignalStage(
            lanes=lanes, analysis=analysis, desk=desk, clock=clock, journal=journal, measure=measure
        )
        orders = self.execution.queue
        self.desk_stage = DeskStage(lanes=lanes, desk=desk, clock=clock, journal=journal, orders=orders, beat=beat)
        self._drain = Drain(
            lanes=lanes, account=account, orders=orders, books=self.reconciliation.books, clock=clock, journal=journal,
            tell=tell,
        )  # fmt: skip

    async def reconcile(self) -> Books:
        """Compare with the venue before anything runs. Raises LinkLost or AccessDenied."""
        await self.desk_stage.take_first_tick()
        books = await self.reconciliation.books.read_whole()
        await self.desk_stage.adopt(books)
        return books

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then drain and return. An exception of any task is raised, in its group."""
        self.desk_stage.begin()
        async with asyncio.TaskGroup() as tasks:

            def start(name: str, coroutine: Any) -> asyncio.Task[None]:
                return tasks.create_task(coroutine, name=name)

            feed = start("feed", self._feed.run(self.intake.on_market, self.intake.on_order))
            rest = [
                start("clock", self._metronome.run()),
                start("fetcher", self.intake.run()),
                start("inquiry", self.inquiry.run()),
                start("bars", self.market_stage.run()),
                start("analysis", self.signal_stage.run()),
                start("analysis-workers", self.signal_stage.run_workers()),
                start("desk", self.desk_stage.run()),
                *(start(f"execution-{i}", self.execution.run(i)) for i in range(len(self.execution.queue))),
                start("reconciliation", self.reconciliation.run()),
                start("fills", self.reconciliation.run_fills()),
                start("broker-session", self.session.run()),
            ]
            await stop.wait()
            self.signal_stage.stop()
            self.desk_stage.stop()
            await self._drain.quiet()
            feed.cancel()
            await self._drain.last_looks()
            for task in (feed, *rest):
                task.cancel()

    async def command(self, command: Command) -> None:
        """Give the desk a command; returns when it was applied and what followed from it is on disk."""
        await self.desk_stage.command(command)

    @property
    def streaming(self) -> asyncio.Event:
        """Set with the first quote of the stream."""
        return self.intake.streaming

    @property
    def warm(self) -> asyncio.Event:
        """To be set once the analysis knows the past: closes wait for it, quotes and what guards by them do not."""
        return self.signal_stage.warm

    @property
    def ready(self) -> asyncio.Event:
        """Set with the first quote that passed the sieve."""
        return self.market_stage.ready

    @property
    def resubscribed(self) -> int:
        """How many instruments the stream was asked to send again, one each time."""
        return self.inquiry.resubscribed

    @property
    def frames_dropped(self) -> dict[str, int]:
        """What came over the feed and could not be used, by kind."""
        return self._feed.dropped_counts
