"""The order queue: orders, changes and cancels between the desk and execution, until their turn comes."""

from __future__ import annotations

import asyncio
from zlib import crc32

from tradebot.domain.messages import Cancel, OrderMessage, Submit

ORDERS_REMEMBERED = 20_000  # orders whose lane is remembered for the cancel that follows


class OrderQueue:
    """Keeps `shards` independent lanes; one symbol's orders keep their order in one lane."""

    def __init__(self, shards: int) -> None:
        self._lanes: tuple[asyncio.Queue[OrderMessage], ...] = tuple(asyncio.Queue(1000) for _ in range(shards))
        self._symbols: dict[str, int] = {}  # order_id -> lane, for the cancel that follows
        self._queued: set[str] = set()  # order_ids that wait for their turn
        self._withdrawn: set[str] = set()  # those of them whose cancel came before their turn
        self.pending_count = self.done_count = 0  # messages that wait or are in hand, and those that are done with

    def __len__(self) -> int:
        """Return the number of lanes."""
        return len(self._lanes)

    async def enqueue_message(self, message: OrderMessage) -> None:
        """Queue an order or a cancel; waits while its lane is full.

        A cancel without the venue's id withdraws an order whose turn has not come, and does nothing later.
        """
        if isinstance(message, Cancel) and not message.venue_order_id:
            if message.order_id in self._queued:
                self._withdrawn.add(message.order_id)
            return
        if isinstance(message, Submit):
            self._queued.add(message.request.order_id)
            lane = crc32(message.request.symbol.encode()) % len(self._lanes)
            self._symbols[message.request.order_id] = lane
            if len(self._symbols) > ORDERS_REMEMBERED:
                del self._symbols[next(iter(self._symbols))]
        else:
            lane = self._symbols.get(message.order_id, 0)
        self.pending_count += 1
        await self._lanes[lane].put(message)

    async def next_message(self, shard: int) -> OrderMessage:
        """Return the next message of a lane; `message_done` is to follow."""
        return await self._lanes[shard].get()

    def begin_sending(self, order_id: str) -> bool:
        """Note that the turn of an order has come; returns False for one that was withdrawn before."""
        self._queued.discard(order_id)
        if order_id in self._withdrawn:
            self._withdrawn.discard(order_id)
            return False
        return True

    def message_done(self) -> None:
        """Note that a message is done with, whatever became of it."""
        self.pending_count -= 1
        self.done_count += 1
