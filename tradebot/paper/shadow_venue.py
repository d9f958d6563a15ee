"""A live venue with a shadow: every request goes to the venue as it was, and is noted for the paper market."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from tradebot.clock import Clock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarSeries, Quotes
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import Fill, OrderRequest, VenueHolding, VenueOrder, VenueOrderStatus, VenuePosition
from tradebot.domain.venue_reports import AccountProfile
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import OutcomeUnknown
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.paper.quote_source import renumber_quotes
from tradebot.paper.settings import PaperSettings
from tradebot.paper.shadow import Shadow
from tradebot.venues.venue import Broker, Feed, NotSent, Reply, Venue, VenueRules

ENDED_UNFILLED = (VenueOrderStatus.CANCELED, VenueOrderStatus.REJECTED, VenueOrderStatus.EXPIRED)


class ShadowBroker:
    """Implements `Broker` by the live one. What was sent is noted after the venue answered, with the time of sending.

    A request that did not leave this machine is not noted. One whose outcome is unknown is: it may have an effect.
    """

    def __init__(self, live: Broker, shadow: Shadow, clock: Clock) -> None:
        self.venue_rules: VenueRules = live.venue_rules
        self._live, self._shadow, self._clock = live, shadow, clock

    async def fetch_account_id(self) -> str:
        """Return the live account's id."""
        return await self._live.fetch_account_id()

    async def fetch_profile(self) -> AccountProfile:
        """Return what the live account may trade."""
        return await self._live.fetch_profile()

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        """Return the venue's instruments of `symbols`."""
        return await self._live.fetch_instruments(symbols)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        """Return the live account's orders of the day."""
        return await self._live.fetch_orders()

    async def fetch_fills(self) -> VenueRows[Fill]:
        """Return the live account's fills of the day."""
        return await self._live.fetch_fills()

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        """Return the live account's net positions."""
        return await self._live.fetch_positions()

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        """Return the live account's shares from earlier days."""
        return await self._live.fetch_holdings()

    async def fetch_cash(self) -> Decimal:
        """Return the live account's funds for new orders."""
        return await self._live.fetch_cash()

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        """Return the venue's newest quotes; the shadow meets them as well."""
        quotes = await self._live.fetch_quotes(universe)
        known = renumber_quotes(quotes, asked=universe, known=self._shadow.market.universe)
        self._shadow.note_quotes(known, self._clock.market_ns())
        return quotes

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        """Return the venue's past bars."""
        return await self._live.fetch_history(instrument, interval=interval, start=start, end=end)

    async def close(self) -> None:
        """Close the live connections."""
        await self._live.close()

    async def submit(self, request: OrderRequest) -> Reply:
        """Send a new order to the venue, once."""
        return await self._note_after(self._live.submit(request), lambda at: self._shadow.note_submit(request, at))

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Request once at the venue that a working order takes the terms of `request`."""
        sending = self._live.modify(request, venue_order_id=venue_order_id)
        return await self._note_after(sending, lambda at: self._shadow.note_change(request, at))

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Request once at the venue that a working order is cancelled."""
        sending = self._live.cancel(order_id=order_id, venue_order_id=venue_order_id)
        return await self._note_after(sending, lambda at: self._shadow.note_cancel(order_id, at))

    async def _note_after(self, sending: Awaitable[Reply], note: Callable[[int], None]) -> Reply:
        at = self._clock.market_ns()
        try:
            reply = await sending
        except OutcomeUnknown:
            note(at)
            raise
        if not isinstance(reply, NotSent):
            note(at)
        return reply


class ShadowFeed:
    """Implements `Feed` by the live one; quotes and the ends of live orders are noted after the engine has them."""

    def __init__(self, live: Feed, shadow: Shadow, clock: Clock) -> None:
        self._live, self._shadow, self._clock = live, shadow, clock

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Return the counts of unusable data of the live stream."""
        return self._live.dropped_counts

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        """Stream for ever."""

        def on_message(message: MarketMessage) -> None:
            on_market(message)
            if isinstance(message, Quotes):
                self._shadow.note_quotes(message, self._clock.market_ns())

        def on_version(order: VenueOrder) -> None:
            on_order(order)
            if order.tag and order.status in ENDED_UNFILLED:
                self._shadow.note_end(order.tag, f"the live order is {order.status}", self._clock.market_ns())

        await self._live.run(on_message, on_version)

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Subscribe again to these instrument ids of the universe."""
        await self._live.resubscribe(ids)


class ShadowVenue:
    """Implements `Venue` by a live one and its shadow."""

    def __init__(self, live: Venue, shadow: Shadow, clock: Clock) -> None:
        self.venue_rules: VenueRules = live.venue_rules
        self._live, self._shadow, self._clock = live, shadow, clock
        self.broker = ShadowBroker(live.broker, shadow, clock)

    def resume_day(self, sent_before: int) -> None:
        """Add the orders that earlier processes sent on this market day to the live count."""
        self._live.resume_day(sent_before)

    def create_feed(self, universe: Universe, *, tell: EventListener = drop_event) -> ShadowFeed:
        """Return the live feed, which the shadow hears as well."""
        return ShadowFeed(self._live.create_feed(universe, tell=tell), self._shadow, self._clock)


@asynccontextmanager
async def open_shadow_venue(
    live: Venue, clock: Clock, settings: PaperSettings, *, live_account: str, universe: Universe
) -> AsyncIterator[ShadowVenue]:
    """Open the shadow of a live venue, whose orders it repeats on paper until the block ends."""
    shadow = Shadow(universe, clock, settings, live_account=live_account)
    try:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(shadow.follow_live(), name="shadow")
            yield ShadowVenue(live, shadow, clock)
            following.cancel()
        await shadow.play_until(clock.market_ns())
    finally:
        shadow.close_shadow()
