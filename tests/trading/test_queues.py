"""The queues between the stages: what becomes of a message when its queue is full, and which queue is read first."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tradebot.clock import ManualClock
from tradebot.domain.market import QUOTE_COLUMNS, Quotes
from tradebot.errors import InvariantBroken
from tradebot.trading.queues import TIME_SLICE_NS, BoundedQueue, Inbox


def quotes(at: int, **prices: int) -> Quotes:
    """One row per instrument `i<id>` with its last price."""
    n = len(prices)
    columns = {name: np.zeros(n, dtype=np.int64) for name in QUOTE_COLUMNS}
    columns["ids"] = np.array([int(name[1:]) for name in prices], dtype=np.int64)
    columns["last"] = np.array(list(prices.values()), dtype=np.int64)
    columns["sent_at"] = np.full(n, at, dtype=np.int64)
    return Quotes(source="t", seen_at=at, **columns)


def newest(frames: list[Quotes]) -> dict[int, int]:
    return {int(i): int(p) for frame in frames for i, p in zip(frame.ids, frame.last, strict=True)}


async def test_a_crowded_lane_keeps_the_newest_quote_of_every_instrument() -> None:
    queue = BoundedQueue("market", 2)
    for at, frame in enumerate(({"i0": 1, "i1": 1}, {"i2": 1}, {"i0": 2}, {"i3": 9, "i2": 3})):
        queue.offer_quotes(quotes(at, **frame))
    assert queue.qsize() == 2
    assert newest([queue.get_nowait(), queue.get_nowait()]) == {0: 2, 1: 1, 2: 3, 3: 9}
    assert queue.merged_count == 1


async def test_what_may_not_be_lost_fails_loudly_when_its_lane_is_full() -> None:
    queue = BoundedQueue("updates", 1)
    queue.put_or_fail("first")
    with pytest.raises(InvariantBroken, match="updates is full at 1"):
        queue.put_or_fail("second")
    assert queue.get_nowait() == "first"


async def test_a_full_lane_makes_its_sender_wait_and_loses_nothing() -> None:
    queue, sent = BoundedQueue("signals", 2), list[int]()

    async def send() -> None:
        for number in range(5):
            await queue.put(number)
            sent.append(number)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        await asyncio.sleep(0)
        assert sent == [0, 1], "the third waits"
        assert [await queue.get() for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_an_inbox_reads_the_first_lane_first_and_each_in_its_order() -> None:
    updates, market = BoundedQueue("updates", 8), BoundedQueue("quotes", 8)
    inbox = Inbox((updates, market), ManualClock())
    for queue, message in ((market, "q1"), (updates, "u1"), (market, "q2"), (updates, "u2")):
        queue.put_nowait(message)
    assert [await anext(inbox) for _ in range(4)] == ["u1", "u2", "q1", "q2"]
    assert inbox.is_empty
    assert (updates.max_depth, market.max_depth) == (2, 2)


class Neighbour:
    """A clock by hand whose sleeps let another task put one message into `queue`."""

    def __init__(self, queue: BoundedQueue) -> None:
        self.clock, self._queue, self.turns = ManualClock(), queue, 0
        self.clock.on_sleep = self._slept

    async def _slept(self, seconds: float) -> None:
        assert seconds == 0
        self.turns += 1
        self._queue.put_nowait("neighbour's")


async def test_an_inbox_gives_what_is_there_and_lets_the_others_go_first_once_a_turn_is_over() -> None:
    queue = BoundedQueue("updates", 8)
    neighbour = Neighbour(queue)
    inbox = Inbox((queue,), neighbour.clock)
    for message in ("a", "b", "c"):
        queue.put_nowait(message)
    neighbour.clock.now_ns += TIME_SLICE_NS
    assert [await anext(inbox), neighbour.turns] == ["a", 0], "the turn is not over yet"
    neighbour.clock.now_ns += 1
    assert [await anext(inbox), neighbour.turns] == ["b", 1]
    neighbour.clock.now_ns += TIME_SLICE_NS
    assert [await anext(inbox), neighbour.turns] == ["c", 1], "the next turn is as long"
    inbox.end_time_slice()
    assert [await anext(inbox), neighbour.turns] == ["neighbour's", 2]


async def test_an_inbox_that_was_waited_for_gives_a_whole_turn_again() -> None:
    queue = BoundedQueue("market", 8)
    neighbour = Neighbour(queue)
    inbox = Inbox((queue,), neighbour.clock)

    async def send() -> None:
        neighbour.clock.now_ns += TIME_SLICE_NS
        queue.put_nowait("late")

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        assert await anext(inbox) == "late"
    neighbour.clock.now_ns += TIME_SLICE_NS
    queue.put_nowait("next")
    assert [await anext(inbox), neighbour.turns] == ["next", 0]


async def test_a_reader_that_was_cancelled_while_it_waited_loses_no_message() -> None:
    queue = BoundedQueue("updates", 8)
    inbox = Inbox((queue,), ManualClock())
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(anext(inbox))
        await asyncio.sleep(0)
        waiting.cancel()
    queue.put_nowait("kept")
    assert await anext(inbox) == "kept"
