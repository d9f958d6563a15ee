"""The drain: how a run ends. What was given is carried out, resting orders end, the venue is asked once more."""

from __future__ import annotations

import asyncio

from tradebot.clock import SECOND, Clock
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import Tell
from tradebot.ops.events.run import ShutdownUnreconciled
from tradebot.trading.book_reader import BookReader
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.execution import Ledger
from tradebot.trading.lanes import Lanes
from tradebot.trading.order_queue import OrderQueue

DRAIN_S = 2.5  # wall seconds a stop waits for resting orders to end
LAST_LOOKS, LAST_LOOKS_PAUSE_S = 3, 0.25  # at the venue's books before a run ends, and between two of them
LAST_LOOK_S = 1.0  # wall seconds one of them may take


class Drain:
    """Waits for the stages, which go on while it does."""

    def __init__(
        self,
        *,
        lanes: Lanes,
        account: AccountView,
        orders: OrderQueue,
        books: BookReader,
        clock: Clock,
        journal: Ledger,
        tell: Tell,
    ) -> None:
        self._lanes, self._account, self._orders, self._books = lanes, account, orders, books
        self._clock, self._journal, self._tell = clock, journal, tell

    async def quiet(self) -> None:
        """Wait until no order lives and the desk has nothing left to do, `DRAIN_S` at most."""
        deadline = self._clock.monotonic_ns() + int(DRAIN_S * SECOND)
        while self._clock.monotonic_ns() < deadline:
            await self._clock.sleep(0.02)
            if not self._account.has_live() and self._is_idle:
                break

    async def last_looks(self) -> None:
        """Look at the venue's books until a look leads to nothing: one may lead to a cancel that has its turn again."""
        for _ in range(LAST_LOOKS):
            before = self._orders.ended
            await self._last_look()
            if self._orders.ended == before and not self._orders.pending:
                return
            await self._clock.sleep(LAST_LOOKS_PAUSE_S)

    async def _last_look(self) -> None:
        try:
            async with asyncio.timeout(LAST_LOOK_S):
                self._lanes.updates.post(await self._books.read())
                while not self._is_idle:
                    await self._clock.sleep(0.005)
                await self._journal.durable()
        except (TimeoutError, LinkLost, AccessDenied) as error:
            reason = str(error) or "the venue did not answer in time"
            self._tell(ShutdownUnreconciled(reason=reason))

    @property
    def _is_idle(self) -> bool:
        return self._lanes.to_desk.is_empty and not self._orders.pending
