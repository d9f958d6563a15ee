"""The market stage: filters quotes and builds bars; closes go to the analysis, valid quotes and ticks to the desk."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import ClockTick, FetchedQuotes, LinkDown, LinkUp
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import BarClosed, FeedResumed, FeedStalled
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.clock_monitor import ClockMonitor
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.feed_monitor import FeedMonitor
from tradebot.trading.order_sender import JournalAppender
from tradebot.trading.outages import OutageLog
from tradebot.trading.queues import StageQueues
from tradebot.trading.quote_quality import QuoteQualityMonitor


class MarketMonitors(NamedTuple):
    """The monitors of market data: whether quotes come, whether the clocks agree, whether prices are plausible.

    `outages` notes which bars a loss of the feed spoiled.
    """

    feed: FeedMonitor
    clock: ClockMonitor
    quality: QuoteQualityMonitor
    outages: OutageLog


class MarketStage:
    """Reads the market inbox one message at a time. No other stage calls the bar builder."""

    def __init__(
        self,
        *,
        queues: StageQueues,
        bars: BarBuilder,
        universe: Universe,
        clock: Clock,
        journal: JournalAppender,
        account: AccountView,
        monitors: MarketMonitors,
        tell: EventListener,
    ) -> None:
        self._queues, self._bars, self._universe, self._clock = queues, bars, universe, clock
        self._journal, self._account, self._tell = journal, account, tell
        self._feed_monitor, self._clock_monitor, self._quality_monitor, self._outages = monitors
        self.quotes_ready = asyncio.Event()  # set with the first quote that passed the quote filter

    async def process_messages(self) -> None:
        """Process the messages of the market inbox for ever."""
        async for message in self._queues.market_inbox:
            match message:
                case Quotes():
                    self._on_quotes(message)
                case ClockTick():
                    await self._on_tick(message)
                case FetchedQuotes(quotes=quotes):
                    self._on_answer(quotes)
                case LinkUp() | LinkDown():
                    self._journal.append("link", message, at=self._clock.market_ns())
                    await self._note_link(message, self._clock.market_ns())
                    await self._queues.quotes.put(message)
                case _:
                    raise AssertionError(f"bars does not know {type(message).__name__}")

    def _on_quotes(self, quotes: Quotes) -> None:
        self._clock_monitor.on_quotes(quotes)
        valid = self._bars.add_quotes(quotes)
        self._quality_monitor.on_filtered_quotes(valid)
        if len(valid):
            self._feed_monitor.on_quote(valid.seen_at)
            self._queues.quotes.offer_quotes(valid)
            self.quotes_ready.set()

    def _on_answer(self, quotes: Quotes) -> None:
        # Quotes that were requested. The monitor is asked first, because adding them changes what repeats.
        self._quality_monitor.on_venue_answer(quotes, ~self._bars.quote_filter.repeats_newest(quotes))
        valid = self._bars.add_venue_answer(quotes)
        self._quality_monitor.on_filtered_quotes(valid)
        if len(valid):
            self._queues.quotes.offer_quotes(valid)

    async def _on_tick(self, tick: ClockTick) -> None:
        # The desk gets the tick last, after the session, closes and links that it led to here.
        if (offset := self._clock_monitor.compare_clocks()) is not None:
            self._queues.updates.put_or_fail(offset)
        if (session := self._bars.roll_session(tick.at)) is not None:
            self._journal.append("session", session, at=tick.at)
            await self._queues.signals.put(session)
        if (spoiled := self._outages.on_tick(tick.at)) is not None:
            await self._queues.closes.put(spoiled)
        for batch in self._bars.close_due_bars(tick.at, mono=tick.mono):
            self._journal.append("close", batch, at=batch.ends_at)
            self._tell(BarClosed(at=batch.ends_at, bars=len(batch)))
            if (spoiled := self._outages.on_close(batch)) is not None:
                await self._queues.closes.put(spoiled)
            await self._queues.closes.put(batch)
        if (late := self._bars.late_quotes.take_warning(tick.mono, self._universe)) is not None:
            self._tell(late)
        await self._run_monitors(tick)
        await self._queues.quotes.put(tick)

    async def _run_monitors(self, tick: ClockTick) -> None:
        is_open = self._bars.is_open(tick.at)
        for link in self._feed_monitor.check_staleness(tick.mono, is_open=is_open):
            if isinstance(link, LinkDown):
                self._tell(FeedStalled(reason=link.reason))
            else:
                self._tell(FeedResumed())
            self._journal.append("link", link, at=tick.at)
            # A silence began before it was found.
            silent_ns = self._feed_monitor.silence_ns(tick.mono) if isinstance(link, LinkDown) else 0
            await self._note_link(link, tick.at - int(silent_ns * self._clock.speed))
            await self._queues.quotes.put(link)
        if is_open and not self._feed_monitor.is_stale:
            frozen = self._quality_monitor.check_instruments(
                tick.mono, held=self._account.open_instrument_ids(), guarded=self._account.protected_mask
            )
            if frozen is not None:
                self._journal.append("frozen", frozen, at=tick.at)
                await self._queues.quotes.put(frozen)

    async def _note_link(self, link: LinkUp | LinkDown, market_at: int) -> None:
        # Between the closes, so that the first one after the hole already finds its symbols held back.
        if (spoiled := self._outages.on_link(link, market_at)) is not None:
            await self._queues.closes.put(spoiled)
