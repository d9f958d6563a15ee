"""The feed of a paper account: the venue's stream goes to the paper market and on to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradebot.clock import Clock
from tradebot.domain.market import Quotes
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import VenueOrder
from tradebot.paper.paper_market import PaperMarket
from tradebot.venues.venue import Feed


class PaperFeed:
    """Implements `Feed` over the venue's feed.

    Quotes reach the paper market first: what they fill is the order that was at the exchange before. An order that they
    cause arrives after its latency. What the stream reports about orders of the venue's own account is dropped, because
    the paper account has nothing to do with them. `wake()` is called after each frame.
    """

    def __init__(self, feed: Feed, market: PaperMarket, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._feed, self._market, self._clock, self._wake = feed, market, clock, wake

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Return the counts of unusable data of the stream, and of rows that the paper market could not use."""
        own = self._market.source.dropped_counts
        return self._feed.dropped_counts | {name: count for name, count in own.items() if count}

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        """Stream for ever; `on_order` receives the orders of the paper account."""

        def on_message(message: MarketMessage) -> None:
            if isinstance(message, Quotes):
                self._market.take_quotes(message, self._clock.market_ns())
                self._wake()
            on_market(message)

        was = self._market.on_order
        self._market.on_order = on_order
        try:
            await self._feed.run(on_message, _drop_real_order)
        finally:
            self._market.on_order = was

    async def resubscribe(self, ids: Sequence[int]) -> None:
        """Subscribe again to these instrument ids of the universe."""
        await self._feed.resubscribe(ids)


def _drop_real_order(order: VenueOrder) -> None:
    return None
