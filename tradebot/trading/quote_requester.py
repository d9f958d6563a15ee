"""The quote requester: asks the venue for quotes of instruments whose stream is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice

import msgspec
import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import FetchedQuotes
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import QuotesNotAnswered
from tradebot.venues.venue import Broker

MAX_INSTRUMENTS = 500  # instruments in one request; most venues allow as many
ANSWER_WITHIN_S = 5.0  # wall seconds for an answer; a later one is no use


class QuoteRequester:
    """Sends one request at a time, with `pause_s` wall seconds after each; `put_answer` takes the answers.

    An instrument that is requested again before it is sent is sent once. `resubscribe` asks the stream to send
    instruments again. `tell` is called for requests without an answer.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        universe: Universe,
        clock: Clock,
        put_answer: Callable[[FetchedQuotes], Awaitable[None]],
        resubscribe: Callable[[Sequence[int]], Awaitable[None]],
        tell: EventListener,
        pause_s: float,
    ) -> None:
        self._broker, self._universe, self._clock, self._put_answer, self._tell = (
            broker,
            universe,
            clock,
            put_answer,
            tell,
        )
        self._resubscribe, self._pause_s = resubscribe, pause_s
        self._silent: set[int] = set()  # ids among `_wanted` to subscribe again
        self._wanted: dict[int, None] = {}
        self._is_wanted = asyncio.Event()
        self.request_count = self.failed_count = 0
        self.resubscribed_count = 0  # instruments resubscribed so far; the stream may repeat rows for them

    def request_quotes(self, ids: Collection[int], *, resubscribe: bool = False) -> None:
        """Ask the venue for these instruments soon. With `resubscribe`, subscribe them again at the stream too."""
        self._wanted.update(dict.fromkeys(ids))
        if resubscribe:
            self._silent.update(ids)
        if self._wanted:
            self._is_wanted.set()

    async def send_requests(self) -> None:
        """Send the requests for ever."""
        while True:
            await self._is_wanted.wait()
            ids = list(islice(self._wanted, MAX_INSTRUMENTS))
            for id_ in ids:
                del self._wanted[id_]
            if not self._wanted:
                self._is_wanted.clear()
            if silent := self._silent.intersection(ids):
                self._silent -= silent
                self.resubscribed_count += len(silent)
                await self._resubscribe(sorted(silent))
            await self._fetch(ids)
            await self._clock.sleep(self._pause_s)

    async def _fetch(self, ids: list[int]) -> None:
        self.request_count += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._broker.fetch_quotes(Universe([self._universe[id_] for id_ in ids]))
        except (LinkLost, AccessDenied, TimeoutError) as error:
            self.failed_count += 1
            reason = str(error) or f"no answer within {ANSWER_WITHIN_S:g} s"
            self._tell(QuotesNotAnswered(symbols=len(ids), reason=reason))
            return
        numbers = np.array(ids, dtype=np.int64)
        await self._put_answer(FetchedQuotes(quotes=msgspec.structs.replace(answer, ids=numbers[answer.ids])))
