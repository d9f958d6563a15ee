"""Kite as one venue: a broker, or a reader without an order route, and its feeds, with one set of credentials."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.ops.events.event import EventListener, drop_event
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker, KiteReader
from tradebot.venues.kite.feed import FeedSettings, KiteFeed
from tradebot.venues.kite.rules import KITE_RULES, MAX_GTT, REST_URL, TICKER_URL, rest_offer
from tradebot.venues.venue import VenueRules

Reading = TypeVar("Reading", bound=KiteReader)


class _KiteConnections(Generic[Reading]):
    """Kite Connect v3, real, sandbox or simulated, depending on the addresses; an async context manager.

    `feed` holds the settings of the stream. `ca_bundle` is a file of certificates to trust, empty for the system's.
    `bind_address` is the local address that requests leave from, empty for any; the stream is not bound.
    `max_gtt` is how many GTT orders the account may have active. `credentials` may be renewed at any time; the next
    request and the next connection use the new keys.
    """

    venue_rules: VenueRules = KITE_RULES
    broker_class: type[Reading]

    def __init__(
        self,
        *,
        rest: str = REST_URL,
        ticker: str = TICKER_URL,
        credentials: Credentials,
        clock: Clock,
        feed: FeedSettings = FeedSettings(),
        ca_bundle: str = "",
        bind_address: str = "",
        max_gtt: int = MAX_GTT,
    ) -> None:
        self.broker: Reading = self.broker_class(
            rest=rest,
            credentials=credentials,
            clock=clock,
            offer=rest_offer(rest, max_gtt),
            ca_bundle=ca_bundle,
            bind_address=bind_address or None,
        )
        self.venue_rules = self.broker.venue_rules
        self.credentials, self._ticker, self._ca_bundle = credentials, ticker, ca_bundle
        self._clock, self._feed = clock, feed
        self._rng = np.random.default_rng(0)  # draws the waits between two tries

    def create_feed(self, universe: Universe, *, tell: EventListener = drop_event) -> KiteFeed:
        """Return a feed of the instruments of `universe`. Raises DataError if there are too many."""
        return KiteFeed(
            universe,
            url=self._ticker,
            credentials=self.credentials,
            clock=self._clock,
            settings=self._feed,
            rng=self._rng,
            tell=tell,
            ca_bundle=self._ca_bundle,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.broker.close()


class KiteReadOnlyVenue(_KiteConnections[KiteReader]):
    """Quotes, history and books of Kite, without an order route."""

    broker_class = KiteReader


class KiteVenue(_KiteConnections[KiteBroker]):
    """Kite with its order routes."""

    broker_class = KiteBroker

    def resume_day(self, sent_before: int) -> None:
        """Add the orders that earlier processes sent on this market day: the venue counts them as well."""
        self.broker.resume_day(sent_before)
