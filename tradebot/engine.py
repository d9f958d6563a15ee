"""The engine: the queues, the tasks, and how it stops. The whole machine on one screen, nothing else.

    feed ──market──▶ bars ──closes──▶ analysis ──signals──▶ desk ──orders──▶ execution ──▶ venue
      ▲                └────────── quotes, ticks ─────────────▲                              │
    clock                                                     └──────── updates ─────────────┘

One task a stage, one `TaskGroup`: a task that fails ends them all and with them the process. Stopping has one meaning:
the feed ends, everything drains, resting orders are handled by policy, the venue is asked once more, the tasks end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tradebot.clock import SECOND, Clock, Turn
from tradebot.domain.control import Verb
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Close, Quotes
from tradebot.domain.messages import (
    Books,
    Cancel,
    Command,
    Fetched,
    Incident,
    LinkDown,
    LinkUp,
    MarketMessage,
    Modify,
    OrderSeen,
    Reconciled,
    Signals,
    Submit,
    Tick,
    Trailing,
)
from tradebot.domain.order import OrderFact, VenueOrder
from tradebot.errors import AccessDenied, LinkLost, SessionLost
from tradebot.stages.analysis.analysis import Analysis
from tradebot.stages.bars import Bars
from tradebot.stages.clock_watch import ClockWatch
from tradebot.stages.desk.desk import Desk, DeskOutput
from tradebot.stages.execution import Execution, Ledger
from tradebot.stages.freeze import Freeze
from tradebot.stages.inquiry import Inquiry
from tradebot.stages.lanes import BREATH, Inbox, Lane
from tradebot.stages.looks import Looks
from tradebot.stages.metronome import Metronome
from tradebot.stages.quote_care import QuoteCare
from tradebot.stages.reconciliation import Pace, Reconciliation
from tradebot.stages.session_watch import SessionWatch
from tradebot.stages.watch import FeedWatch, Silences
from tradebot.venues.venue import Broker, Feed

DRAIN_S = 2.5  # wall seconds a stop waits for resting orders to end
WARM_POLL_S = 0.02
LAST_LOOKS, LAST_LOOKS_PAUSE_S = 3, 0.25  # at the venue's books before a run ends, and between two of them


class Engine:
    """Runs the stages between one feed and one broker; what ends in `_s` are wall seconds of the config.

    `measure(name, ns)` takes latencies, `tell(event, **fields)` what the operator should read. `beat` is called with
    each tick that came through bars and desk: what the watchdog may rely on. `killed` says why no order may be sent,
    "" while orders may.
    """

    def __init__(
        self, *, feed: Feed, broker: Broker, clock: Clock, bars: Bars, analysis: Analysis, desk: Desk, journal: Ledger,
        watch: FeedWatch, silences: Silences, measure: Callable[[str, int], None], tell: Callable[..., None],
        beat: Callable[[], None], universe: Universe, poll_every_s: float, reconcile_live_s: float,
        reconcile_idle_s: float, order_deadline_s: float, durable_within_s: float,
        killed: Callable[[], str] = lambda: "",
    ) -> None:  # fmt: skip
        self._broker, self._universe, self._poll_every_s = broker, universe, poll_every_s
        self._stream_is_down = asyncio.Event()
        self.streaming = asyncio.Event()  # set with the first quote of the stream
        self._feed, self._clock, self._bars, self._analysis, self._desk = feed, clock, bars, analysis, desk
        self._journal, self._watch, self._measure, self._tell, self._beat = journal, watch, measure, tell, beat
        # When one is full: quotes merge to the newest per symbol, closes and signals make the sender wait, updates may
        # not be lost, so the process ends.
        self.market = Lane("market", 2_000)
        self.closes = Lane("closes", 64)
        self.updates = Lane("updates", 10_000)
        self.signals = Lane("signals", 512)  # pieces of a close
        self.quotes = Lane("quotes", 2_000)
        self._bars_inbox = Inbox((self.market,), clock)
        self._inbox = Inbox((self.updates, self.signals, self.quotes), clock)  # the desk's
        self._metronome = Metronome(self.market, clock=clock, bars=bars, analysis=analysis, measure=measure)
        self.session = SessionWatch(
            ask=broker.login, clock=clock, post=self.updates.post, tell=tell, held=self._held
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            broker=broker, clock=clock, post=self.updates.post, has_live=self._is_exposed, tell=tell,
            pace=Pace(live_s=reconcile_live_s, idle_s=reconcile_idle_s),
            wanted_at=desk.sightings.look_wanted_at, suspect=self.session.suspect,
        )  # fmt: skip
        self.execution = Execution(
            broker=broker, journal=journal, clock=clock, post=self.updates.post, doubt=self.reconciliation.doubt,
            measure=measure, deadline_s=order_deadline_s, durable_within_s=durable_within_s, killed=killed,
            logged_out=self.session.refused,
        )  # fmt: skip
        self._commands: list[tuple[Command, asyncio.Event]] = []  # given from outside, not applied yet
        self._is_running = self._is_stopping = False
        self.last_bar = self.last_signal = 0  # the end of the bars that were decided on, market ns
        self._looks = Looks(desk.blotter)
        self._clock_watch = ClockWatch(clock, tell)
        self.warm = (
            asyncio.Event()
        )  # set by the owner once the analysis knows the past; closes wait for it, quotes do not
        self.ready = asyncio.Event()  # set with the first quote that passed the sieve
        self._inquiry = Inquiry(
            broker=broker, universe=universe, clock=clock, put=self.market.put, resubscribe=self._resubscribe,
            tell=tell, pause_s=poll_every_s,
        )  # fmt: skip
        self._care = QuoteCare(
            bars=bars, universe=universe, inquiry=self._inquiry, silences=silences,
            freeze=Freeze(len(universe)), halt=self.updates.post, tell=tell,
        )  # fmt: skip

    async def reconcile(self) -> Books:
        """Compare with the venue before anything runs. Raises LinkLost or AccessDenied."""
        for output in self._desk.apply(Tick(at=self._clock.market(), mono=self._clock.monotonic())):
            await self._route(output)
        books = await self.reconciliation.read_whole()
        for output in self._desk.adopt(books):
            await self._route(output)
        await self._journal.durable()
        return books

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop` is set, then drain and return. An exception of any task is raised, in its group."""
        self._is_running = True
        async with asyncio.TaskGroup() as tasks:

            def start(name: str, coroutine: Any) -> asyncio.Task[None]:
                return tasks.create_task(coroutine, name=name)

            feed = start("feed", self._feed.run(self._on_market, self._on_order))
            rest = [
                start("clock", self._metronome.run()),
                start("fetcher", self._run_fetcher()),
                start("inquiry", self._inquiry.run()),
                start("bars", self._run_bars()),
                start("analysis", self._run_analysis()),
                start("analysis-workers", self._run_workers()),
                start("desk", self._run_desk()),
                *(start(f"execution-{i}", self.execution.run(i)) for i in range(self.execution.lanes)),
                start("reconciliation", self.reconciliation.run()),
                start("fills", self.reconciliation.run_fills()),
                start("broker-session", self.session.run()),
            ]
            await stop.wait()
            await self._drain(feed)
            for task in (feed, *rest):
                task.cancel()

    async def command(self, command: Command) -> None:
        """Give the desk a command; returns when it was applied and what followed from it is on disk."""
        if not self._is_running:  # nobody reads the inbox yet; the desk is the caller's alone
            for output in self._desk.apply(command):
                await self._route(output)
            await self._journal.durable()
            return
        applied = asyncio.Event()
        self._commands.append((command, applied))
        self.updates.post(command)
        await applied.wait()
        await self._journal.durable()

    async def _drain(self, feed: asyncio.Task[None]) -> None:
        self._is_stopping = True
        self.updates.post(Command(verb=Verb.STOP))
        deadline = self._clock.monotonic() + int(DRAIN_S * SECOND)
        while self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
            if not self._has_live() and self._inbox.is_empty and not self.execution.pending:
                break
        feed.cancel()
        # A look may lead to requests, such as a cancel that has its turn again: the last is the one that led to none.
        for _ in range(LAST_LOOKS):
            before = self.execution.ended
            await self._last_look()
            if self.execution.ended == before and not self.execution.pending:
                return
            await self._clock.sleep(LAST_LOOKS_PAUSE_S)

    async def _last_look(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                self.updates.post(await self.reconciliation.read())
                while not self._inbox.is_empty or self.execution.pending:
                    await self._clock.sleep(0.005)
                await self._journal.durable()
        except (TimeoutError, LinkLost, AccessDenied) as error:
            reason = str(error) or "the venue did not answer in time"
            self._tell("stopped_without_books", level="warning", reason=reason)

    # ---- sources

    async def _resubscribe(self, ids: Sequence[int]) -> None:
        await self._feed.resubscribe(ids)

    def _on_market(self, message: MarketMessage) -> None:
        if isinstance(message, Quotes):
            self.streaming.set()
            self.market.offer(message)
            return
        self.market.post(message)
        match message:
            case LinkUp():
                self._stream_is_down.clear()
                self._tell("feed_connected", source=message.source)
                self.reconciliation.doubt()
            case LinkDown():
                self._stream_is_down.set()
                self._tell("feed_lost", level="warning", source=message.source, reason=message.reason)
                self.session.suspect()

    def _on_order(self, order: VenueOrder) -> None:
        self.updates.post(OrderSeen(order=order, mono=self._clock.monotonic()))
        if order.filled:
            self.reconciliation.hint_fill()

    async def _run_fetcher(self) -> None:
        # While the stream is down quotes are fetched: positions stay valued and guarded, entries stay off.
        while True:
            await self._stream_is_down.wait()
            try:
                self.market.offer(await self._broker.quotes(self._universe))
            except (LinkLost, AccessDenied) as error:
                if isinstance(error, SessionLost):
                    self.session.suspect()
                self._tell("quotes_not_fetched", level="debug", reason=str(error))
            await self._clock.sleep(self._poll_every_s)

    # ---- stages

    async def _run_bars(self) -> None:
        async for message in self._bars_inbox:
            match message:
                case Quotes():
                    self._clock_watch.heard(message)
                    sound = self._bars.apply(message)
                    self._care.took(sound)
                    if len(sound):
                        self._watch.fed(sound.seen_at)
                        self.quotes.offer(sound)
                        self.ready.set()
                case Tick():
                    await self._on_tick(message)
                case Fetched(quotes=quotes):
                    self._on_answer(quotes)
                case LinkUp() | LinkDown():
                    self._journal.append("link", message, at=self._clock.market())
                    await self.quotes.put(message)
                case _:
                    raise AssertionError(f"bars does not know {type(message).__name__}")

    def _on_answer(self, quotes: Quotes) -> None:
        self._care.answered(quotes, ~self._bars.sieve.knows(quotes))
        true = self._bars.answer(quotes)
        self._care.took(true)
        if len(true):
            self.quotes.offer(true)

    async def _on_tick(self, tick: Tick) -> None:
        if (apart := self._clock_watch.step()) is not None:
            self.updates.post(apart)
        if (session := self._bars.roll(tick.at)) is not None:
            self._journal.append("session", session, at=tick.at)
            await self.signals.put(session)
        for close in self._bars.close(tick.at, mono=tick.mono):
            self._journal.append("close", close, at=close.ends_at)
            self._tell("bar_closed", level="debug", at=close.ends_at, bars=len(close))
            await self.closes.put(close)
        if (late := self._bars.late.news(tick.mono, self._universe)) is not None:
            self._tell("quotes_late", level="warning", **late)
        for link in self._watch.step(tick.mono, is_open=self._bars.is_open(tick.at)):
            if isinstance(link, LinkDown):
                self._tell("feed_stale", level="warning", reason=link.reason, action="no entries until quotes come")
            else:
                self._tell("feed_fresh")
            self._journal.append("link", link, at=tick.at)
            await self.quotes.put(link)
        if self._bars.is_open(tick.at) and not self._watch.is_stale:
            held = (self._universe.ids[s] for s in self._desk.blotter.open if s in self._universe)
            frozen = self._care.step(tick.mono, held=held, guarded=self._desk.protection.mask)
            if frozen is not None:
                self._journal.append("frozen", frozen, at=tick.at)
                await self.quotes.put(frozen)
        await self.quotes.put(tick)

    async def _run_analysis(self) -> None:
        turn = Turn(self._clock, BREATH)
        early = await self._until_warm()
        while True:
            close: Close = early.popleft() if early else await self.closes.get()
            if self._is_stopping:
                continue
            self.last_bar = close.ends_at
            volley = await self._analysis.ask(close, self._desk.holdings_at(close))
            turn.begin()
            for signals in volley.pieces():
                if not (signals.signals or signals.failed):
                    continue
                if self._clock.monotonic() > turn.ends_at:
                    await turn.give()
                if signals.signals:
                    self.last_signal = close.ends_at
                self._journal.append("signals", signals, at=close.ends_at)
                await self.signals.put(signals)
                self._measure("quote_to_signal", self._clock.monotonic() - close.quoted_at)
            self._measure("close_to_signals", self._clock.monotonic() - close.seen_at)

    async def _until_warm(self) -> deque[Close]:
        # Guards act on quotes, which must not wait behind closes. What is kept is bounded by the time of the warm-up.
        early = deque[Close]()
        while not self.warm.is_set():
            while self.closes.qsize():
                early.append(await self.closes.get())
            await self._clock.sleep(WARM_POLL_S)
        return early

    async def _run_workers(self) -> None:
        await self.warm.wait()
        await self._analysis.run()

    async def _run_desk(self) -> None:
        async for message in self._inbox:
            for output in self._desk.apply(message):
                await self._route(output)
            kind = type(message)
            if kind is Signals:
                self._inbox.pause()  # after a burst of them the loop would stand still
            elif kind is Tick:
                self._beat()
            elif kind is Command:
                for waiting in [w for w in self._commands if w[0] is message]:
                    self._commands.remove(waiting)
                    waiting[1].set()

    async def _route(self, output: DeskOutput) -> None:
        match output:
            case Submit() | Modify() | Cancel():
                await self.execution.put(output)
            case OrderFact():
                self._journal.append("order", output, at=output.at)
            case Reconciled():
                if self._looks.is_evidence(output, is_stopping=self._is_stopping):
                    self._journal.append("reconciled", output, at=output.at)
            case Command():
                self._journal.append(output.verb.value, output, at=self._clock.market())
            case Trailing():
                self._journal.append("trailing", output, at=output.at)
            case Incident():
                self._journal.append("incident", output, at=output.at)
            case _:
                raise AssertionError(f"nobody takes {type(output).__name__} from the desk")

    def _is_exposed(self) -> bool:
        # A position of ours may be closed or converted by another hand, and conversions show in the books alone.
        return self._has_live() or bool(self._desk.blotter.open)

    @property
    def resubscribed(self) -> int:
        """How many instruments the stream was asked to send again, one each time."""
        return self._inquiry.resubscribed

    @property
    def frames_dropped(self) -> dict[str, int]:
        """What came over the feed and could not be used, by kind."""
        return self._feed.dropped

    def _held(self) -> dict[str, Decimal]:
        return {symbol: quantity for symbol, (quantity, _) in self._desk.holdings().items()}

    def _has_live(self) -> bool:
        return next(self._desk.blotter.live(), None) is not None
