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
from tradebot.venues.kite.feed import KiteFeed
from tradebot.venues.kite.rest import Timeouts
from tradebot.venues.kite.rules import KITE, REST, TICKER
from tradebot.venues.link import Backoff
from tradebot.venues.venue import Profile

Reading = TypeVar("Reading", bound=KiteReader)


class _Kite(Generic[Reading]):
    """Kite Connect v3, real, sandbox or simulated, according to the addresses; an async context manager.

    `seed` fixes the jitter of reconnects. `silent_after_s` and the timeouts are wall seconds. The sandbox wants
    `prefix="/oms"`; `bind_address` is the local address of the REST calls, where a registered one must be used.
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
        mode: str = "full",
        prefix: str = "",
        silent_after_s: float = 5.0,
        backoff: Backoff | None = None,
        timeouts: Timeouts | None = None,
        bind_address: str | None = None,
        ca_bundle: str = "",
        seed: int = 0,
    ) -> None:
        self.broker: Reading = self.opens(
            rest=rest,
            credentials=credentials,
            clock=clock,
            prefix=prefix,
            timeouts=timeouts,
            bind_address=bind_address,
            ca_bundle=ca_bundle,
        )
        self._ca_bundle = ca_bundle
        self.credentials, self._ticker = credentials, ticker
        self._clock, self._mode, self._silent_after_s, self._backoff = clock, mode, silent_after_s, backoff
        self._rng = np.random.default_rng(seed)

    def feed(self, universe: Universe, *, tell: Tell = without_word) -> KiteFeed:
        """Return a feed of the instruments of `universe`. Raises DataError when they are too many."""
        return KiteFeed(
            universe,
            url=self._ticker,
            credentials=self.credentials,
            clock=self._clock,
            mode=self._mode,
            rng=self._rng,
            backoff=self._backoff,
            silent_after_s=self._silent_after_s,
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
