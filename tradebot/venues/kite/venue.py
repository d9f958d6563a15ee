"""Kite as one venue: a broker, or a reader without an order route, and the feeds behind one set of credentials."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.ops.events.event import Tell, without_word
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.broker import KiteBroker, KiteReader
from tradebot.venues.kite.feed import FeedSettings, KiteFeed
from tradebot.venues.kite.rules import KITE, REST, TICKER
from tradebot.venues.venue import Profile

Reading = TypeVar("Reading", bound=KiteReader)


class _Kite(Generic[Reading]):
    """Kite Connect v3, real, sandbox or simulated, according to the addresses; an async context manager.

    `feed` says how the stream is listened to. `ca_bundle` is a file of the authorities to believe, besides the usual.
    `credentials` may be renewed at any time: the next request and the next connection carry the new ones.
    """

    profile: Profile = KITE
    opens: type[Reading]

    def __init__(
        self,
        *,
        rest: str = REST,
        ticker: str = TICKER,
        credentials: Credentials,
        clock: Clock,
        feed: FeedSettings = FeedSettings(),
        ca_bundle: str = "",
    ) -> None:
        self.broker: Reading = self.opens(rest=rest, credentials=credentials, clock=clock, ca_bundle=ca_bundle)
        self.credentials, self._ticker, self._ca_bundle = credentials, ticker, ca_bundle
        self._clock, self._listening = clock, feed
        self._rng = np.random.default_rng(0)  # of the pauses between two tries

    def feed(self, universe: Universe, *, tell: Tell = without_word) -> KiteFeed:
        """Return a feed of the instruments of `universe`. Raises DataError when they are too many."""
        return KiteFeed(
            universe,
            url=self._ticker,
            credentials=self.credentials,
            clock=self._clock,
            settings=self._listening,
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


class KiteData(_Kite[KiteReader]):
    """Quotes, history and books of Kite: there is no order route in it."""

    opens = KiteReader


class KiteVenue(_Kite[KiteBroker]):
    """Kite with its order routes."""

    opens = KiteBroker

    def resume_day(self, sent: int) -> None:
        """Count the orders that earlier processes sent on this market day: the venue counts them, too."""
        self.broker.resume_day(sent)
