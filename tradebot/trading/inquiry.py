"""The inquiry: asks the venue itself for quotes of instruments whose stream is in doubt, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice

import msgspec
import numpy as np

from tradebot.clock import Clock
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Fetched
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import Tell
from tradebot.ops.events.market import QuotesNotAnswered
from tradebot.venues.venue import Broker

MOST = 500  # instruments of one request, as most venues allow
WITHIN_S = 5.0  # wall seconds for an answer; what is asked in doubt is worth nothing later


class Inquiry:
    """Keeps at most one question under way and `pause_s` wall seconds between two; `put` takes the answers.

    An instrument that is wanted again before its turn is asked once. `resubscribe` asks the
    stream to send instruments again, `tell` hears of questions without an answer.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        universe: Universe,
        clock: Clock,
        put: Callable[[Fetched], Awaitable[None]],
        resubscribe: Callable[[Sequence[int]], Awaitable[None]],
        tell: Tell,
        pause_s: float,
    ) -> None:
        self._broker, self._universe, self._clock, self._put, self._tell = broker, universe, clock, put, tell
        self._resubscribe, self._pause_s = resubscribe, pause_s
        self._silent: set[int] = set()  # of the wanted: whose stream is to be subscribed again
        self._wanted: dict[int, None] = {}
        self._is_wanted = asyncio.Event()
        self.asked = self.failed = 0
        self.resubscribed = 0  # instruments that the stream was asked to send again: it may repeat what it sent

    def want(self, ids: Collection[int], *, resubscribe: bool = False) -> None:
        """Ask for these instruments as soon as it is their turn, and the stream to send them again."""
        self._wanted.update(dict.fromkeys(ids))
        if resubscribe:
            self._silent.update(ids)
        if self._wanted:
            self._is_wanted.set()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self._is_wanted.wait()
            ids = list(islice(self._wanted, MOST))
            for id_ in ids:
                del self._wanted[id_]
            if not self._wanted:
                self._is_wanted.clear()
            if silent := self._silent.intersection(ids):
                self._silent -= silent
                self.resubscribed += len(silent)
                await self._resubscribe(sorted(silent))
            await self._ask(ids)
            await self._clock.sleep(self._pause_s)

    async def _ask(self, ids: list[int]) -> None:
        self.asked += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._broker.fetch_quotes(Universe([self._universe[id_] for id_ in ids]))
        except (LinkLost, AccessDenied, TimeoutError) as error:
            self.failed += 1
            reason = str(error) or f"no answer within {WITHIN_S:g} s"
            self._tell(QuotesNotAnswered(symbols=len(ids), reason=reason))
            return
        numbers = np.array(ids, dtype=np.int64)
        await self._put(Fetched(quotes=msgspec.structs.replace(answer, ids=numbers[answer.ids])))
