"""The feed intake: puts the venue's stream into the queues, and fetches quotes while the stream is down."""

from __future__ import annotations

import asyncio

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import LinkDown, LinkUp, MarketMessage, OrderReport
from tradebot.domain.order import VenueOrder
from tradebot.errors import AccessDenied, LinkLost, LoginLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import FeedConnected, FeedLost, QuotesNotFetched
from tradebot.trading.login_monitor import LoginMonitor
from tradebot.trading.queues import StageQueues
from tradebot.trading.reconciliation import Reconciliation
from tradebot.venues.venue import Broker


class FeedIntake:
    """Takes the messages of the feed; `poll_every_s` is wall seconds between two fetches of quotes."""

    def __init__(
        self,
        *,
        queues: StageQueues,
        broker: Broker,
        universe: Universe,
        clock: Clock,
        reconciliation: Reconciliation,
        login_monitor: LoginMonitor,
        tell: EventListener,
        poll_every_s: float,
    ) -> None:
        self._queues, self._broker, self._universe, self._clock = queues, broker, universe, clock
        self._reconciliation, self._login_monitor, self._tell = reconciliation, login_monitor, tell
        self._poll_every_s = poll_every_s
        self._stream_is_down = asyncio.Event()
        self.stream_started = asyncio.Event()  # set with the first quote of the stream

    def on_market(self, message: MarketMessage) -> None:
        """Take quotes, or a message about the feed's link."""
        if isinstance(message, Quotes):
            self.stream_started.set()
            self._queues.market.offer_quotes(message)
            return
        self._queues.market.put_or_fail(message)
        match message:
            case LinkUp():
                self._stream_is_down.clear()
                self._tell(FeedConnected(source=message.source))
                self._reconciliation.poll_soon()
            case LinkDown():
                self._stream_is_down.set()
                self._tell(FeedLost(source=message.source, reason=message.reason))
                self._login_monitor.check_soon()

    def on_order(self, order: VenueOrder) -> None:
        """Take the feed's report on an order. If it has fills, they are fetched."""
        self._queues.updates.put_or_fail(OrderReport(order=order, mono=self._clock.monotonic_ns()))
        if order.filled:
            self._reconciliation.hint_fill()

    async def fetch_while_down(self) -> None:
        """Fetch quotes for ever while the stream is down.

        With them positions are still valued and their stops judged; entries stay blocked.
        """
        while True:
            await self._stream_is_down.wait()
            try:
                self._queues.market.offer_quotes(await self._broker.fetch_quotes(self._universe))
            except (LinkLost, AccessDenied) as error:
                if isinstance(error, LoginLost):
                    self._login_monitor.check_soon()
                self._tell(QuotesNotFetched(reason=str(error)))
            await self._clock.sleep(self._poll_every_s)
