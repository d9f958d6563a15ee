"""The drain: how a run ends. Queued work is finished, resting orders end, the account is reconciled once more."""

from __future__ import annotations

import asyncio

from tradebot.clock import SECOND, Clock
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import ShutdownUnreconciled
from tradebot.trading.account_reader import AccountReader
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.order_queue import OrderQueue
from tradebot.trading.order_sender import JournalAppender
from tradebot.trading.queues import StageQueues

DRAIN_WITHIN_S = 2.5  # wall seconds that a stop waits for resting orders to end
# Reconciliations at the end, at most, and wall seconds between two
FINAL_POLLS, FINAL_POLL_PAUSE_S = 3, 0.25
FINAL_POLL_WITHIN_S = 1.0  # wall seconds that one such poll may take


class Drain:
    """Waits until the stages are done; they go on working meanwhile."""

    def __init__(
        self,
        *,
        queues: StageQueues,
        account: AccountView,
        orders: OrderQueue,
        account_reader: AccountReader,
        clock: Clock,
        journal: JournalAppender,
        tell: EventListener,
    ) -> None:
        self._queues, self._account, self._orders, self._account_reader = queues, account, orders, account_reader
        self._clock, self._journal, self._tell = clock, journal, tell

    async def wait_until_idle(self) -> None:
        """Wait until no order is open but stops at rest and the desk has nothing to do, `DRAIN_WITHIN_S` at most."""
        deadline = self._clock.monotonic_ns() + int(DRAIN_WITHIN_S * SECOND)
        while self._clock.monotonic_ns() < deadline:
            await self._clock.sleep(0.02)
            if not self._account.has_unsettled_order() and self._is_idle:
                break

    async def reconcile_at_end(self) -> None:
        """Reconcile with the venue until a poll leads to no request, `FINAL_POLLS` times at most.

        A poll may lead to a cancel; the next poll shows whether it worked.
        """
        for _ in range(FINAL_POLLS):
            before = self._orders.done_count
            await self._reconcile_once()
            if self._orders.done_count == before and not self._orders.pending_count:
                return
            await self._clock.sleep(FINAL_POLL_PAUSE_S)

    async def _reconcile_once(self) -> None:
        try:
            async with asyncio.timeout(FINAL_POLL_WITHIN_S):
                self._queues.updates.put_or_fail(await self._account_reader.read_snapshot())
                while not self._is_idle:
                    await self._clock.sleep(0.005)
                await self._journal.wait_durable()
        except (TimeoutError, LinkLost, AccessDenied) as error:
            reason = str(error) or "the venue did not answer in time"
            self._tell(ShutdownUnreconciled(reason=reason))

    @property
    def _is_idle(self) -> bool:
        return self._queues.desk_inbox.is_empty and not self._orders.pending_count
