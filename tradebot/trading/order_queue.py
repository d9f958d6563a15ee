"""The order queue: orders, changes and cancels on their way from the desk to the order sender."""

from __future__ import annotations

import asyncio
from zlib import crc32

from tradebot.domain.messages import Cancel, OrderMessage, Submit

ORDERS_REMEMBERED = 20_000  # orders whose shard is remembered, for their later changes and cancels


class OrderQueue:
    """A queue in `shards` independent parts. All orders of a symbol are in one shard, first in, first out."""

    def __init__(self, shards: int) -> None:
        self._lanes: tuple[asyncio.Queue[OrderMessage], ...] = tuple(asyncio.Queue(1000) for _ in range(shards))
        # order_id -> its shard: later changes and cancels of an order must follow it in the same one
        self._symbols: dict[str, int] = {}
        self._queued: set[str] = set()  # order_ids that wait in their shard
        self._withdrawn: set[str] = set()  # queued order_ids that were cancelled before they were sent
        self.pending_count = self.done_count = 0  # messages waiting or being sent; messages finished

    def __len__(self) -> int:
        """Return the number of shards."""
        return len(self._lanes)

    async def enqueue_message(self, message: OrderMessage) -> None:
        """Queue an order, change or cancel; waits while its shard is full.

        A cancel without the venue's id is not queued. It withdraws its order if that still waits here, else it does
        nothing.
        """
        if isinstance(message, Cancel) and not message.venue_order_id:
            if message.order_id in self._queued:
                self._withdrawn.add(message.order_id)
            return
        if isinstance(message, Submit):
            self._queued.add(message.request.order_id)
            shard = crc32(message.request.symbol.encode()) % len(self._lanes)
            self._symbols[message.request.order_id] = shard
            if len(self._symbols) > ORDERS_REMEMBERED:
                del self._symbols[next(iter(self._symbols))]
        else:
            shard = self._symbols.get(message.order_id, 0)
        self.pending_count += 1
        await self._lanes[shard].put(message)

    async def next_message(self, shard: int) -> OrderMessage:
        """Return the next message of a shard; waits for one. The caller calls `message_done` afterwards."""
        return await self._lanes[shard].get()

    def begin_sending(self, order_id: str) -> bool:
        """Take an order off the waiting list before it is sent. Returns False when it was withdrawn meanwhile."""
        self._queued.discard(order_id)
        if order_id in self._withdrawn:
            self._withdrawn.discard(order_id)
            return False
        return True

    def message_done(self) -> None:
        """Note that a message of `next_message` is finished, with any result."""
        self.pending_count -= 1
        self.done_count += 1
