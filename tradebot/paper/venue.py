"""A paper venue: the quotes of a venue that is only read, and a paper account whose orders never leave this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tradebot.clock import SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.markets.market import common_market
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.paper.accounts import paper_account_id
from tradebot.paper.broker import PaperBroker, RefusalReply
from tradebot.paper.feed import PaperFeed
from tradebot.paper.paper_market import PaperMarket
from tradebot.paper.settings import PaperSettings
from tradebot.venues.venue import ReadOnlyVenue, VenueRules

# Wall seconds between two looks at the clock while nothing is in transit: only a session's end and the next day wait
# for it, because each quote and each request moves the market at once.
IDLE_S = 0.25


class PaperVenue:
    """Implements `Venue`. The paper account is open within `open_account`; before that only the venue can be read.

    `known_accounts` are the accounts that the journal knows. `reply_to` words the venue's refusals.
    """

    def __init__(
        self,
        venue: ReadOnlyVenue,
        clock: Clock,
        settings: PaperSettings,
        *,
        reply_to: RefusalReply,
        known_accounts: Collection[str] = (),
    ) -> None:
        self._venue, self._clock, self._settings = venue, clock, settings
        self._woken = asyncio.Event()
        self.broker = PaperBroker(
            venue.broker,
            clock,
            reply_to=reply_to,
            name_account=lambda account: paper_account_id(account, settings.log, known=known_accounts),
            wake=self._woken.set,
        )
        self.venue_rules: VenueRules = self.broker.venue_rules

    def resume_day(self, sent_before: int) -> None:
        """Add the orders that earlier processes sent on this market day: the venue would count them as well."""
        self.broker.resume_day(sent_before)

    def create_feed(self, universe: Universe, *, tell: EventListener = drop_event) -> PaperFeed:
        """Return a feed of the venue's quotes and of the paper account's orders."""
        feed = self._venue.create_feed(universe, tell=tell)
        return PaperFeed(feed, self.broker.market, self._clock, wake=self._woken.set)

    @asynccontextmanager
    async def open_account(self, account_id: str, universe: Universe) -> AsyncIterator[PaperMarket]:
        """Open the paper account and move its market by the clock, over nights as well, until the block ends.

        Raises DataError or StateError where the log of its earlier days cannot be used.
        """
        market = PaperMarket(
            universe,
            self._clock,
            self._settings,
            account_id=account_id,
            market=common_market(i.exchange for i in universe),
        )
        try:
            await market.turn_day(self._clock.market_ns())
            self.broker.trade_on(market)
            async with asyncio.TaskGroup() as tasks:
                moving = tasks.create_task(self._move_market(market), name="paper market")
                yield market
                moving.cancel()
        finally:
            market.close_market()

    async def _move_market(self, market: PaperMarket) -> None:
        while True:
            now = self._clock.market_ns()
            if market.is_day_over(now):
                await market.turn_day(now)
            market.advance_to(now)
            try:
                async with asyncio.timeout(self._pause_s(market)):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    def _pause_s(self, market: PaperMarket) -> float:
        due = market.exchange.next_call_at
        if due is None:
            return IDLE_S
        wait = (due - self._clock.market_ns()) / (self._clock.speed * SECOND)
        return min(max(wait, 0.0), IDLE_S)


@asynccontextmanager
async def open_paper_venue(
    reading: AbstractAsyncContextManager[ReadOnlyVenue],
    clock: Clock,
    settings: PaperSettings,
    *,
    reply_to: RefusalReply,
    known_accounts: Collection[str] = (),
) -> AsyncIterator[PaperVenue]:
    """Open a venue for reading, for a paper account on its quotes."""
    async with reading as venue:
        yield PaperVenue(venue, clock, settings, reply_to=reply_to, known_accounts=known_accounts)
