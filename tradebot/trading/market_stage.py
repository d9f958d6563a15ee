"""The market stage: quotes, answers and ticks through the bars; closes to the analysis, what is sound to the desk."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Fetched, LinkDown, LinkUp, Tick
from tradebot.ops.events.event import Tell
from tradebot.ops.events.market import BarClosed, FeedResumed, FeedStalled
from tradebot.trading.bars import Bars
from tradebot.trading.clock_watch import ClockWatch
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.execution import Ledger
from tradebot.trading.lanes import Lanes
from tradebot.trading.quote_care import QuoteCare
from tradebot.trading.watch import FeedWatch


class Watches(NamedTuple):
    """What watches over the market's data: that quotes come, that clocks agree, that each price is one."""

    feed: FeedWatch
    clock: ClockWatch
    care: QuoteCare


class MarketStage:
    """Reads the lane of the market, one message at a time; the one that drives the bars."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        bars: Bars,
        universe: Universe,
        clock: Clock,
        journal: Ledger,
        account: AccountView,
        watches: Watches,
        tell: Tell,
    ) -> None:
        self._lanes, self._bars, self._universe, self._clock = lanes, bars, universe, clock
        self._journal, self._account, self._tell = journal, account, tell
        self._watch, self._clock_watch, self._care = watches
        self.ready = asyncio.Event()  # set with the first quote that passed the sieve

    async def run(self) -> None:
        """Serve the lane for ever."""
        async for message in self._lanes.to_bars:
            match message:
                case Quotes():
                    self._on_quotes(message)
                case Tick():
                    await self._on_tick(message)
                case Fetched(quotes=quotes):
                    self._on_answer(quotes)
                case LinkUp() | LinkDown():
                    self._journal.append("link", message, at=self._clock.market_ns())
                    await self._lanes.quotes.put(message)
                case _:
                    raise AssertionError(f"bars does not know {type(message).__name__}")

    def _on_quotes(self, quotes: Quotes) -> None:
        self._clock_watch.heard(quotes)
        sound = self._bars.apply(quotes)
        self._care.took(sound)
        if len(sound):
            self._watch.fed(sound.seen_at)
            self._lanes.quotes.offer(sound)
            self.ready.set()

    def _on_answer(self, quotes: Quotes) -> None:
        self._care.answered(quotes, ~self._bars.sieve.knows(quotes))
        true = self._bars.answer(quotes)
        self._care.took(true)
        if len(true):
            self._lanes.quotes.offer(true)

    async def _on_tick(self, tick: Tick) -> None:
        if (apart := self._clock_watch.step()) is not None:
            self._lanes.updates.post(apart)
        if (session := self._bars.roll(tick.at)) is not None:
            self._journal.append("session", session, at=tick.at)
            await self._lanes.signals.put(session)
        for close in self._bars.close(tick.at, mono=tick.mono):
            self._journal.append("close", close, at=close.ends_at)
            self._tell(BarClosed(at=close.ends_at, bars=len(close)))
            await self._lanes.closes.put(close)
        if (late := self._bars.late.news(tick.mono, self._universe)) is not None:
            self._tell(late)
        await self._watch_over(tick)
        await self._lanes.quotes.put(tick)

    async def _watch_over(self, tick: Tick) -> None:
        is_open = self._bars.is_open(tick.at)
        for link in self._watch.step(tick.mono, is_open=is_open):
            if isinstance(link, LinkDown):
                self._tell(FeedStalled(reason=link.reason))
            else:
                self._tell(FeedResumed())
            self._journal.append("link", link, at=tick.at)
            await self._lanes.quotes.put(link)
        if is_open and not self._watch.is_stale:
            frozen = self._care.step(tick.mono, held=self._account.held_ids(), guarded=self._account.guarded)
            if frozen is not None:
                self._journal.append("frozen", frozen, at=tick.at)
                await self._lanes.quotes.put(frozen)
