"""The venue of a dry start: everything is read from the real one, and it has no order route, so no order can leave."""

from __future__ import annotations

from typing import Any

from tradebot.domain.instrument import Universe
from tradebot.domain.order import OrderRequest
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.venues.venue import Broker, Feed, NotSent, ReadOnlyVenue, Reply, VenueReader, VenueRules

DRY_REASON = "a dry start sends no orders"


class DryBroker:
    """Reads through the reader of the venue, and sends nothing: every write is `NotSent`."""

    def __init__(self, reader: VenueReader) -> None:
        self.venue_rules: VenueRules = reader.venue_rules
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        if name.startswith("fetch_") or name == "close":
            return getattr(self._reader, name)
        raise AttributeError(name)

    async def submit(self, request: OrderRequest) -> Reply:
        """Send nothing."""
        return NotSent(reason=DRY_REASON)

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        """Send nothing."""
        return NotSent(reason=DRY_REASON)

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        """Send nothing."""
        return NotSent(reason=DRY_REASON)


class DryVenue:
    """A venue over a read-only one."""

    def __init__(self, venue: ReadOnlyVenue) -> None:
        self.venue_rules: VenueRules = venue.venue_rules
        self._venue = venue
        self._broker: Any = DryBroker(venue.broker)

    @property
    def broker(self) -> Broker:
        broker: Broker = self._broker
        return broker

    def resume_day(self, sent_before: int) -> None:
        """Count nothing: no order is sent."""

    def create_feed(self, universe: Universe, *, tell: EventListener = drop_event) -> Feed:
        return self._venue.create_feed(universe, tell=tell)
